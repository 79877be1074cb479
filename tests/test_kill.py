"""Stages that are really killed, again and again, and then run to their end."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from conftest import MASKS, commands
from helpers import assert_same_rollouts, command, run_stage

from reverie.latents.storage import Latents
from reverie.stage import EXIT_REQUEUE

PATIENCE = 60  # seconds until something is surely wrong


@pytest.fixture
def rng():
    return random.Random(20180327)


@pytest.fixture
def place(run, tmp_path):
    """Return a folder with what an earlier run of all stages left, to take away from."""
    folder = tmp_path / "a run"
    shutil.copytree(run.root, folder, copy_function=shutil.copy2)
    return folder


class Started:
    """A stage in a process group of its own, its output in files."""

    def __init__(self, folder: Path, line: list) -> None:
        self.output = folder / "output.txt"
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                command(*line),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_for(self, sign) -> None:
        """Wait until the sign of work is there or the stage has ended."""
        self.wait_until(lambda: self.process.poll() is not None or sign())

    def wait_until(self, condition) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.02)

    def end(self, number: int, everyone: bool = True) -> int:
        """Send a signal to the whole group, or the stage alone; return the exit code."""
        if self.process.poll() is None:
            (os.killpg if everyone else os.kill)(self.process.pid, number)
        code = self.process.wait(PATIENCE)
        self.wait_until(lambda: not self.descendants())
        return code

    def descendants(self) -> list[str]:
        """Return the living processes of the stage's session: workers and games."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, fields = path.read_text().rsplit(")", 1)
            except OSError:
                continue
            state, _, _, session = fields.split()[:4]
            if int(session) == self.process.pid and state not in "ZX":
                found.append(name)
        return found


