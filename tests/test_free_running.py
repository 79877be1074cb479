"""Free-running dreams beside play that the same network, or a more dangerous one, has made."""

import numpy as np
import pytest
from helpers import write_latents
from test_dreams import with_termination

from reverie.controllers.controller import Controller
from reverie.dreams.dream import Dream
from reverie.dreams.free_running import Actor, compare, describe, far_from_game, free_running
from reverie.dreams.options import DreamOptions
from reverie.dreams.recorded import HORIZONS, STRIDE, Played, played_states, recorded_states
from reverie.latents.storage import Latents

EPISODES, LONGEST = 200, 260
OPTIONS = DreamOptions(temperature=1.0, time_steps=LONGEST)


@pytest.fixture(scope="module")
def dream(dreamer, first_frames):
    return Dream(dreamer, *first_frames, OPTIONS)


@pytest.fixture(scope="module")
def latents(dream, tmp_path_factory):
    """Return dreams of the network, kept as if they were encoded episodes of a game."""
    actions = np.random.default_rng(3).uniform(-1, 1, (EPISODES, LONGEST, 1)).astype(np.float32)
    dreams = dream.free(actions, seed=9)
    lengths = dreams.lengths
    frames = [row[: length + 1] for row, length in zip(dreams.latents, lengths)]
    mu = np.concatenate(frames).astype(np.float16)
    last = np.cumsum(lengths) - 1
    ends = np.zeros(lengths.sum(), bool)
    ends[last] = lengths < LONGEST
    path = tmp_path_factory.mktemp("dreamt") / "latents.npz"
    changes = {
        "mu": mu,
        "logvar": np.full_like(mu, -20.0),
        "actions": np.concatenate([row[:length] for row, length in zip(actions, lengths)]),
        "rewards": np.concatenate([row[:n] for row, n in zip(dreams.rewards, lengths)]),
        "terminations": ends,
    }
    write_latents(path, lengths.tolist(), 3, **changes)
    return Latents(path)


def test_dreams_end_as_often_as_play_that_the_network_has_made(dream, latents):
    result = free_running(dream, latents, list(range(EPISODES)))
    for steps in map(str, HORIZONS):
        row = result[steps]
        for name in ("latents", "dreams"):
            low, high = row[f"{name}_interval"]
            assert low - 0.1 < 1.0 < high + 0.1
            assert high - low < 0.8
        assert row["dream_reward"] == pytest.approx(row["game_reward"], abs=0.1)
    assert result["200"]["game"] > result["25"]["game"] > 50
    assert "warning" not in describe(result)


def test_dreams_of_a_safer_network_are_not_trusted(dreamer, first_frames, latents):
    """An end every 200 steps, whatever happens, is a fraction of the ends in the recording."""
    safe = Dream(with_termination(dreamer, -5.3), *first_frames, OPTIONS)
    result = free_running(safe, latents, list(range(EPISODES)))
    left = [n - start for n in latents.lengths for start in range(0, n, STRIDE)]
    played = int(np.minimum(left, HORIZONS[-1]).sum())
    expected = played * (1 / (1 + np.exp(5.3))) / result["200"]["game"]
    assert result["200"]["dreams"] == pytest.approx(expected, rel=0.15)
    assert result["200"]["latents"] == pytest.approx(expected, rel=0.15)
    assert "worthless" in describe(result)


