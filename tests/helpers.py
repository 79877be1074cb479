"""What several tests need: stages run as a user runs them, and small synthetic artifacts."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import gymnasium
import h5py
import numpy as np

from reverie.games.actions import describe_space
from reverie.games.episode import Episode
from reverie.headers import LatentsHeader
from reverie.latents.storage import merge_latents, write_part
from reverie.rollouts.recording import Recorder
from reverie.rollouts.storage import batch_path, merge_episodes, write_episode

ROOT = Path(__file__).resolve().parent.parent
STAGES = sorted(path.name for path in ROOT.glob("0*_*.py"))
EVERYTHING = [
    *(ROOT / name for name in STAGES),
    *sorted((ROOT / "models").rglob("*.py")),
    *sorted((ROOT / "reverie").rglob("*.py")),
    *sorted((ROOT / "gym_autoencoder").rglob("*.py")),
]
OPTIONS = {"difficulty": 4, "time_steps": 120}


def load_script(name: str) -> ModuleType:
    """Import a numbered script, whose name is no identifier."""
    path = ROOT / name
    spec = importlib.util.spec_from_file_location(f"stage_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(script: str, *flags: object) -> list[str]:
    return [sys.executable, str(ROOT / script), *map(str, flags)]


def run_stage(script: str, *flags: object, **environment: str) -> subprocess.CompletedProcess:
    """Run a stage in a process of its own and return how it ended."""
    return subprocess.run(
        command(script, *flags),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
    )


@contextlib.contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen]:
    """Let another process own a folder until its input ends; yield that process."""
    code = (
        "import sys; from pathlib import Path; from reverie.locks import owned\n"
        "with owned(Path(sys.argv[1])):\n"
        "    print('begun', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"begun\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def copy_run(source: Path, target: Path) -> None:
    """Copy a run that other worker processes of the tests use too, without locks and scratch."""
    hidden = shutil.ignore_patterns(".*")
    shutil.copytree(source, target, ignore=hidden, copy_function=shutil.copy2)


def make_episode(length: int, number: int = 0, **changes: object) -> Episode:
    """Return an episode whose frames say in their first pixel who they are: (number, step)."""
    rng = np.random.default_rng(number)
    observations = rng.integers(0, 256, (length + 1, 64, 64, 3), dtype=np.uint8)
    observations[:, 0, 0, 0] = number
    observations[:, 0, 0, 1:] = np.stack(np.divmod(np.arange(length + 1), 256), axis=-1)
    last = np.arange(length) == length - 1
    values = {
        "seed": number,
        "observations": observations,
        "actions": rng.uniform(-1, 1, (length, 1)).astype(np.float32),
        "rewards": np.ones(length, np.float32),
        "terminations": last if number % 2 else np.zeros(length, bool),
        "truncations": np.zeros(length, bool) if number % 2 else last,
        "infos": {
            "health": np.full(length + 1, 100, np.float32),
            "object_mask": np.zeros((length + 1, 64, 64), np.uint8),
        },
    }
    return Episode(**values | changes)


def write_batch(
    folder: Path, lengths: list[int], batch: int = 0, first: int = 0, **changes
) -> Path:
    """Write a batch of synthetic rollouts; `changes` are of its header."""
    path = batch_path(folder, "doomrnn", batch)
    parts = [folder / "parts" / f"{index}.h5" for index in range(len(lengths))]
    for index, (part, length) in enumerate(zip(parts, lengths)):
        write_episode(part, make_episode(length, first + index))
    recorder = Recorder(folder, "doomrnn", None, "held_random", 0, OPTIONS)
    merge_episodes(parts, path, replace(recorder.header(), **changes))
    return path


def write_latents(path: Path, lengths: list[int], size: int = 4, **changes: np.ndarray) -> dict:
    """Write synthetic latents in two parts; return the arrays that they should hold."""
    rng = np.random.default_rng(0)
    steps, frames = sum(lengths), sum(lengths) + len(lengths)
    ends = np.zeros(steps, bool)
    ends[np.cumsum(lengths, dtype=int) - 1] = True
    arrays = {
        "mu": rng.standard_normal((frames, size)).astype(np.float16),
        "logvar": rng.uniform(-4, -2, (frames, size)).astype(np.float16),
        "actions": rng.uniform(-1, 1, (steps, 1)).astype(np.float32),
        "rewards": np.ones(steps, np.float32),
        "terminations": ends,
        "truncations": np.zeros(steps, bool),
        "infos/health": np.full(frames, 100, np.float32),
    } | changes
    half = len(lengths) // 2
    step, frame = sum(lengths[:half]), sum(lengths[:half]) + half
    cuts = {key: frame if len(values) == frames else step for key, values in arrays.items()}
    first, second = path.parent / "first.npz", path.parent / "second.npz"
    write_part(first, {k: v[: cuts[k]] for k, v in arrays.items()}, np.array(lengths[:half], int))
    write_part(second, {k: v[cuts[k] :] for k, v in arrays.items()}, np.array(lengths[half:], int))
    header = LatentsHeader(
        game="doomrnn",
        latent_size=size,
        vae="0123456789abcdef",
        action_space=describe_space(gymnasium.spaces.Box(-1.0, 1.0, (1,))) | {"levels": 3},
        policies=("held_random", "wandering"),
        options=OPTIONS,
    )
    merge_latents([first, second], [0, 1], path, header)
    first.unlink()
    second.unlink()
    return arrays | {"episode_lengths": np.array(lengths)}


def cuts(path: Path, count: int = 8) -> list[bytes]:
    """Return beginnings of a file, from nothing at all to all but its last byte."""
    content = path.read_bytes()
    lengths = np.linspace(0, len(content) - 1, count).astype(int)
    return [content[:length] for length in lengths]


def assert_same_rollouts(one: Path, other: Path) -> None:
    """Assert that two batches hold the same attributes and datasets."""
    with h5py.File(one) as ours, h5py.File(other) as theirs:
        assert dict(ours.attrs) == dict(theirs.attrs)
        assert sorted(ours) == sorted(theirs)
        names = []
        ours.visititems(lambda n, item: names.append(n) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            np.testing.assert_array_equal(ours[name][()], theirs[name][()], err_msg=name)