def check_whole(folder: Path) -> None:
    """Read every file that has a final name from its beginning to its end."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                file.visititems(lambda _, x: x[()] if isinstance(x, h5py.Dataset) else None)
        elif path.suffix == ".npz":
            with np.load(path) as file:
                assert all(file[key] is not None for key in file.files)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text().splitlines())
        elif path.suffix == ".png":
            assert cv2.imread(str(path)) is not None


def count(folder: Path, pattern: str) -> int:
    return len([p for p in folder.glob(pattern) if not p.name.startswith(".")])


def newest(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def finish(line: list) -> None:
    result = run_stage(*line)
    assert result.returncode == 0, result.stdout + result.stderr


def terminate(place: Path, line: list, sign, everyone: bool = True) -> None:
    """Ask a stage at work to stop and see that it says so."""
    stage = Started(place, line)
    stage.wait_for(sign)
    assert stage.end(signal.SIGTERM, everyone) == EXIT_REQUEUE, stage.output.read_text()
    assert "the same command continues" in stage.output.read_text()


def test_recording(run, place, rng):
    shutil.rmtree(place / "rollouts")
    line = commands(place)["01"]

    def episodes():
        return count(place / "rollouts", ".*.parts/*.h5") + 6 * count(place / "rollouts", "*.h5")

    for everyone in (True, False, True):
        before = episodes()
        stage = Started(place, line)
        stage.wait_for(lambda before=before: episodes() > before)
        time.sleep(rng.uniform(0, 0.5))
        stage.end(signal.SIGKILL, everyone)
        check_whole(place / "rollouts")
        assert episodes() >= before
    before = episodes()
    if before < 10:
        terminate(place, line, lambda: episodes() > before)
    finish(line)
    for name in ("doomrnn_0.h5", "doomrnn_1.h5"):
        assert_same_rollouts(run.rollouts / name, place / "rollouts" / name)
    assert sorted(p.name for p in (place / "rollouts").iterdir()) == [
        "doomrnn_0.h5",
        "doomrnn_1.h5",
    ]


def test_a_scheduler_asks_a_recording_to_stop(tmp_path):
    line = [*commands(tmp_path)["01"], "--total_episodes", 120, "--batch_size", 60]
    for everyone in (True, False):
        before = count(tmp_path / "rollouts", ".*.parts/*.h5")
        terminate(
            tmp_path,
            line,
            lambda before=before: count(tmp_path / "rollouts", ".*.parts/*.h5") > before,
            everyone,
        )


def weights_of(path: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file["weights"].visititems(
            lambda n, x: found.update({n: x[()]}) if isinstance(x, h5py.Dataset) else None
        )
    return found


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = weights_of(one), weights_of(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-4, err_msg=name)


def interrupt_training(place: Path, folder: Path, line: list, rng: random.Random) -> None:
    """Kill a training in its first and second epoch, ask it to stop, then let it end."""
    checkpoint = folder / "checkpoint.h5"
    for sign in (lambda: (folder / "config.json").exists(), checkpoint.exists):
        stage = Started(place, line)
        stage.wait_for(sign)
        time.sleep(rng.uniform(0, 1))
        stage.end(signal.SIGKILL)
        check_whole(folder)
    before = newest(folder / "config.json")
    stage = Started(place, line)
    stage.wait_for(lambda: newest(folder / "config.json") > before)
    assert stage.end(signal.SIGTERM) in (0, EXIT_REQUEUE), stage.output.read_text()
    check_whole(folder)
    finish(line)
    check_whole(folder)


def test_training_the_vae(run, place, rng):
    shutil.rmtree(place / "vae")
    interrupt_training(place, place / "vae", commands(place)["02"], rng)
    assert_same_weights(run.vae_weights, place / "vae" / run.vae_weights.name)


def test_encoding(run, place, rng):
    shutil.rmtree(place / "vae" / "rnn_format_data")
    line = commands(place)["03"]
    folder = place / "vae" / "rnn_format_data"
    for _ in range(2):
        stage = Started(place, line)
        stage.wait_for(lambda: count(folder, ".parts*/*.npz"))
        time.sleep(rng.uniform(0, 0.1))
        stage.end(signal.SIGKILL)
        check_whole(folder)
    finish(line)
    ours, theirs = Latents(run.latents), Latents(folder / run.latents.name)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for key in ours.arrays:
        np.testing.assert_array_equal(ours.arrays[key], theirs.arrays[key])


def test_training_the_rnn(run, place, rng):
    shutil.rmtree(place / "rnn")
    interrupt_training(place, place / "rnn", commands(place)["04"], rng)
    assert_same_weights(run.rnn_weights, place / "rnn" / run.rnn_weights.name)


def test_training_masks(masks_run, gathered, tmp_path, rng):
    folder = tmp_path / "masks"
    shutil.copytree(masks_run, folder)
    shutil.rmtree(folder / "vae")
    where = ["--input_data_folder", gathered, "--savefolder", folder]
    interrupt_training(
        tmp_path, folder / "vae", ["06_critic_masks.py", "train-vae", *where, *MASKS], rng
    )
    assert_same_weights(masks_run / "vae" / "vae.h5", folder / "vae" / "vae.h5")


def test_evolution(run, place, rng):
    folder = place / "controller"
    shutil.rmtree(folder)
    line = commands(place)["05"]
    for name in ("config.json", "evolution.h5"):
        stage = Started(place, line)
        stage.wait_for((folder / name).exists)
        time.sleep(rng.uniform(0, 0.5))
        stage.end(signal.SIGKILL)
        check_whole(folder)
    finish(line)
    with (
        h5py.File(run.search / "evolution.h5") as ours,
        h5py.File(folder / "evolution.h5") as theirs,
    ):
        np.testing.assert_allclose(ours["mean"], theirs["mean"], rtol=1e-6)
        np.testing.assert_allclose(ours["fitness"], theirs["fitness"], rtol=1e-5)
    scores = [json.loads((f / "scores.json").read_text()) for f in (run.search, folder)]
    assert scores[0]["scores"]["game"] == scores[1]["scores"]["game"]
    check_whole(folder)
