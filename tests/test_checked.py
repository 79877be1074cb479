"""Environments as people bring them: what is wrong is said in one line, and nothing is recorded."""

import json
import sys

import h5py
import numpy as np
import odd
import pytest
from helpers import load_script, run_stage

from reverie.artifacts import InputError
from reverie.games import game_class, make_game
from reverie.rollouts.__main__ import main as look_after

OPTIONS = {"heist": {"num_levels": 0, "start_level": 0, "distribution_mode": "easy"}}
FAULTS = {
    "NaNReward": r"step 3 of the episode with seed 7: the reward is nan; rewards must be finite",
    "InfReward": r"step 3 of the episode with seed 7: the reward is -inf; rewards must be finite",
    "HugeReward": r"step 3 of the episode with seed 7: the reward is 1e\+39; rewards must be",
    "TextReward": r"step 3 of the episode with seed 7: the reward is a str, not a number",
    "FloatFrames": r"reset of .* seed 7: the observation is float64 of shape .* from 0 to 0.784, "
    r"but its observation_space says uint8",
    "LaterFloatFrames": r"step 3 of .* seed 7: the observation is float64 of shape",
    "OtherShape": r"the observation is uint8 of shape \(63, 64, 3\), but its observation_space",
    "NoArray": r"the observation is a list, not an array of uint8",
    "RaisesInStep": r"step 3 .* raised ValueError: boom inside the user's step \(.*odd.py, line",
    "RaisesInReset": r"reset .* raised KeyError: 'level' \(.*odd.py, line",
    "RaisesInConstructor": r"its constructor raised FileNotFoundError: .*my_game.bin.* \(.*odd.py",
    "OldReset": r"reset returned an array of shape .*, not \(observation, info\); it is of an old",
    "OldStep": r"step returned a tuple of 4, not \(observation, reward, terminated, truncated, inf",
    "DictObservations": r"observations Dict.* are not pictures",
    "DictActions": r"action space Dict.* is not supported",
}


def play(game, steps=5):
    """Play some steps; return the last answer."""
    game.reset(seed=7)
    return [game.step(1) for _ in range(steps)][-1]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_that_names_environment_and_field(name):
    with pytest.raises(InputError, match=rf"^odd:{name}-v0: .*{FAULTS[name]}") as caught:
        play(make_game(f"odd:{name}-v0", time_steps=30))
    assert "\n" not in str(caught.value)


def test_numbers_in_arrays_are_numbers():
    frame, reward, terminated, truncated, _ = play(make_game("odd:ArrayReward-v0", time_steps=5))
    assert frame.dtype == np.uint8
    assert (type(reward), terminated, truncated) == (float, False, True)


@pytest.mark.parametrize("name", ["NaNReward", "RaisesInStep", "RaisesInConstructor", "OldStep"])
def test_a_stage_ends_with_code_2_and_leaves_no_batch(tmp_path, name, capsys):
    flags = [f"odd:{name}-v0", "--store_folder", tmp_path, "--total_episodes", 2, "--workers", 1]
    for _ in range(2):  # the same command again does not pretend to mend it
        assert load_script("01_generate_data.py").main([str(flag) for flag in flags]) == 2
        output = capsys.readouterr()
        (line,) = output.err.splitlines()
        assert line.startswith(f"error: odd:{name}-v0: ")
        assert output.out == ""
    assert not list(tmp_path.glob("*.h5"))


def test_an_id_without_a_version():
    assert game_class("odd:Plain").env_id == "odd:Plain"
    assert game_class("Plain").action_space == odd.Base.action_space
    with pytest.raises(InputError, match="unknown game 'Plian'"):
        game_class("Plian")


def test_a_module_that_is_not_found(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no module named my_game; install it, or put PYTHONPATH"):
        game_class("my_game:Mine-v0")
    (tmp_path / "my_game.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"my_game lies in the current folder; put PYTHONPATH=\. "):
        game_class("my_game:Mine-v0")
    (tmp_path / "faulty_game.py").write_text("1 / 0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(
        InputError, match=r"importing faulty_game raised ZeroDiv.*faulty_game.py, l"
    ):
        game_class("faulty_game:Mine-v0")


def test_arguments_of_an_environment_are_recorded(tmp_path):
    flags = ["odd:Sided-v0", "--store_folder", tmp_path, "--env_kwargs", '{"actions": 5}']
    flags += ["--total_episodes", 2, "--workers", 1, "--time_steps", 30]
    record = load_script("01_generate_data.py").main
    assert record([str(flag) for flag in flags]) == 0
    with h5py.File(tmp_path / "odd-Sided-v0_0.h5") as file:
        assert json.loads(file.attrs["action_space"])["n"] == 5
        assert json.loads(file.attrs["options"]) == {
            "env_kwargs": {"actions": 5},
            "time_steps": 30,
        }
        assert file["episode_00000/actions"][:].max() == 4
    flags = ["--environment_name", "odd:Sided-v0", "--input_data_folder", tmp_path, "--epochs", 1]
    flags += ["--savefolder", tmp_path / "vae", "--latent_size", 4, "--batch_size", 25]
    flags += ["--precision", "float32"]  # of the whole process, later tests as well
    assert load_script("02_train_vae.py").main([str(flag) for flag in flags]) == 0
    with pytest.raises(InputError, match=r"its constructor raised TypeError: .*'actions'"):
        game_class("odd:Sided-v0")


def test_tools_start_an_environment_with_its_recorded_arguments(tmp_path):
    flags = ["odd:Sided-v0", "--store_folder", tmp_path, "--env_kwargs", '{"actions": 5}']
    flags += ["--total_episodes", 4, "--workers", 1, "--time_steps", 30]
    assert load_script("01_generate_data.py").main([str(flag) for flag in flags]) == 0
    film = str(tmp_path / "film.mp4")
    assert look_after(["preview", "odd:Sided-v0", str(tmp_path), "--output", film]) == 0
    stage = load_script("06_critic_masks.py")
    flags = ["evaluate", "--environment_name", "odd:Sided-v0", "--input_data_folder", tmp_path]
    flags += ["--savefolder", tmp_path, "--reward", "reward", "--crafter-windowsize", 2]
    chosen = stage.choose(stage.parse_args([str(flag) for flag in flags]))
    assert chosen.choice.env_kwargs == {"actions": 5}
    assert chosen.read("test").shape[1:] == (64, 64, 3)


@pytest.mark.parametrize(
    ("game", "value", "words"),
    [
        ("CarRacing-v3", "{", "'{' is no JSON object"),
        ("CarRacing-v3", "[1]", "'[1]' is no JSON object"),
        ("CarRacing-v3", '{"contnuous": false}', "unexpected keyword argument 'contnuous'"),
        ("CarRacing-v3", '{"max_episode_steps": 3}', "use --time_steps"),
        ("doomrnn", '{"skill": 3}', "leave the flag away"),
    ],
)
def test_arguments_that_cannot_be_used(tmp_path, game, value, words):
    result = run_stage(
        "01_generate_data.py", game, "--env_kwargs", value, "--store_folder", tmp_path
    )
    assert result.returncode == 2
    assert words in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["doomrnn", "crafter", "heist", "odd:Plain"])
def test_seeds_of_any_size_start_an_episode(name):
    game = make_game(name, **OPTIONS.get(name, {}), time_steps=5)
    frames = [game.reset(seed=seed)[0] for seed in (2**32, 12345678901234567890, 2**32)]
    np.testing.assert_array_equal(frames[0], frames[2])
