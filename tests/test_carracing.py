"""CarRacing drawn by us: gymnasium's physics and rewards to the bit, its pictures to the eye."""

import cv2
import numpy as np
import pytest

from reverie.games import make_game
from reverie.games.carracing import FastCarRacing

TRACKS = (0, 7, 23)  # seeds
STEPS = 70  # the camera has come down after 50
ROAD = (100, 102, 105)


def drive(seed, steps=STEPS):
    """Return what both renderers give for the same drive, step by step."""
    fast, own = (make_game("carracing", renderer=name) for name in ("fast", "gymnasium"))
    rng = np.random.default_rng(seed)
    rows = [[game.reset(seed=seed)[0] for game in (fast, own)]]
    results = []
    for _ in range(steps):
        action = np.clip(rng.normal((0.2, 0.3, -1), (0.4, 0.3, 0.6)), -1, 1).astype(np.float32)
        one, other = fast.step(action), own.step(action)
        rows.append([one[0], other[0]])
        results.append((one[1:], other[1:]))
    return np.array(rows), results


@pytest.fixture(scope="module")
def drives():
    return {seed: drive(seed) for seed in TRACKS}


@pytest.mark.parametrize("seed", TRACKS)
def test_rewards_and_ends_are_gymnasiums_to_the_bit(seed, drives):
    _, results = drives[seed]
    assert all(one == other for one, other in results)
    assert any(one[0] > 0 for one, _ in results)  # a tile was reached


@pytest.mark.parametrize("seed", TRACKS)
def test_frames_differ_by_little(seed, drives):
    frames, _ = drives[seed]
    assert frames.shape == (STEPS + 1, 2, 64, 64, 3)
    difference = np.abs(frames[:, 0].astype(int) - frames[:, 1]).mean(axis=(1, 2, 3))
    assert difference.mean() <= 1.0  # the goal is 4 of 255
    assert difference.max() <= 4.0


def road(frame):
    """Mark the pixels that are mostly road, without car and kerbs."""
    spread = frame.astype(int).max(axis=-1) - frame.astype(int).min(axis=-1)
    return ((spread < 40) & (np.abs(frame.astype(int).mean(axis=-1) - 102) < 25)).astype(np.uint8)


@pytest.mark.parametrize("seed", TRACKS)
def test_no_outline_of_the_track_is_off_by_more_than_a_pixel(seed, drives):
    """Where the track is in one picture, it is within a pixel in the other."""
    frames, _ = drives[seed]
    near = np.ones((3, 3), np.uint8)
    seen = 0
    for pair in frames[20:]:  # before, the road is narrower than a pixel is wide
        here, there = (cv2.erode(road(frame), near) for frame in pair), map(road, pair)
        (one, other), (wide_one, wide_other) = here, there
        seen += one.sum()
        assert not (one & ~cv2.dilate(wide_other, near)).any()
        assert not (other & ~cv2.dilate(wide_one, near)).any()
        edge_one, edge_other = (cv2.Canny(255 * mask, 50, 150) for mask in (wide_one, wide_other))
        edge_one[44:], edge_other[44:] = 0, 0  # the car hides some of it
        stray = (edge_one > 0) & (cv2.dilate(edge_other, near) == 0)
        assert stray.mean() < 0.001
    assert seen


def test_a_second_episode_is_what_it_would_be_alone():
    game = make_game("carracing")
    game.reset(seed=3)
    for _ in range(10):
        game.step(np.float32([0.5, 1, -1]))
    again = [game.reset(seed=7)[0], *(game.step(np.float32([0, 1, -1]))[0] for _ in range(5))]
    fresh = make_game("carracing")
    alone = [fresh.reset(seed=7)[0], *(fresh.step(np.float32([0, 1, -1]))[0] for _ in range(5))]
    np.testing.assert_array_equal(again, alone)


def test_touched_tiles_change_their_shade_as_in_gymnasium():
    env = FastCarRacing()
    env.reset(seed=0)
    tile = env.road[2]  # one of the third shade, below the car
    assert int(tile.color[0]) == 107 or tile.road_visited
    other = next(t for t in env.road if int(t.color[0]) == 107)
    before = env.bitmap.pixels.copy()
    other.color[:] = env.road_color
    env.step(np.zeros(3))
    changed = (env.bitmap.pixels != before).any(axis=-1)
    assert changed.sum() > 500
    assert set(map(tuple, env.bitmap.pixels[changed])) == {(100, 100, 100)}


def test_article_mapping_of_actions():
    game = make_game("carracing", renderer="gymnasium")
    game.reset(seed=0)
    game.step(np.float32([0.5, -1, -1]))
    car = game.env.car
    assert (car.wheels[0].steer, car.wheels[2].gas, car.wheels[0].brake) == (-0.5, 0, 0)
    game.step(np.float32([-1, 1, 0.25]))
    assert car.wheels[0].steer == 1.0
    assert car.wheels[2].gas == pytest.approx(0.1)  # it grows gradually
    assert car.wheels[0].brake == 0.25
