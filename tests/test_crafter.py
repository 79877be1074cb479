"""Crafter: its frames to the bit, and ground truth that says what the pixels show."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT

from reverie.games import game_class, make_game
from reverie.games.crafter import (
    ACHIEVEMENTS,
    COLUMNS,
    ITEMS,
    ROWS,
    SEMANTIC,
    Crafter,
    cell_masks,
)

STEPS = 60


def episode(seed, steps=STEPS):
    game = make_game("crafter", time_steps=steps)
    frame, info = game.reset(seed=seed)
    rng = np.random.default_rng(seed)
    rows, over = [(frame, 0.0, False, False, info)], False
    while not over:
        rows.append(game.step(rng.integers(game.action_space.n)))
        over = rows[-1][2] or rows[-1][3]
    return rows


@pytest.fixture(scope="module")
def played():
    return episode(4)


def test_frames_and_rewards_are_crafters_own(played):
    import crafter

    env = crafter.Env(length=STEPS, seed=4)
    rng = np.random.default_rng(4)
    assert (env.reset() == played[0][0]).all()
    for frame, reward, terminated, truncated, _ in played[1:10]:  # the first nine add no creature
        observation, own, done, _ = env.step(rng.integers(17))
        np.testing.assert_array_equal(frame, observation)
        assert (reward, terminated or truncated) == (own, done)


def test_truncated_by_its_length_and_not_terminated(played):
    assert len(played) == STEPS + 1
    assert [row[2:4] for row in played[-2:]] == [(False, False), (False, True)]


def test_a_seed_decides_everything_in_every_process():
    code = (
        "import hashlib, test_crafter\n"
        "digest = hashlib.sha256()\n"
        "for row in test_crafter.episode(7, 100):\n"
        "    digest.update(row[0].tobytes())\n"
        "print(digest.hexdigest())"
    )
    command = [sys.executable, "-c", code]
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    there = subprocess.check_output(command, text=True, env=paths | {"PYTHONHASHSEED": "1"})
    here = hashlib.sha256(b"".join(row[0].tobytes() for row in episode(7, 100))).hexdigest()
    assert there == f"{here}\n"


@pytest.fixture(scope="module", params=[64, 96, 128])
def world(request):
    game = make_game("crafter", time_steps=STEPS, frame_size=request.param)
    game.reset(seed=0)
    game.env._world.daylight = 1.0
    return game


@pytest.mark.parametrize("name", ["tree", "water", "grass", "stone"])
def test_masks_are_the_pixels_of_a_material(name, world):
    """Repaint the material and see which pixels change: those of the mask and no others."""
    env, shape, seen = world.env, world.observation_space.shape, 0
    unit = (Crafter.cell_size(shape),) * 2
    texture = env._textures.get(name, unit)
    free = np.argwhere((env._world._mat_map == SEMANTIC["grass"]) & (env._world._obj_map == 0))
    for place in free[:: len(free) // 10]:
        env._world.move(env._player, place)
        info = world.ground_truth(env._sem_view())
        frames = []
        for colour in (1, 254):
            env._textures._textures[(name, unit)] = np.full_like(texture[..., :3], colour)
            frames.append(world.whole_frame(env.render()))
        env._textures._textures[(name, unit)] = texture
        changed = (frames[0] != frames[1]).any(axis=-1)
        mask = cell_masks(info["semantic"][None], name, shape)[0]
        beneath = cell_masks(info["materials"][None], name, shape)[0]
        assert not (mask & ~changed).any()
        assert not (changed & ~beneath).any()
        seen += mask.sum()
    assert seen


def test_truth_of_player_and_things(played):
    for frame, _, _, _, info in played:
        assert info["semantic"].shape == (ROWS, COLUMNS)
        assert info["semantic"][ROWS // 2, COLUMNS // 2] == SEMANTIC["player"]
        creatures = info["semantic"] >= SEMANTIC["player"]
        np.testing.assert_array_equal(info["semantic"][~creatures], info["materials"][~creatures])
        assert (info["materials"] < SEMANTIC["player"]).all()
        assert not frame[63].any()
        assert not frame[:, 63].any()
    health = [info["inventory"][ITEMS.index("health")] for *_, info in played]
    assert health[0] == 9
    assert played[0][4]["daylight"] > 0.1


def test_the_edge_of_the_world_is_no_material(world):
    world.env._world.move(world.env._player, (0, 0))
    info = world.ground_truth(world.env._sem_view())
    assert not info["materials"][: ROWS // 2].any()
    assert not info["materials"][:, : COLUMNS // 2].any()
    assert info["materials"][ROWS // 2 :, COLUMNS // 2 :].all()


def test_object_masks_name_every_object(played):
    crafter = game_class("crafter")
    semantic = np.stack([row[4]["semantic"] for row in played])
    masks = crafter.object_masks(semantic)
    for name, bit in crafter.objects.items():
        np.testing.assert_array_equal((masks & bit) > 0, cell_masks(semantic, name))


def test_every_achievement_can_be_explained():
    frames, steps = 2, len(ACHIEVEMENTS)
    counts = np.tril(np.ones((steps + 1, steps), np.int32), -1)  # one after the other
    infos = {"achievements": counts, "semantic": np.zeros((frames, ROWS, COLUMNS), np.uint8)}
    found = {reward: Crafter.earned(reward, np.zeros(steps), infos) for reward in Crafter.rewards}
    np.testing.assert_array_equal(sum(found.values()), np.ones(steps))
    assert all(earned.sum() == 1 for earned in found.values())
    assert found["wood"][ACHIEVEMENTS.index("collect_wood")]
    for reward, kinds in Crafter.rewards.items():
        assert set(kinds) <= set(SEMANTIC)
        assert (Crafter.reward_masks(reward, infos) is None) == (not kinds)