def test_states_are_those_of_the_step_by_step_network(dreamer, latents):
    """Every hundredth step has a state, and what came next is what was recorded."""
    longest = int(latents.lengths.argmax())
    assert latents.lengths[longest] > STRIDE
    state, recorded = recorded_states(dreamer, latents, [longest], np.random.default_rng(0))
    assert len(recorded.episodes) == -(-latents.lengths[longest] // STRIDE)
    frame, step = latents.frame_starts[longest], latents.step_starts[longest]
    hidden = cell = np.zeros((1, 8), np.float32)
    for index in range(STRIDE):
        z = latents.arrays["mu"][frame + index][None].astype(np.float32)
        action = latents.arrays["actions"][step + index][None]
        hidden, cell = dreamer.step(z, action, [hidden, cell])
    np.testing.assert_allclose(state["h"][1], np.asarray(hidden)[0], atol=1e-3)
    left = int(latents.lengths[longest]) - STRIDE
    assert recorded.alive[1].sum() == min(left, HORIZONS[-1])
    assert recorded.ends[0].sum() == 0.0


def test_nothing_ends(dream, latents, tmp_path):
    """Where the game never ends an episode there is no multiple, and no warning."""
    path = tmp_path / "latents.npz"
    write_latents(path, [30] * 6, 3, terminations=np.zeros(180, bool))
    result = free_running(dream, Latents(path), list(range(6)))
    assert result["200"]["dreams"] is None
    assert "nothing ended" in describe(result)
    assert "warning" not in describe(result)


def played(dreams, actions):
    """Return dreams as if they were episodes that an agent has played."""
    episodes = []
    for row, length in enumerate(dreams.lengths):
        episode = Played()
        for step in range(length):
            end = step == length - 1 and length < LONGEST
            reward = dreams.rewards[row, step]
            episode.add(dreams.latents[row, step], actions[row, step], reward, end)
        episodes.append(episode)
    return episodes


def test_an_actor_dreams_as_often_to_the_end_as_it_has_played(dream):
    """Play of a controller in the network's own dream is like its free-running dreams."""
    actor = Actor(Controller("z", 3, 8, 1), np.array([2.0, -1.0, 0.5], np.float32))
    begin = dream.first_state(150, np.random.default_rng(1))
    dreams = dream.acted(begin, actor.policy, actor.parameters, LONGEST, seed=4)
    actions = np.tanh(dreams.latents[:, :-1] @ actor.parameters)[..., None]
    state, recorded = played_states(dream.rnn, played(dreams, actions))
    assert len(recorded.episodes) == sum(-(-n // STRIDE) for n in dreams.lengths)
    np.testing.assert_allclose(recorded.predicted[0, :5], dreams.ends[0, :5], atol=1e-4)
    result = compare(dream, state, recorded, actor=actor)
    for steps in map(str, HORIZONS):
        low, high = result[steps]["dreams_interval"]
        assert low - 0.05 < 1.0 < high + 0.05
        assert result[steps]["dream_reward"] == pytest.approx(result[steps]["game_reward"], abs=0.1)
    assert not far_from_game(result)


def test_an_actor_takes_its_own_actions(dream):
    """Dreams along the actions that a policy has taken are the dreams in which it acts."""
    actor = Actor(Controller("z", 3, 8, 1), np.array([2.0, -1.0, 0.5], np.float32))
    begin = dream.first_state(4, np.random.default_rng(2))
    acted = dream.acted(begin, actor.policy, actor.parameters, 70, seed=5)
    actions = np.tanh(acted.latents[:, :-1] @ actor.parameters)[..., None]
    along = dream.onward(begin, actions, seed=5)
    np.testing.assert_allclose(along.latents, acted.latents, atol=1e-4)
    np.testing.assert_array_equal(along.lengths, acted.lengths)


@pytest.mark.parametrize(
    ("ends", "reward", "interval", "far"),
    [
        (1.2, 9.0, [8.0, 10.0], ""),
        (0.5, 1.0, [0.9, 1.1], "end 0.50 times"),
        (None, 3.0, [2.0, 4.0], "reward 3.00 times"),
        (None, 3.0, [1.2, 4.0], ""),
        (None, None, None, ""),
    ],
)
def test_rewards_decide_where_nothing_ends(ends, reward, interval, far):
    row = {"dreams": ends, "reward": reward, "reward_interval": interval}
    assert far_from_game({"200": row}).startswith(far)
    assert bool(far_from_game({"200": row})) == bool(far)
