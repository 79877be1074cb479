"""Balanced recordings: each episode shows its class, whoever records it; levels are split once."""

import h5py
import numpy as np
import pytest
from helpers import assert_same_rollouts, load_script, make_episode

from reverie.games import game_class
from reverie.rollouts.balance import group_size, wanted_class
from reverie.rollouts.frames import split_rollouts
from reverie.rollouts.storage import iterate_episodes, write_episode

HEIST = ["heist", "--distribution_mode", "memory", "--use_backgrounds", "false"]


@pytest.fixture
def record(capsys):
    """Return a function that records a balanced set; it gives exit code and error."""

    def run(folder, game, balance, **flags):
        numbers = {"policy": "fresh_random", "time_steps": 3, "workers": 1, "balance": balance}
        line = [*game, "--store_folder", folder]
        for name, value in (numbers | flags).items():
            line += [f"--{name}", value]
        return load_script("01_generate_data.py").main(list(map(str, line))), capsys.readouterr()

    return run


def check_shown(paths, game, balance):
    """Assert that all frames of each episode show what its place wants; return the counts."""
    kind = game_class(game)
    classes = kind.balances[balance].classes
    columns, counts = [list(kind.objects).index(name) for name in classes], {}
    for place, (_, _, group) in enumerate(iterate_episodes(paths)):
        truth = group[f"infos/{kind.truth}"][:]
        shown = kind.pixels_in_view(truth)[:, columns] >= kind.visible
        wanted = wanted_class(kind.balances[balance], place)
        assert group.attrs["place"] == place
        assert not shown.any() if wanted == len(classes) else shown[:, wanted].all()
        assert group["truncations"][-1]
        counts[wanted] = counts.get(wanted, 0) + 1
    return counts


def test_keys_and_locks_of_heist(tmp_path, record):
    """Workers, sizes of batches and growth change nothing."""
    sizes = {"one": (84, 84, 1), "parts": (84, 30, 2)}
    for name, (total, size, workers) in sizes.items():
        flags = {"total_episodes": total, "batch_size": size, "workers": workers}
        code, _ = record(tmp_path / name, HEIST, "keys_and_locks", **flags)
        assert code == 0
    code, _ = record(tmp_path / "grown", HEIST, "keys_and_locks", total_episodes=20, batch_size=84)
    record(tmp_path / "grown", HEIST, "keys_and_locks", total_episodes=84, batch_size=84)
    one, parts, grown = (sorted((tmp_path / name).glob("*.h5")) for name in (*sizes, "grown"))
    counts = check_shown(one, "heist", "keys_and_locks")
    assert counts[7] == 42
    assert {counts[number] for number in range(7)} == {6}
    assert_same_rollouts(*one, *grown)
    frames = [
        [group["observations"][:] for _, _, group in iterate_episodes(paths)]
        for paths in (one, parts)
    ]
    np.testing.assert_array_equal(*frames)


def test_a_recording_of_another_kind_is_refused(tmp_path, record):
    flags = {"total_episodes": 2, "batch_size": 2}
    assert record(tmp_path, HEIST, "keys_and_locks", **flags)[0] == 0
    line = [*HEIST, "--policy", "fresh_random", "--time_steps", "3", "--total_episodes", "2"]
    line += ["--batch_size", "2", "--store_folder", str(tmp_path)]
    assert load_script("01_generate_data.py").main(line) == 2
    code, output = record(tmp_path, ["bigfish"], "things", **flags)
    assert code == 2
    assert "bigfish has none" in output.err


def test_a_class_that_does_not_come_is_named(tmp_path, record):
    flags = {"policy": "constant", "balance_frames": 60, "total_episodes": 4, "batch_size": 4}
    code, output = record(tmp_path, ["doomrnn"], "fireballs", **flags | {"time_steps": 60})
    assert code == 2
    assert "no fireball" in output.err
    assert "60 more frames of doomrnn" in output.err


@pytest.mark.parametrize(("game", "balance"), [("doomrnn", "fireballs"), ("crafter", "things")])
def test_other_games_are_searched_along_their_episodes(tmp_path, record, game, balance):
    balances, policy = game_class(game).balances[balance], "wandering"
    flags = {"total_episodes": 4, "batch_size": 4, "policy": policy}
    assert group_size(balances) == 10 * len(balances.classes)
    assert record(tmp_path, [game], balance, **flags)[0] == 0
    check_shown(sorted(tmp_path.glob("*.h5")), game, balance)


def episodes(folder, levels):
    """Write a file of episodes of some levels, None for episodes that do not say theirs."""
    path = folder / "heist_0.h5"
    with h5py.File(path, "w") as file:
        for number, level in enumerate(levels):
            infos = {} if level is None else {"level_seed": np.full(3, level, np.int32)}
            write_episode(folder / "part.h5", make_episode(2, number, infos=infos))
            with h5py.File(folder / "part.h5") as part:
                part.copy("episode", file, f"episode_{number:05d}")
    return [path]


@pytest.mark.parametrize(
    ("levels", "held_out"),
    [
        ([9, 3, 19, 3, 20, 9], [0, 2, 5]),  # levels that end in 9
        ([1, 2, 1, 2, 3, 3], [4, 5]),  # none does: the last of a few
        ([9, 19, 9, 29], [3]),  # all do
        ([7, 7, 7], [2]),  # a single one
        ([None, None, None], [2]),
    ],
)
def test_no_level_is_on_both_sides(tmp_path, levels, held_out):
    train, held = split_rollouts(episodes(tmp_path, levels))
    assert held == held_out
    assert sorted(train + held) == list(range(len(levels)))
