"""Policies by name, and the seeds of episodes."""

import gymnasium
import numpy as np
import pytest

from reverie.rollouts.policies import (
    MAX_HOLD,
    OPEN_LOOP,
    PERIODS,
    POLICIES,
    PURPOSES,
    blind_policy,
    chooser,
    episode_seeds,
    is_blind,
    is_named,
    open_loop_actions,
    played_by,
    shares_of,
)

SPACE = gymnasium.spaces.Box(np.float32([-1, 0]), np.float32([1, 3]))
UNIT = gymnasium.spaces.Box(-1.0, 1.0, (1,))
SPACES = (
    SPACE,
    gymnasium.spaces.Discrete(5, start=2),
    gymnasium.spaces.MultiDiscrete([2, 3]),
    gymnasium.spaces.MultiBinary(3),
)
STEPS = 5000


@pytest.mark.parametrize("policy", OPEN_LOOP)
def test_actions_lie_in_the_space(policy):
    actions = open_loop_actions(policy, 3, STEPS, SPACE)
    assert actions.shape == (STEPS, 2)
    assert actions.dtype == np.float32
    assert (actions >= SPACE.low).all()
    assert (actions <= SPACE.high).all()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_every_policy_is_there_for_every_space(policy, space):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    chosen = []
    for _ in range(2):
        choose = chooser(policy, 3, 3, space)
        chosen.append([choose(step, frame) for step, frame in enumerate(frames)])
    assert all(space.contains(action) for action in chosen[0])
    np.testing.assert_array_equal(*chosen)


def test_random_networks_differ_between_episodes_and_look():
    def episode(seed, frame):
        choose = chooser("random_networks", seed, 2, SPACE)
        return np.array([choose(step, frame) for step in range(2)])

    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    episodes = [episode(seed, black) for seed in range(8)]
    assert len({actions.tobytes() for actions in episodes}) > 1
    assert any((episodes[seed] != episode(seed, white)).any() for seed in range(8))


def test_brownian_walks_in_small_steps():
    actions = open_loop_actions("brownian", 0, STEPS, SPACE)
    strides = np.diff(actions, axis=0)[(np.abs(actions[1:]) < 0.9).all(axis=1)]
    assert 0.11 < strides[:, 0].std() < 0.15  # a seventh of half the width, 1
    assert np.abs(actions[:, 0]).max() == 1.0


@pytest.mark.parametrize("policy", OPEN_LOOP)
def test_a_seed_decides_the_actions(policy):
    first = open_loop_actions(policy, 3, 50, SPACE)
    np.testing.assert_array_equal(first, open_loop_actions(policy, 3, 50, SPACE))
    if policy != "constant":
        assert (first != open_loop_actions(policy, 4, 50, SPACE)).any()


def holds(actions):
    changes = np.flatnonzero((np.diff(actions, axis=0) != 0).any(axis=1)) + 1
    return np.diff(np.concatenate([[0], changes]))


def test_held_random_holds_for_one_to_ten_steps_alike():
    lengths = holds(open_loop_actions("held_random", 0, STEPS, SPACE))
    counts = np.bincount(lengths, minlength=MAX_HOLD + 1)
    assert counts[0] == 0
    assert len(counts) == MAX_HOLD + 1
    expected = len(lengths) / MAX_HOLD
    assert (np.abs(counts[1:] - expected) < 5 * np.sqrt(expected)).all()


def test_wandering_differs_between_episodes():
    episodes = [open_loop_actions("wandering", seed, 300, SPACE)[:, :1] for seed in range(300)]
    pace = np.array(
        [holds(actions).mean() if len(np.unique(actions)) > 1 else 300.0 for actions in episodes]
    )
    assert (pace < 3).any()
    assert (pace > 100).any()
    side = np.array([actions.mean() for actions in episodes])  # the space is -1 to 1
    assert side.min() < -0.5
    assert side.max() > 0.5
    assert abs(side.mean()) < 0.15


def test_fresh_random_covers_the_space_and_constant_stays_in_its_middle():
    actions = open_loop_actions("fresh_random", 0, STEPS, SPACE)
    assert (holds(actions) == 1).all()
    spread = (SPACE.high - SPACE.low) / np.sqrt(12 * STEPS)
    assert (np.abs(actions.mean(axis=0) - (SPACE.low + SPACE.high) / 2) < 5 * spread).all()
    still = open_loop_actions("constant", 0, STEPS, SPACE)
    np.testing.assert_array_equal(np.unique(still, axis=0), [[0.0, 1.5]])


def test_one_action_is_drawn_for_each_episode():
    episodes = [open_loop_actions("one_action", seed, 50, SPACE) for seed in range(100)]
    assert all((actions == actions[0]).all() for actions in episodes)
    first = np.array([actions[0, 0] for actions in episodes])
    assert min((first < -1 / 3).sum(), (abs(first) < 1 / 3).sum(), (first > 1 / 3).sum()) > 15


def test_turning_goes_to_both_ends_with_a_period_of_its_own():
    episodes = [open_loop_actions("turning", seed, 2000, SPACE)[:, :1] for seed in range(200)]
    means = np.array([holds(actions).mean() for actions in episodes])
    assert PERIODS[0] * 0.75 < means.min() < 15
    assert 180 < means.max() < PERIODS[1] * 1.3
    assert 0.05 < holds(episodes[0]).std() / holds(episodes[0]).mean() < 0.2
    exact = open_loop_actions("turning_40", 1, 400, UNIT)
    np.testing.assert_array_equal(holds(exact), [40] * 9)
    assert set(exact[:, 0]) == {-1.0, 1.0}


def test_a_mix_plays_each_member_by_its_share():
    mix = "mix:wandering=3,turning_40,constant"
    assert shares_of(mix) == {"wandering": 0.6, "turning_40": 0.2, "constant": 0.2}
    played = [played_by(mix, seed) for seed in range(1000)]
    assert played == [played_by(mix, seed) for seed in range(1000)]
    for member, share in shares_of(mix).items():
        assert abs(played.count(member) - 1000 * share) < 60
        seed = played.index(member)
        expected = open_loop_actions(member, seed, 50, SPACE)
        np.testing.assert_array_equal(open_loop_actions(mix, seed, 50, SPACE), expected)


def test_names_of_policies_and_mixes():
    assert is_named("turning_7")
    assert is_named("mix:random_networks,gatherer=2", ("gatherer",))
    wrong = ("turning_0", "turning_x", "mix:", "mix:gatherer", "mix:constant=0", "mix:constant=x")
    for policy in (*wrong, "mix:constant,constant=2", "mix:constant=nan"):
        assert not is_named(policy)
    assert is_blind("mix:constant,turning")
    assert not is_blind("mix:constant,random_networks")
    assert blind_policy("mix:constant,turning") == "mix:constant,turning"
    assert blind_policy("mix:constant,random_networks") == "held_random"


def test_seeds_depend_on_run_and_episode_alone():
    seeds = episode_seeds(7, 0, 100)
    assert seeds[40:60] == episode_seeds(7, 40, 20)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert all(type(seed) is int for seed in seeds)


def test_seeds_never_meet():
    seeds = [
        seed
        for run in (0, 1, 2)
        for purpose in PURPOSES
        for seed in episode_seeds(run, 0, 500, purpose)
    ]
    assert len(set(seeds)) == len(seeds)
