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
from helpers import assert_same_rollouts, command, copy_run, run_stage

from reverie.latents.storage import Latents
from reverie.stage import EXIT_REQUEUE

PATIENCE = 60  # seconds until something is surely wrong
ATTEMPTS = 5  # to kill a stage before it ends


@pytest.fixture
def rng():
    return random.Random(20180327)


@pytest.fixture
def place(run, tmp_path):
    """Return a folder with what an earlier run of all stages left, to take away from."""
    folder = tmp_path / "a run"
    copy_run(run.root, folder)
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


def changed(read):
    """Return a sign: `read` gives something else than now."""
    before = read()
    return lambda: read() != before


def kill(folder: Path, line: list, read, pause: float, everyone: bool = True) -> None:
    """Kill a stage at work, for certain: where it ended first, take its folder away and try again.

    Args:
        folder: what the stage writes.
        line: the stage.
        read: of a sign of work; the stage is killed after it changes.
        pause: seconds from the sign to the signal, less with every attempt.
        everyone: kill its workers too.
    """
    for attempt in range(ATTEMPTS):
        sign = changed(read)
        stage = Started(folder.parent, line)
        stage.wait_for(sign)
        time.sleep(pause / (1 + attempt))
        code = stage.end(signal.SIGKILL, everyone)
        check_whole(folder)
        if code == -signal.SIGKILL:
            return
        assert code == 0, stage.output.read_text()
        shutil.rmtree(folder)
    pytest.fail(f"{line[0]} ended before it was killed, {ATTEMPTS} times")


def test_recording(run, place, rng):
    folder = place / "rollouts"
    shutil.rmtree(folder)
    line = commands(place)["01"]

    def episodes():
        return count(folder, ".*.parts/*.h5") + 6 * count(folder, "*.h5")

    for everyone in (True, False):
        kill(folder, line, episodes, rng.uniform(0, 0.3), everyone)
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


def interrupt_training(folder: Path, line: list, rng: random.Random) -> None:
    """Kill a training in its first and second epoch, ask it to stop, then let it end."""
    config, checkpoint = folder / "config.json", folder / "checkpoint.h5"
    kill(folder, line, lambda: newest(config), rng.uniform(0, 1))
    kill(folder, line, lambda: newest(checkpoint), rng.uniform(0, 0.2))
    before = newest(config)
    stage = Started(folder.parent, line)
    stage.wait_for(lambda: newest(config) > before)
    assert stage.end(signal.SIGTERM) in (0, EXIT_REQUEUE), stage.output.read_text()
    check_whole(folder)
    finish(line)
    check_whole(folder)


def test_training_the_vae(run, place, rng):
    shutil.rmtree(place / "vae")
    interrupt_training(place / "vae", commands(place)["02"], rng)
    assert_same_weights(run.vae_weights, place / "vae" / run.vae_weights.name)


def test_encoding(run, place, rng):
    shutil.rmtree(place / "vae" / "rnn_format_data")
    line = commands(place)["03"]
    folder = place / "vae" / "rnn_format_data"
    kill(folder, line, lambda: count(folder, ".parts*/*.npz"), rng.uniform(0, 0.1))
    finish(line)
    ours, theirs = Latents(run.latents), Latents(folder / run.latents.name)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for key in ours.arrays:
        np.testing.assert_array_equal(ours.arrays[key], theirs.arrays[key])


def test_training_the_rnn(run, place, rng):
    shutil.rmtree(place / "rnn")
    interrupt_training(place / "rnn", commands(place)["04"], rng)
    assert_same_weights(run.rnn_weights, place / "rnn" / run.rnn_weights.name)


def test_training_masks(masks_run, gathered, tmp_path, rng):
    folder = tmp_path / "masks"
    copy_run(masks_run, folder)
    shutil.rmtree(folder / "vae")
    where = ["--input_data_folder", gathered, "--savefolder", folder]
    line = ["06_critic_masks.py", "train-vae", *where, *MASKS]
    interrupt_training(folder / "vae", line, rng)
    assert_same_weights(masks_run / "vae" / "vae.h5", folder / "vae" / "vae.h5")


def test_evolution(run, place, rng):
    folder = place / "controller"
    shutil.rmtree(folder)
    line = commands(place)["05"]
    for name in ("config.json", "evolution.h5"):
        kill(folder, line, lambda name=name: newest(folder / name), rng.uniform(0, 0.5))
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
