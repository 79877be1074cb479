"""The scripted gatherer of Crafter, on hand-made views and in the real game."""

import h5py
import numpy as np
import pytest
from helpers import run_stage

from reverie.games import game_class, make_game
from reverie.games.crafter import ACHIEVEMENTS, COLUMNS, ITEMS, ROWS, SEMANTIC
from reverie.games.gatherer import ACTION, CENTER, Gatherer

STEPS = 60


def info(facing=(0, 1), **things):
    """Return the truth of a meadow with things at `(x, y)` from the player."""
    semantic = np.full((ROWS, COLUMNS), SEMANTIC["grass"], np.uint8)
    semantic[CENTER[1], CENTER[0]] = SEMANTIC["player"]
    for name, (x, y) in things.items():
        semantic[CENTER[1] + y, CENTER[0] + x] = SEMANTIC[name]
    return {
        "semantic": semantic,
        "facing": np.array(facing, np.int8),
        "player_position": np.array([9, 9], np.int16),
        "inventory": np.zeros(len(ITEMS), np.uint8),
    }


class Steady:
    """Random numbers that change no mind and slip never."""

    def random(self):
        return 1.0


@pytest.mark.parametrize(
    ("facing", "tree", "action"),
    [
        ((0, 1), (3, 0), "move_right"),
        ((0, 1), (0, -2), "move_up"),
        ((0, 1), (-1, 0), "move_left"),  # which turns it to the tree
        ((-1, 0), (-1, 0), "do"),
        ((0, 1), (0, 1), "do"),
    ],
)
def test_walks_to_a_tree_turns_to_it_and_takes_it(facing, tree, action):
    assert Gatherer(Steady()).act(info(facing, tree=tree)) == ACTION[action]


def test_goes_round_what_is_in_the_way():
    view = info(tree=(2, 0), water=(1, 0))
    assert Gatherer(Steady()).act(view) in (ACTION["move_up"], ACTION["move_down"])


def test_hits_back_before_it_gathers():
    view = info(facing=(1, 0), tree=(0, 1), zombie=(1, 0))
    assert Gatherer(Steady()).act(view) == ACTION["do"]


def test_makes_table_then_pickaxe():
    view = info()
    view["inventory"][ITEMS.index("wood")] = 4
    assert Gatherer(Steady()).act(view) == ACTION["place_table"]
    assert (
        Gatherer(Steady()).act(view | {"semantic": info(table=(1, 1))["semantic"]})
        == (ACTION["make_wood_pickaxe"])
    )


def play(seed):
    game = make_game("crafter", time_steps=STEPS)
    player = game.player("gatherer", np.random.default_rng(seed))
    _, truth = game.reset(seed=seed)
    actions, over = [], False
    while not over:
        actions.append(player.act(truth))
        _, _, terminated, truncated, truth = game.step(actions[-1])
        over = terminated or truncated
    return actions, truth["achievements"][ACHIEVEMENTS.index("collect_wood")]


def test_gathers_wood_in_real_worlds_and_repeats_itself():
    one, other = play(1), play(2)
    assert one[1] + other[1] >= 5  # random play has one in several hundred steps
    assert play(1) == one


def test_recorded_by_name_and_refused_elsewhere(tmp_path):
    numbers = "--total_episodes 2 --batch_size 2 --time_steps 30 --workers 1 --policy gatherer"
    flags = [*numbers.split(), "--store_folder", tmp_path]
    assert run_stage("01_generate_data.py", "crafter", *flags).returncode == 0
    with h5py.File(tmp_path / "crafter_0.h5") as file:
        assert file.attrs["policy"] == "gatherer"
    refused = run_stage("01_generate_data.py", "doomrnn", *flags)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: gatherer: no policy")
    assert "gatherer" in game_class("crafter").policies
