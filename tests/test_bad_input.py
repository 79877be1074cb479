"""Bad input ends every stage with exit code 2 and one line that a person can act on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import commands, record_flags
from helpers import ROOT, copy_run, cuts, load_script, run_stage, write_latents

LETTER = b"Dear reader, this is a letter.\n" * 200


@pytest.fixture
def refused(capfd):
    """Return a function that runs a stage here and checks how it refuses."""

    def check(line: list, *parts: object) -> str:
        script, *flags = line
        code = load_script(script).main(list(map(str, flags)))
        errors = [
            row for row in capfd.readouterr().err.splitlines() if not row.startswith(("I0", "W0"))
        ]
        assert code == 2, errors
        assert len(errors) == 1, errors
        assert errors[0].startswith("error: ")
        for part in parts:
            assert str(part) in errors[0]
        return errors[0]

    return check


@pytest.fixture
def place(run, tmp_path):
    """Return a copy of a finished run, to spoil."""
    folder = tmp_path / "a run"
    copy_run(run.root, folder)
    return folder


def replaced(line: list, flag: str, value: object) -> list:
    """Return a command with another value of one flag."""
    line = list(line)
    line[line.index(flag) + 1] = value
    return line


def foreign_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["pictures"] = np.zeros(3)


def write_nan(path: Path, name: str) -> None:
    with h5py.File(path, "a") as file:
        file[name][...] = np.nan


def spoil(path: Path, refuse) -> None:
    """Replace a file by nothing, pieces of itself, a letter and a stranger; each is refused."""
    pieces = cuts(path, 5)
    for content in [*pieces, LETTER]:
        path.write_bytes(content)
        refuse()
    foreign_hdf5(path)
    refuse()
    path.unlink()
    refuse()


# What is seen before anything is started, in a process of its own.


@pytest.mark.parametrize("number", ["02", "03", "04", "05"])
def test_missing_input_is_said_before_tensorflow_starts(number, tmp_path):
    script, *flags = map(str, commands(tmp_path)[number])
    code = (
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n"
        "    print('started', 'tensorflow' in sys.modules or 'keras' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / script), *flags],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}")
    assert ".py" in line  # the command that mends it
    assert result.stdout.split() == ["started", "False"]


def test_unknown_game_is_answered_with_the_nearest(tmp_path):
    for script, flags in (
        ("01_generate_data.py", []),
        ("05_train_controller.py", ["--vae_weights", "v.h5", "--rnn_weights", "r.h5"]),
    ):
        result = run_stage(script, "dommrnn", *flags)
        assert result.returncode == 2
        assert result.stderr == "error: unknown game 'dommrnn'; did you mean doomrnn?\n"


# 01


def test_a_policy_that_is_none(refused, place, tmp_path):
    line = replaced(commands(tmp_path)["01"], "--policy", "held_randon")
    refused(line, "held_randon", "held_random")
    controller = place / "controller" / "controller.h5"
    line = replaced(line, "--policy", controller)
    spoil(controller, lambda: refused(line, controller))


def test_a_recording_of_another_kind_is_not_mixed(refused, place):
    line = replaced(commands(place)["01"], "--seed", 4)
    refused(line, place / "rollouts" / "doomrnn_0.h5", "seed 3, not 4")


def test_a_damaged_batch_is_set_aside_and_recorded_anew(run, place):
    path = place / "rollouts" / "doomrnn_1.h5"
    path.write_bytes(path.read_bytes()[:-100])
    result = run_stage(*commands(place)["01"])
    assert result.returncode == 0, result.stderr
    assert "doomrnn_1.damaged" in result.stdout
    assert (place / "rollouts" / "doomrnn_1.damaged").exists()
    with h5py.File(path) as file:
        assert len(file) == 6


# 02


def test_rollouts_of_the_vae(refused, place):
    path = place / "rollouts" / "doomrnn_1.h5"
    spoiled = replaced(commands(place)["02"], "--savefolder", place / "new")
    missing = [*spoiled, "--start_batch", "1"]
    pieces = cuts(path, 5)
    for content in [*pieces, LETTER]:
        path.write_bytes(content)
        refused(spoiled, path)
    foreign_hdf5(path)
    refused(spoiled, path)
    path.unlink()
    refused(missing, place / "rollouts", "doomrnn_1.h5")
    assert not (place / "new").exists()


def test_rollouts_with_nan_and_of_another_game(refused, place):
    path = place / "rollouts" / "doomrnn_1.h5"
    line = commands(place)["02"]
    write_nan(path, "episode_00003/rewards")
    refused(line, path, "episode_00003 has NaN in its rewards")
    with h5py.File(path, "a") as file:
        file.attrs["game"] = "carracing"
    refused(line, path, "'carracing', not of 'doomrnn'")


def test_a_run_of_the_vae_with_other_flags(refused, place):
    line = replaced(commands(place)["02"], "--latent_size", 9)
    refused(line, place / "vae" / "checkpoint.h5", "--new_model")
    line = [*commands(place)["02"], "--learning_rate", "0.5"]
    refused(line, place / "vae" / "checkpoint.h5", "other flags or data")


def test_a_run_of_the_vae_on_other_rollouts_is_not_done(refused, place):
    with h5py.File(place / "rollouts" / "doomrnn_1.h5", "a") as file:
        file["episode_00003/actions"][0] += 0.25
    refused(commands(place)["02"], place / "vae" / "checkpoint.h5", "(rollouts)", "--new_model")


# 03


def test_weights_of_the_vae(refused, place):
    path = place / "vae" / "final_full_vae_weights.h5"
    line = commands(place)["03"]
    write_nan(path, "weights/mu/bias")
    refused(line, path, "mu/bias holds NaN")
    spoil(path, lambda: refused(line, path, "02_train_vae.py"))
    shutil.copy(place / "rnn" / "final_rnn_weights.h5", path)
    refused(line, path, "holds no VAE but MDNRNN")


def test_rollouts_that_are_encoded(refused, place):
    path = place / "rollouts" / "doomrnn_1.h5"
    line = commands(place)["03"]
    for content in [*cuts(path, 3), LETTER]:
        path.write_bytes(content)
        refused(line, path)


def test_damaged_latents_are_encoded_again(run, place):
    path = place / "vae" / "rnn_format_data" / "rnn_training_data.npz"
    path.write_bytes(path.read_bytes()[:-100])
    result = run_stage(*commands(place)["03"])
    assert result.returncode == 0, result.stderr
    assert f"encoding again: {path}" in result.stdout
    with np.load(path) as ours, np.load(run.latents) as theirs:
        np.testing.assert_array_equal(ours["mu"], theirs["mu"])


# 04


def test_latents_of_the_rnn(refused, place):
    path = place / "vae" / "rnn_format_data" / "rnn_training_data.npz"
    line = commands(place)["04"]
    spoil(path, lambda: refused(line, path, "03_generate_rnn_data.py"))
    arrays = write_latents(path, [5, 6])
    arrays["mu"][3] = np.nan
    write_latents(path, [5, 6], mu=arrays["mu"])
    refused(line, path, "NaN or infinity in mu")
    write_latents(path, [])
    refused(line, path, "holds no episodes")
    write_latents(path, [5])
    refused(line, "1 episode is too few")


def test_a_run_of_the_rnn_with_other_flags(refused, place):
    line = replaced(commands(place)["04"], "--units", 16)
    checkpoint = place / "rnn" / "checkpoint.h5"
    refused(line, checkpoint, "--new_model")
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    refused(commands(place)["04"], checkpoint, "damaged checkpoint", "--new_model")


# 05


def test_a_cluster_is_for_games(refused, place, monkeypatch):
    lines = {stage: [*line, "--engine", "ray"] for stage, line in commands(place).items()}
    refused(lines["05"], "--engine ray: a dream stays in its process; add --train_in game")
    controller = place / "controller" / "controller.h5"
    line = replaced(lines["01"], "--policy", controller)
    refused(line, "--engine ray: records policies by name")
    monkeypatch.setitem(sys.modules, "ray", None)
    (place / "rollouts" / "doomrnn_1.h5").unlink()
    refused(lines["01"], "--engine ray: Ray is not installed; run: make ray")


def test_what_an_earlier_job_has_not_finished_is_named(refused, place):
    lines, latents = commands(place), place / "vae/rnn_format_data/rnn_training_data.npz"
    batch, parts = place / "rollouts/doomrnn_1.h5", place / "rollouts/.doomrnn_1.parts"
    whole = batch.rename(place / "doomrnn_1.h5")
    parts.mkdir()
    for stage in ("02", "03"):
        refused(lines[stage], "doomrnn_1.h5", "is unfinished, 0 episodes so far", "01_generate")
    parts.rmdir()
    whole.rename(batch)
    (place / "rnn" / "scores.json").unlink()
    refused(lines["05"], place / "rnn/final_rnn_weights.h5", "training is unfinished, 2 epochs")
    (place / "vae" / "scores.json").unlink()
    for stage in ("03", "05"):
        refused(lines[stage], place / "vae/final_full_vae_weights.h5", "training is unfinished")
    part = latents.parent / ".parts_0123" / "doomrnn_1_4567.npz"
    part.parent.mkdir()
    latents.rename(part)
    refused(lines["04"], latents, "encoding is unfinished, 1 batches so far (doomrnn_1)", "--share")


@pytest.mark.parametrize("name", ["vae/final_full_vae_weights.h5", "rnn/final_rnn_weights.h5"])
def test_weights_of_an_agent(refused, place, name):
    path = place / name
    spoil(path, lambda: refused(commands(place)["05"], path))


def test_networks_that_do_not_belong_together(refused, place):
    vae, rnn = place / "vae/final_full_vae_weights.h5", place / "rnn/final_rnn_weights.h5"
    line = commands(place)["05"]
    refused(replaced(line, "--vae_weights", rnn), rnn, "holds no VAE but MDNRNN")
    refused(replaced(line, "--rnn_weights", vae), vae, "holds no MDNRNN but VAE")
    with h5py.File(rnn, "a") as file:
        notes = json.loads(file.attrs["notes"])
        file.attrs["notes"] = json.dumps(notes | {"vae": "0" * 16})
    refused(line, rnn, "trained on latents of another VAE", vae)
    with h5py.File(rnn, "a") as file:
        file.attrs["notes"] = json.dumps(notes | {"game": "carracing"})
    refused(line, rnn, "an MDN-RNN of 'carracing', not of 'doomrnn'")


def test_weights_of_an_agent_with_nan(place):
    path = place / "rnn/final_rnn_weights.h5"
    write_nan(path, "weights/mdnrnn/head/bias")
    shutil.rmtree(place / "controller")
    result = run_stage(*commands(place)["05"])
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {path}: mdnrnn/head/bias holds NaN")
    assert len(result.stderr.splitlines()) == 1


def test_a_search_with_other_flags(place):
    result = run_stage(*replaced(commands(place)["05"], "--population", 5))
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {place / 'controller' / 'evolution.h5'}: of a search")
    assert len(result.stderr.splitlines()) == 1


# Places that cannot be written to.


OUTPUTS = {"01": "--store_folder", "02": "--savefolder", "03": "--savefolder"}
OUTPUTS |= {"04": "--upper_level_folder_name", "05": "--output_folder"}


@pytest.mark.parametrize("number", OUTPUTS)
def test_a_folder_that_cannot_be(run, tmp_path, number):
    """Below a regular file nobody can make a folder, not even an administrator."""
    (tmp_path / "file").write_text("not a folder")
    line = replaced(run.commands[number], OUTPUTS[number], tmp_path / "file" / "folder")
    result = run_stage(*line)
    assert result.returncode == 2, result.stderr
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"error: {tmp_path / 'file'}")
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_file_where_the_folder_should_be(refused, tmp_path):
    (tmp_path / "rollouts").write_text("not a folder")
    refused(commands(tmp_path)["01"], tmp_path / "rollouts")


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that mounts a disk of some kilobytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = []

    def mount(kilobytes: int) -> Path:
        what = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "reverie", str(folder)]
        if os.geteuid() != 0 or subprocess.run(what, capture_output=True).returncode:
            pytest.skip("only an administrator can mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("number", "kilobytes"),
    [("01", 1000), ("01", 12000), ("02", 20), ("02", 4000), ("03", 40), ("04", 100), ("05", 24)],
)
def test_a_full_disk(run, small_disk, number, kilobytes):
    disk = small_disk(kilobytes)
    place = disk / "out"
    if number == "01":
        line = ["01_generate_data.py", *record_flags(place)]
    else:
        line = replaced(run.commands[number], OUTPUTS[number], place)
    result = run_stage(*line)
    assert result.returncode == 2, result.stdout + result.stderr
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"error: {place}")
    assert "No space left on device" in error
    assert not [p.name for p in place.rglob("*.h5") if not readable(p)]


def readable(path: Path) -> bool:
    if path.name.startswith("."):
        return False  # a temporary file should not have been left
    with h5py.File(path) as file:
        file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)
    return True
