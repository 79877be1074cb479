"""Peak memory of stages 1 to 4 on some data and on ten times as much."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.rows import Row, compare
from benchmarks.workplace import GAME, ROOT, Workplace
from reverie.runs import LATENTS

FACTOR = 10
IMPORT = "from reverie.backend import start_backend as start; start()"
SMALL_LSTM = ("--units", "32", "--skip_ahead", "60", "--batch_size", "32")
MIB = 1 << 20


def measure(place: Workplace) -> list[Row]:
    """Measure the largest process of every stage.

    This process must be a small one: a child starts out with its parent's peak.
    """
    vae = _vae_weights(place)
    footprint = peak([sys.executable, "-c", IMPORT])
    data = {1: place.folder / "memory" / "small", FACTOR: place.folder / "memory" / "large"}
    _link_rollouts(place.rollouts(), data)
    rows = [_record(place)]
    for number, command in _commands(vae).items():
        peaks = {
            factor: peak([*command, *_files(number, folder)]) for factor, folder in data.items()
        }
        sizes = [_input_size(number, folder) for folder in data.values()]
        rows.append(_row(f"peak memory, stage {number}", peaks, sizes))
    what = "peak memory, TensorFlow and Keras imported"
    stage_3 = rows[2].reference
    return [*rows, compare(what, footprint, stage_3, "MiB", "stage 3 on the small data")]


def _row(what: str, peaks: dict[int, float], sizes: list[float]) -> Row:
    note = f"the same stage on {sizes[0]:,.0f} MiB of data instead of {sizes[1]:,.0f} MiB"
    return compare(what, peaks[FACTOR], peaks[1], "MiB", note)


def _vae_weights(place: Workplace) -> Path:
    """Make the weights in a process of their own, to keep TensorFlow out of this one."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(place.vae_weights).result()


def peak(command: list[str]) -> float:
    """Run a command in the repository; return the peak MiB of its largest process.

    Raises:
        RuntimeError: the command failed.
    """
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode} of {' '.join(command)}")
    return usage.ru_maxrss / 1024


def _link_rollouts(paths: list[Path], data: dict[int, Path]) -> None:
    """Lay the recorded batches into both folders, in the large one under ten numbers each."""
    for factor, folder in data.items():
        rollouts = folder / "rollouts"
        rollouts.mkdir(parents=True)
        for number in range(factor * len(paths)):
            os.link(paths[number % len(paths)], rollouts / f"{GAME}_{number}.h5")


def _record(place: Workplace) -> Row:
    """Record one batch of a few episodes and one of ten times as many."""
    folder, episodes = place.folder / "memory" / "recorded", place.size(12, 2)
    peaks, sizes = {}, []
    for factor in (1, FACTOR):
        count = str(factor * episodes)
        flags = ["--total_episodes", count, "--batch_size", count, "--store_folder", str(folder)]
        peaks[factor] = peak([sys.executable, "01_generate_data.py", GAME, *flags])
        sizes.append(_mebibytes(folder.glob("*.h5")))
        shutil.rmtree(folder)
    return _row("peak memory, stage 1", peaks, sizes)


def _commands(vae: Path) -> dict[int, list[str]]:
    """Return the commands of the stages without files; batches are small, so all are whole."""
    short = ["--epochs", "1"]
    return {
        2: [sys.executable, "02_train_vae.py", *short],
        3: [sys.executable, "03_generate_rnn_data.py", "--loaded_vae_weights", str(vae)],
        4: [sys.executable, "04_train_rnn.py", *short, *SMALL_LSTM],
    }


def _files(number: int, folder: Path) -> list[str]:
    """Return the flags that tell a stage where to read and where to write."""
    names = {
        2: {"--input_data_folder": "rollouts", "--savefolder": "vae"},
        3: {"--obs_folder": "rollouts", "--savefolder": "."},
        4: {
            "--training_data_file": LATENTS,
            "--upper_level_folder_name": "rnn",
        },
    }
    return [part for flag, name in names[number].items() for part in (flag, str(folder / name))]


def _input_size(number: int, folder: Path) -> float:
    pattern = LATENTS if number == 4 else "rollouts/*.h5"
    return _mebibytes(folder.glob(pattern))


def _mebibytes(paths) -> float:
    return sum(path.stat().st_size for path in paths) / MIB
