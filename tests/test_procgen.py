"""Procgen: levels by their numbers, alone or many at a time, to the bit."""

import h5py
import numpy as np
import pytest
from helpers import assert_same_rollouts, run_stage

from reverie.artifacts import InputError
from reverie.games import FAMILIES, game_class, heist, make_game
from reverie.games.procgen_state import read_scene
from reverie.rollouts.game_process import GameProcess
from reverie.rollouts.policies import open_loop_actions

NAMES = next(family.names for family in FAMILIES if family.module == "procgen")
OPTIONS = {"num_levels": 0, "start_level": 0, "distribution_mode": "easy", "time_steps": 1000}
JOBS = [3, 8, 1, 9, 4, 5]  # seeds


@pytest.mark.parametrize("name", NAMES)
def test_every_game_starts_on_the_level_it_is_asked_for(name):
    game = make_game(name, **OPTIONS)
    frames = [game.reset(seed=seed)[0] for seed in (5, 6, 5)]
    np.testing.assert_array_equal(frames[0], frames[2])
    assert (frames[0] != frames[1]).any()


@pytest.mark.parametrize("name", ["coinrun", "starpilot", "leaper"])
def test_frames_rewards_and_ends_are_procgens_own(name):
    from procgen import ProcgenGym3Env

    game = make_game(name, **OPTIONS)
    actions = np.random.default_rng(0).integers(15, size=1000)
    for level in (5, 77):
        own = ProcgenGym3Env(
            1, name, num_levels=1, start_level=level, distribution_mode="easy", num_threads=0
        )
        frame, info = game.reset(seed=level)
        assert info["level_seed"] == level
        for action in actions:
            _, observation, _ = own.observe()
            np.testing.assert_array_equal(frame, observation["rgb"][0])
            own.act(np.array([action]))
            frame, reward, terminated, truncated, _ = game.step(action)
            rewards, _, first = own.observe()
            assert reward == rewards[0]
            assert (terminated or truncated) == first[0]
            if first[0]:
                break
        assert first[0]


def test_procgens_own_limit_truncates():
    game = make_game("leaper", **OPTIONS)
    game.reset(seed=0)
    results = [game.step(4) for _ in range(500)]  # 4 is to stand still
    assert [result[2:4] for result in results[-2:]] == [(False, False), (False, True)]
    np.testing.assert_array_equal(results[-1][0].shape, (64, 64, 3))


@pytest.mark.parametrize("time_steps", [1000, 20])
def test_many_at_a_time_are_what_each_is_alone(time_steps, tmp_path):
    host = GameProcess("starpilot", OPTIONS | {"time_steps": time_steps})
    host.game.at_once = 2
    jobs = [(seed, tmp_path / f"{seed}.h5") for seed in JOBS]
    together = host.play_many(jobs, "held_random")
    assert len({steps for steps, _ in together}) > (time_steps == 1000)
    for (seed, path), result in zip(jobs, together):
        alone = tmp_path / f"alone_{seed}.h5"
        assert host.play(seed, "held_random", alone) == result
        assert_same_rollouts(path, alone)


ALPHA = 25  # of an entity's numbers


@pytest.mark.parametrize("mode", ["easy", "hard", "memory"])
def test_ground_truth_of_heist_is_where_the_pictures_are(mode):
    """Each thing is made transparent: pixels change inside its rectangle and nowhere else."""
    game = make_game("heist", **OPTIONS | {"distribution_mode": mode})
    rng, seen = np.random.default_rng(0), set()
    for seed in range(8):
        game.reset(seed=seed)
        for _ in range(20):
            frame, *_, info = game.step(int(rng.integers(9)))
        masks = game.object_masks(info["things"][None])[0]
        for index, name in enumerate(heist.THINGS):
            inside = (masks & game.objects[name]) > 0
            assert inside.any() == (info["things"][index] > 0).any()
            changed = (without(game, is_thing(index)) != frame).any(axis=-1)
            assert not (changed & ~inside).any()
            if inside[4:-4, 4:-4].any():
                assert changed.any()
                seen.add(name)
    assert seen >= set(heist.THINGS) - ({"red_lock"} if mode == "memory" else set())  # far away


def is_thing(index):
    """Return what tells whether an entity of Heist is one of `THINGS`."""
    return lambda entity: entity[6] in heist.FIRST and heist.FIRST[entity[6]] + entity[8] == index


def without(game, gone):
    """Return the frame as it is without some entities, and leave the game as it was."""
    batch = game.single
    state = batch.saved_state(0)
    kept = bytes(state)
    for entity in read_scene(state, batch.after_generators(state)).numbers:
        if gone(entity):
            entity.view("<f4")[ALPHA] = 0.0
    frames = []
    for change in (bytes(state), kept):
        batch.buffer[0 : len(change)] = change
        batch.engine.call_c_func("set_state", 0, batch.buffer, len(change))
        frames.append(batch.engine.observe()[1]["rgb"][0].copy())
    return frames[0]


