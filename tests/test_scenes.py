"""Situations and events: from the game's truth, from pixels, counted in dreams."""

import numpy as np
import pytest

from reverie.games.doom import FIREBALL, MONSTER
from reverie.mixtures.creativity import component_use, precision, rates
from reverie.mixtures.pixels import pixel_scene
from reverie.mixtures.scenes import Scene, events, one_situation, situations, true_scene


def scene(monsters=0, fireballs=0, explosion=False, left=False, right=False, steps=6):
    fields = (monsters, fireballs, explosion, left, right)
    arrays = [np.broadcast_to(np.asarray(field), steps).copy() for field in fields]
    return Scene(arrays[0], arrays[1], *(a.astype(bool) for a in arrays[2:]))


def test_the_truth_of_the_game():
    mask = np.zeros((4, 64, 64), np.uint8)
    mask[1, :20, :20] = FIREBALL  # 400 pixels: just below a tenth
    mask[2, :21, :20] = FIREBALL | MONSTER
    mask[3] = MONSTER
    infos = {
        "monsters": np.array([2, 3, 3, 1], np.int32),
        "fireballs": np.array([0, 1, 1, 0], np.int32),
        "position_y": np.array([752.0, 633.0, 135.0, 300.0], np.float32),
        "object_mask": mask,
    }
    found = true_scene(infos)
    assert found.explosion.tolist() == [False, False, True, False]
    assert found.left_wall.tolist() == [True, True, False, False]
    assert found.right_wall.tolist() == [False, False, True, False]
    assert found.monsters.tolist() == [2, 3, 3, 1]


def test_an_explosion_hides_the_rest():
    found = scene(3, [0, 1, 1, 0, 2, 2], [0, 0, 1, 1, 0, 0], left=True)
    held = situations(found)
    assert held["explosion"].tolist() == [False, False, True, True, False, False]
    assert held["fireball"].tolist() == [False, True, False, False, True, True]
    assert held["left wall"].tolist() == [True, True, False, False, True, True]
    assert not held["right wall"].any()
    classes = one_situation(found)
    np.testing.assert_array_equal(sum(c.astype(int) for c in classes.values()), np.ones(6))
    assert classes["left wall"].tolist() == [True] + [False] * 5


def test_events_are_changes_in_the_clear():
    found = events(scene([2, 3, 3, 1, 1, 2], [0, 1, 1, 0, 2, 2], [0, 0, 0, 1, 0, 0]))
    on = {name: np.flatnonzero(happened).tolist() for name, happened in found.items()}
    assert on == {
        "explosion starts": [3],
        "fireball appears": [1],
        "fireball disappears": [],
        "monster appears": [1, 5],
        "monster disappears": [],
    }


def test_nothing_happens_in_a_first_frame():
    for happened in events(scene([2, 2, 2], [1, 1, 1], [1, 0, 1], steps=3)).values():
        assert not happened[0]


def test_rates_and_creativity():
    busy, idle = scene([2, 3, 2, 2, 2, 2], [0, 1, 1, 0, 0, 0]), scene(2, 0)
    found = rates([busy, idle])
    assert found["creativity"]["per_1000"] == pytest.approx(1000 * 4 / 12)
    assert found["creativity"]["per_dream"] == pytest.approx(2.0)
    assert found["monster appears"]["per_1000"] == pytest.approx(1000 / 12)
    assert found["fireball"]["per_1000"] == pytest.approx(2000 / 12)
    low, high = found["creativity"]["interval"]
    assert low == pytest.approx(0.0)
    assert high == pytest.approx(1000 * 4 / 6)


def test_imagined_and_missed():
    real, foreseen = scene(2, [0, 1, 1, 0, 0, 0]), scene(3, [0, 0, 1, 0, 2, 0])
    found = precision([real], [foreseen])
    assert found["monsters"] == {"holds": 2000.0, "imagined": 1000.0, "missed": 0.0}
    assert found["fireballs"]["imagined"] == pytest.approx(2000 / 6)
    assert found["fireballs"]["missed"] == pytest.approx(1000 / 6)
    assert found["explosion"] == {"holds": 0.0, "imagined": 0.0, "missed": 0.0}


def test_use_of_components():
    even = component_use([np.full((5, 4), 0.25)])
    assert even["effective"] == pytest.approx(4.0)
    assert even["undecided"] == pytest.approx(4.0)
    decided = component_use([np.eye(4)[[0, 0, 1, 1]]])
    assert decided["weight"] == [0.5, 0.5, 0.0, 0.0]
    assert decided["most_probable"] == [0.5, 0.5, 0.0, 0.0]
    assert decided["effective"] == pytest.approx(2.0)
    assert decided["undecided"] == pytest.approx(1.0)


def test_pixel_rules():
    frame = np.full((64, 64, 3), 90, np.uint8)
    frame[28:32, 10:13, 1] = frame[28:32, 30:33, 1] = 20  # two dark monsters
    frame[34:36, 40:42] = 250  # a fireball below the horizon
    wall, blast = frame.copy(), frame.copy()
    wall[:10, 0, 0] = 120
    blast[5:20, 20:40] = 250
    found = pixel_scene(np.stack([frame, wall, blast]))
    assert found.monsters.tolist() == [2, 2, 2]
    assert found.fireballs.tolist() == [1, 1, 2]
    assert found.explosion.tolist() == [False, False, True]
    assert found.left_wall.tolist() == [False, True, False]
    assert not found.right_wall.any()
