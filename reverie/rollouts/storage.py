"""Recorded episodes on disk: HDF5 files with Minari's field names, one group an episode."""

import itertools
import math
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, InputError, Refusal
from reverie.games import game_class
from reverie.games.actions import ActionCode
from reverie.games.episode import Episode
from reverie.games.game import Game
from reverie.hdf5 import atomic_hdf5, open_hdf5
from reverie.headers import RolloutsHeader, open_header, write_header

CHUNK = 3 << 18  # bytes of frames that a reader takes at once, 64 frames of 64x64
READ = 3 << 22  # bytes of frames that are read to choose from
PACKED = 1 << 16  # bytes that are compressed together
STEP_KEYS = ("actions", "rewards", "terminations", "truncations")  # one row a step, T an episode
AGREED = ("env_id", "preprocessing", "observation_space", "action_space")
LENGTH = "time_steps"
FREE = (LENGTH, "dream")  # options that may differ: the longest episode, and how a dream was played


def frames_in(memory: int, frame_shape: Sequence[int]) -> int:
    """Return how many frames of a shape fit into so many bytes, at least one."""
    return max(memory // math.prod(frame_shape), 1)


class EpisodeBuilder:
    """Collects an episode step by step."""

    def __init__(self, seed: int, observation: np.ndarray, info: dict) -> None:
        self.seed = seed
        self.observations = [observation]
        self.infos = [info]
        self.steps: list[tuple] = []

    def add(
        self,
        action: np.ndarray,
        observation: np.ndarray,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: dict,
    ) -> None:
        """Add what one step gave."""
        self.observations.append(observation)
        self.infos.append(info)
        self.steps.append((action, reward, terminated, truncated))

    def take_frames(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the frames and their ground truth, and keep them no longer."""
        frames, infos = np.array(self.observations), self._stacked_infos()
        self.observations, self.infos = [], []
        return frames, infos

    def build(self) -> Episode:
        """Return the episode as arrays."""
        actions, rewards, terminations, truncations = zip(*self.steps)
        return Episode(
            seed=self.seed,
            observations=np.array(self.observations),
            actions=_plain(np.array(actions)),
            rewards=np.array(rewards, np.float32),
            terminations=np.array(terminations, bool),
            truncations=np.array(truncations, bool),
            infos=self._stacked_infos(),
        )

    def _stacked_infos(self) -> dict[str, np.ndarray]:
        keys = self.infos[0] if self.infos else ()
        return {key: np.array([info[key] for info in self.infos]) for key in keys}


def _plain(actions: np.ndarray) -> np.ndarray:
    """Keep choices whole numbers, and anything else in single precision."""
    return actions.astype(np.int64 if actions.dtype.kind in "iu" else np.float32)


def write_episode(path: Path, episode: Episode) -> None:
    """Write one episode as a file of its own, atomically; `merge_episodes` joins such files.

    It does not wait for the disk, which would take longer than all the rest: see `is_whole`.
    """
    with atomic_hdf5(path, durable=False) as file:
        group = file.create_group("episode")
        group["observations"] = episode.observations  # compression costs more time than the game
        write_steps(group, episode)
        for name, values in episode.infos.items():
            group.create_dataset(f"infos/{name}", data=values, **packing(values))


def write_steps(group: h5py.Group, episode: Episode) -> None:
    """Write what an episode has of each step, and its attributes."""
    group.attrs["seed"] = episode.seed
    group.attrs["total_steps"] = len(episode.rewards)
    group.attrs.update(episode.notes)
    for name in ("actions", "rewards", "terminations", "truncations"):
        group[name] = getattr(episode, name)


def packing(values: np.ndarray) -> dict:
    """Compress masks, which are almost all zeros, a few whole frames at a time."""
    if values.ndim == 1:
        return {}
    frames = min(max(PACKED // values[0].nbytes, 1), len(values))
    return {"compression": "lzf", "chunks": (frames, *values.shape[1:])}


def is_whole(path: Path) -> bool:
    """Tell whether `write_episode` has written this file and no power cut has shortened it."""
    try:
        with h5py.File(path, "r") as file:
            return "episode" in file
    except UNREADABLE:
        return False


def merge_episodes(
    parts: Iterable[Path], path: Path, header: RolloutsHeader, earlier: Path | None = None
) -> None:
    """Join files of one episode each into a batch, atomically.

    Args:
        parts: what `write_episode` wrote, in the order the batch shall have; each is read when it
            comes.
        path: the batch.
        header: what the batch says of itself; the number of episodes is filled in.
        earlier: a batch whose episodes come first, `path` itself if it grows.
    """
    with atomic_hdf5(path) as file:
        if earlier is not None:
            with h5py.File(earlier, "r") as source:
                for name in sorted(source):
                    source.copy(name, file, name)
        for part in parts:
            with h5py.File(part, "r") as source:
                source.copy("episode", file, f"episode_{len(file):05d}")
        write_header(file, replace(header, total_episodes=len(file)))


def batch_seeds(path: Path) -> list[int]:
    """Return the seeds of a batch's episodes, in order."""
    with h5py.File(path, "r") as file:
        return [int(file[name].attrs.get("seed", -1)) for name in sorted(file)]


def batch_places(path: Path) -> list[int]:
    """Return the places of a balanced batch's episodes in their recording, in order."""
    with h5py.File(path, "r") as file:
        return [int(file[name].attrs.get("place", -1)) for name in sorted(file)]


def batch_path(folder: Path, game: str, batch: int) -> Path:
    """Return the file of a batch."""
    return Path(folder) / f"{file_stem(game)}_{batch}.h5"


def file_stem(game: str) -> str:
    """Return a game's name as files carry it: ids of environments may hold `/` and `:`."""
    return re.sub(r"[/:\s]", "-", game)


def find_batches(
    folder: Path,
    game: str,
    start_batch: int = 0,
    max_batch: int | None = None,
    preprocessing: int | None = None,
) -> list[Path]:
    """Return the checked batches of a game from `start_batch` to `max_batch`, both included.

    Batches that are missing between these are named on standard error.

    Args:
        folder: where they lie.
        game: its name.
        start_batch: number of the first.
        max_batch: number of the last, the last there is by default.
        preprocessing: which their frames should have.

    Raises:
        InputError: there is no such folder or batch, one is unfinished, a file cannot be used, or
            two were recorded with options that make different games of them.
    """
    folder = Path(folder)
    record = f"record it with: python 01_generate_data.py {game} --store_folder {folder}"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; {record}")
    stem = file_stem(game)
    numbers, unfinished = numbered(folder, stem, ".h5"), numbered(folder, f".{stem}", ".parts")
    last = max(numbers | unfinished, default=0) if max_batch is None else max_batch
    for number in sorted(set(unfinished) - set(numbers)):
        if start_batch <= number <= last:
            raise InputError(_unfinished(unfinished[number], game))
    paths = [numbers[n] for n in sorted(numbers) if start_batch <= n <= last]
    if not paths:
        found = ", ".join(sorted(p.name for p in folder.glob("*.h5"))[:3]) or "no rollouts at all"
        raise InputError(
            f"{folder}: no rollouts {stem}_{start_batch}.h5 to {stem}_{last}.h5 but {found}; "
            f"{record}"
        )
    headers = [check_batch(path, game, preprocessing) for path in paths]
    for path, header in zip(paths, headers):
        _check_same_game(paths[0], headers[0], path, header)
    known = [start_batch - 1, *(n for n in sorted(numbers) if start_batch <= n <= last), last + 1]
    for before, after in itertools.pairwise(known):
        if after - before > 1:
            missing = dict.fromkeys((f"{stem}_{before + 1}", f"{stem}_{after - 1}"))
            print(f"{folder}: going on without {' to '.join(missing)}", file=sys.stderr)
    return paths


def numbered(folder: Path, stem: str, suffix: str) -> dict[int, Path]:
    """Return the paths called `<stem>_<number><suffix>` by their numbers."""
    name = re.compile(rf"{re.escape(stem)}_(\d+){re.escape(suffix)}")
    paths = folder.iterdir() if folder.is_dir() else ()
    matches = {path: name.fullmatch(path.name) for path in paths}
    return {int(match[1]): path for path, match in matches.items() if match}


def _unfinished(parts: Path, game: str) -> str:
    episodes = sum(1 for path in parts.glob("*.h5") if not path.name.startswith("."))
    return (
        f"{parts.with_suffix('.h5').name.removeprefix('.')} in {parts.parent} is unfinished, "
        f"{episodes} episodes so far; let its recording end, or continue it with the same command "
        f"of 01_generate_data.py {game}, or remove {parts}"
    )


def recorded_game(paths: Sequence[Path]) -> type[Game]:
    """Return the class of a game as checked batches were recorded with it, its options included.

    Raises:
        InputError: it does not start here, or now makes frames in another way.
    """
    header = open_header(paths[0], RolloutsHeader)  # the others agree with it
    game = game_class(header.game, header.options)
    open_header(paths[0], RolloutsHeader, preprocessing=game.preprocessing)
    return game


def check_batch(path: Path, game: str, preprocessing: int | None = None) -> RolloutsHeader:
    """Check header and shapes of a batch of rollouts; return the header.

    Raises:
        InputError: the file is damaged, foreign, empty or of another game.
    """
    mend = f"move it away and record it anew with: python 01_generate_data.py {game}"
    header = open_header(path, RolloutsHeader, game=game, preprocessing=preprocessing, mend=mend)
    code, fail = ActionCode.from_description(header.action_space), Refusal(path, mend)
    with open_hdf5(path, RolloutsHeader.title, mend) as file:
        for name, group in file.items():
            _check_episode(name, group, header.frame_shape, code, fail)
    return header


def _check_episode(
    name: str, group: h5py.Group, shape: tuple, code: ActionCode, fail: Refusal
) -> None:
    steps, frames = len(group["rewards"]), group["observations"]
    if steps == 0 or frames.shape != (steps + 1, *shape):
        fail(f"{name} has frames {frames.shape} for {steps} steps, expected {(steps + 1, *shape)}")
    if frames.dtype != np.uint8:
        fail(f"{name} has frames of {frames.dtype}, not uint8")
    for key in STEP_KEYS:
        if len(group[key]) != steps:
            fail(f"{name} has {len(group[key])} {key} for {steps} steps")
    for key in ("actions", "rewards"):
        if not np.isfinite(group[key][:]).all():
            fail(f"{name} has NaN in its {key}")
    if fault := code.fault(group["actions"][:]):
        fail(f"{name} has {fault}")


def _check_same_game(
    first: Path, expected: RolloutsHeader, path: Path, header: RolloutsHeader
) -> None:
    """Check that two batches were recorded from the same game, whoever played and how long."""
    for name, ours, theirs in differences(expected, header):
        raise InputError(
            f"{path}: recorded with {name} {theirs}, but {first} with {ours}; record one of "
            "them anew, or move it to a folder of its own"
        )


def differences(one: RolloutsHeader, other: RolloutsHeader) -> Iterator[tuple[str, Any, Any]]:
    """Yield name and both values of what makes two recordings those of different games."""
    names = ("frame_shape", *AGREED)
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    for name in sorted((one.options | other.options).keys() - set(FREE)):
        pairs[name] = one.options.get(name), other.options.get(name)
    for name, values in pairs.items():
        if values[0] != values[1]:
            yield name, *values


def read_rows(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Return rows of a dataset in the order asked for, with little more of it in memory.

    Args:
        dataset: `(N, ...)`.
        rows: their numbers, in any order.
    """
    result = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
    step = frames_in(READ, dataset.shape[1:])
    for start in range(0, len(dataset), step):
        inside = np.flatnonzero((rows >= start) & (rows < start + step))
        if len(inside):
            result[inside] = dataset[start : start + step][rows[inside] - start]
    return result


def iterate_episodes(paths: list[Path]) -> Iterator[tuple[Path, str, h5py.Group]]:
    """Yield file, group name and open group of every episode, in order."""
    for path in paths:
        with h5py.File(path, "r") as file:
            for name in sorted(file):
                yield path, name, file[name]


def episode_lengths(paths: list[Path]) -> np.ndarray:
    """Return the number of steps of every episode."""
    return np.array([len(group["rewards"]) for _, _, group in iterate_episodes(paths)])
