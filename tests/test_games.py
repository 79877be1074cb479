"""Games by name: every family, any registered environment, and names that are none."""

import os
import sys

import gymnasium
import h5py
import numpy as np
import pytest
from helpers import ROOT, assert_same_rollouts, run_stage

import reverie.games
from reverie.artifacts import InputError
from reverie.games import FAMILIES, GAMES, game_class, game_family, make_game
from reverie.rollouts.storage import file_stem, find_batches

OWN = "bandit:OwnBandit-v0"
PATHS = {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize("name", ["doomrnn", "crafter", "heist", "enduro", OWN])
def test_every_family_keeps_to_the_same_rules(name):
    kind = game_class(name)
    options = {flag.name: flag.default for flag in game_family(name).flags} | {"time_steps": 12}
    games = [make_game(name, **options) for _ in range(2)]
    firsts = [game.reset(seed=11) for game in games]
    keys = set(firsts[0][1])
    rng = np.random.default_rng(0)
    truncated = terminated = False
    steps = 0
    np.testing.assert_array_equal(firsts[0][0], firsts[1][0])
    while not (truncated or terminated):
        code = np.asarray(rng.random(kind.action_space.shape))
        kind.action_space.seed(int(1000 * code.sum()))
        action = kind.action_space.sample()
        one, two = (game.step(action) for game in games)
        frame, reward, terminated, truncated, info = one
        assert frame.shape == (64, 64, 3)
        assert frame.dtype == np.uint8
        assert type(reward) is float
        assert (type(terminated), type(truncated)) == (bool, bool)
        assert set(info) == keys
        np.testing.assert_array_equal(frame, two[0])
        assert one[1:4] == two[1:4]
        steps += 1
    assert steps == 12 or terminated
    for game in games:
        game.close()


def test_no_game_is_named_outside_its_family():
    """The code of stages and of the library asks for no game by name."""
    files = [*ROOT.glob("0*_*.py"), *(ROOT / "reverie").glob("*.py"), *(ROOT / "models").glob("*")]
    names = [f'== "{name}"' for name in GAMES] + [f'in ("{name}"' for name in GAMES]
    for path in files:
        if path.suffix == ".py":
            assert not [name for name in names if name in path.read_text()], path


def test_a_game_of_ones_own_is_recorded_like_any_other(tmp_path):
    flags = [OWN, "--total_episodes", 4, "--batch_size", 4, "--time_steps", 30]
    for folder, workers in (("one", 1), ("two", 2)):
        line = [*flags, "--store_folder", tmp_path / folder, "--workers", workers]
        result = run_stage("01_generate_data.py", *line, **PATHS)
        assert result.returncode == 0, result.stderr
    (path,) = find_batches(tmp_path / "one", OWN)
    assert path.name == "bandit-OwnBandit-v0_0.h5"
    assert_same_rollouts(path, tmp_path / "two" / path.name)
    with h5py.File(path) as file:
        assert file.attrs["env_id"] == OWN
        for group in file.values():
            actions = group["actions"][:]
            assert actions.shape == (len(group["rewards"]), 2)
            assert actions.dtype == np.int64
            assert (actions < [3, 2]).all()
            np.testing.assert_array_equal(group["rewards"][:], actions[:, 0] == 2)
            grey = group["observations"][:, 0, 0, 0].astype(int)
            np.testing.assert_array_equal(np.diff(grey), 5 * (actions[:, 0] == 2))
            assert (group["observations"][:] == grey[:, None, None, None]).all()


def test_limits_and_frame_rates_come_from_the_registration():
    own = game_class(OWN)
    assert (own.time_steps, own.fps, own.windowed) == (60, 20, False)
    enduro = game_class("enduro")
    assert (enduro.env_id, enduro.time_steps) == ("ALE/Enduro-v5", 27_000)
    game = make_game(OWN, time_steps=100)  # longer than the registration allows
    game.reset(seed=0)
    results = [game.step(np.array([0, 0])) for _ in range(100)]
    assert [result[3] for result in results] == [False] * 99 + [True]


def test_atari_plays_whatever_is_shipped():
    from reverie.games.atari import cartridges

    assert len(cartridges()) > 50
    pong, by_id = (make_game(name, time_steps=5) for name in ("pong", "ALE/Pong-v5"))
    np.testing.assert_array_equal(pong.reset(seed=2)[0], by_id.reset(seed=2)[0])
    assert pong.action_space == gymnasium.spaces.Discrete(6)


def test_names_as_files_carry_them():
    assert file_stem("ALE/Enduro-v5") == "ALE-Enduro-v5"
    assert file_stem("my module:Own-v0") == "my-module-Own-v0"
    assert file_stem("starpilot") == "starpilot"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("endurro", ["unknown game 'endurro'", "enduro"]),
        ("heyst", ["unknown game 'heyst'", "heist"]),
        ("zzz", ["unknown game 'zzz'", "doomrnn", "crafter"]),
        ("Unheard-v3", ["Unheard-v3", "gymnasium cannot start it", "doesn't exist"]),
        ("nowhere:Unheard-v0", ["nowhere:Unheard-v0", "no module named nowhere"]),
        ("bandit:OwnNumbers-v0", ["OwnNumbers-v0", "are not pictures"]),
        ("bandit:OwnSwitches-v0", ["OwnSwitches-v0", "MultiBinary", "is not supported"]),
        ("CartPole-v1", ["CartPole-v1", "are not pictures", "AddRenderObservation"]),
    ],
)
def test_what_cannot_be_played_is_said(name, parts):
    with pytest.raises(InputError) as caught:
        game_class(name)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "package"),
    [("crafter", "crafter"), ("heist", "procgen"), ("doomrnn", "vizdoom"), ("enduro", "ale_py")],
)
def test_a_package_that_is_not_installed(name, package, monkeypatch):
    family = game_family(name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"reverie.games.{family.module}", raising=False)
    monkeypatch.delattr(reverie.games, family.module, raising=False)
    with pytest.raises(InputError) as caught:
        game_class(name, {"env_kwargs": {"asked": "anew"}})  # the class is kept for other options
    assert f"pip install '{family.package}'" in str(caught.value)
    assert package in str(caught.value)


def test_flags_of_other_families_are_refused(tmp_path):
    result = run_stage("01_generate_data.py", "doomrnn", "--num_levels", 5)
    assert result.returncode == 2
    assert result.stderr == (
        "error: --num_levels: doomrnn knows no such thing, only Procgen does; leave the flag away\n"
    )


def test_families_do_not_share_flags_or_names():
    flags = [flag.name for family in FAMILIES for flag in family.flags]
    names = [name for family in FAMILIES for name in family.names]
    assert len(set(flags)) == len(flags)
    assert len(set(names)) == len(names)