@pytest.mark.parametrize("name", ["chaser", "dodgeball"])
def test_ground_truth_of_chaser_and_dodgeball_is_where_the_pictures_are(name):
    """Entities are made transparent; pellets, which are none, are the green of the maze."""
    game = make_game(name, **OPTIONS | {"use_backgrounds": False})
    rng, seen = np.random.default_rng(0), set()
    for seed in range(6):
        game.reset(seed=seed)
        for _ in range(40):
            frame, *_, info = game.step(int(rng.choice([1, 3, 5, 7, 9])))
            for kind, kinds in game.entities.items():
                inside = (info["object_mask"] & game.objects[kind]) > 0
                if inside.sum() > 8 and kind not in seen:
                    changed = without(game, lambda entity, k=kinds: entity[6] in k) != frame
                    assert not (changed.any(axis=-1) & ~inside).any()
                    seen |= {kind} if changed.any() else set()
        if name == "chaser":
            pellets = (info["object_mask"] & game.objects["pellet"]) > 0
            green = (frame == (0, 255, 0)).all(axis=-1)
            assert green.sum() > 100
            assert not (green & ~pellets).any()
    assert seen >= {*game.entities} - {"enemy_ball", "door"}


def test_a_key_of_heist_is_on_the_floor_or_on_the_ring():
    """By walking at random in small levels until keys are found and gems are reached."""
    game = make_game("heist", **OPTIONS | {"time_steps": 400})
    keys, found, won = slice(2, 5), 0, 0
    for seed in (7, 10):
        _, info = game.reset(seed=seed)
        actions = np.random.default_rng(seed).choice([1, 3, 5, 7], 50).repeat(8)
        there = info["things"][keys].any(axis=1)
        for action in actions:
            _, reward, terminated, truncated, info = game.step(int(action))
            now = info["things"][keys].any(axis=1)
            np.testing.assert_array_equal(now, there & ~info["held"])
            won += reward > 0
            if terminated or truncated:
                break
        found += info["held"].sum()
    assert (found, won) == (2, 1)


def test_keys_and_locks_of_heist_are_earned_once():
    """Where the whole maze is in view, a lock that is gone was opened."""
    game, keys, locks = make_game("heist", **OPTIONS | {"time_steps": 400}), 0, 0
    for seed in (18, 24, 37):
        infos = [game.reset(seed=seed)[1]]
        for action in np.random.default_rng(seed).choice([1, 3, 5, 7], 50).repeat(8):
            _, _, terminated, truncated, info = game.step(int(action))
            infos.append(info)
            if terminated or truncated:
                break
        found = {name: np.stack([info[name] for info in infos]) for name in infos[0]}
        rewards, shown = np.zeros(len(infos) - 1), found["things"][:, 5:, 2] > 0
        opened = heist.Heist.earned("lock", rewards, found)
        assert opened.sum() == (shown[:-1] & ~shown[1:]).sum()
        assert heist.Heist.earned("key", rewards, found).sum() == found["held"][-1].sum()
        keys, locks = keys + found["held"][-1].sum(), locks + opened.sum()
    assert (keys, locks) == (5, 4)


def test_levels_are_chosen_by_number():
    game = make_game("heist", **OPTIONS | {"num_levels": 3, "start_level": 40})
    levels = [int(game.reset(seed=seed)[1]["level_seed"]) for seed in range(6)]
    assert levels == [40, 41, 42, 40, 41, 42]


def test_options_that_do_not_go_together():
    with pytest.raises(InputError, match="--distribution_mode extreme: heist has no such mode"):
        game_class("heist").check(OPTIONS | {"distribution_mode": "extreme"})
    with pytest.raises(InputError, match="name both"):
        game_class("heist").check(OPTIONS | {"start_level": 3})
    memory = make_game("heist", **OPTIONS | {"distribution_mode": "memory"}).reset(seed=1)[0]
    assert (memory != make_game("heist", **OPTIONS).reset(seed=1)[0]).any()


def test_recorded_through_the_door(tmp_path):
    flags = ["--total_episodes", 5, "--batch_size", 5, "--num_levels", 50, "--time_steps", 40]
    for folder, workers in (("one", 1), ("two", 2)):
        line = ["bigfish", *flags, "--store_folder", tmp_path / folder, "--workers", workers]
        result = run_stage("01_generate_data.py", *line)
        assert result.returncode == 0, result.stderr
    one, two = (tmp_path / folder / "bigfish_0.h5" for folder in ("one", "two"))
    assert_same_rollouts(one, two)
    space = game_class("bigfish").action_space
    with h5py.File(one) as file:
        for group in file.values():
            steps, seed = len(group["rewards"]), int(group.attrs["seed"])
            expected = open_loop_actions("held_random", seed, 40, space)
            np.testing.assert_array_equal(group["actions"], expected[:steps])
            assert set(group["infos/level_seed"][:]) == {seed % 50}
            assert group["terminations"][-1] != group["truncations"][-1]
