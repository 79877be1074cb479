"""Frames streamed from rollouts in shuffled batches; memory does not grow with the data."""

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reverie.artifacts import InputError
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.storage import CHUNK, frames_in, iterate_episodes

HOLDOUT = 10  # every tenth episode is held out
BUFFER = 3 << 26  # bytes of frames that a batch is drawn from, 16,384 frames of 64x64


@dataclass(frozen=True)
class Piece:
    """A run of neighbouring frames."""

    path: Path
    episode: str
    start: int
    stop: int
    chosen: tuple[int, ...] | None = None  # of its frames, counted from `start` on

    def __len__(self) -> int:
        return self.stop - self.start if self.chosen is None else len(self.chosen)


def split_episodes(count: int) -> tuple[list[int], list[int]]:
    """Split episode numbers into those to train on and those held out, every tenth.

    Raises:
        InputError: there are fewer than two episodes.
    """
    if count < 2:
        raise InputError(
            f"{count} episode is too few to train on and hold one out; record more with "
            "01_generate_data.py --total_episodes"
        )
    held_out = set(range(HOLDOUT - 1, count, HOLDOUT)) or {count - 1}
    return [i for i in range(count) if i not in held_out], sorted(held_out)


def split_rollouts(paths: list[Path]) -> tuple[list[int], list[int]]:
    """Split the episodes of rollouts into those to train on and those held out.

    Where episodes say which level they play, those of levels whose number ends in 9 are held out:
    no training on any recording sees a level that another one is evaluated on. Where no level or
    every level ends in 9, every tenth of the levels is held out, so that none is on both sides. All
    others are split by `split_episodes`, as are episodes of a single level.

    Args:
        paths: checked rollouts.

    Returns:
        Numbers of the episodes, counted over all files.

    Raises:
        InputError: there are fewer than two episodes.
    """
    levels = [_level(group) for _, _, group in iterate_episodes(paths)]
    known = sorted({level for level in levels if level is not None})
    if None in levels or len(known) < 2:
        return split_episodes(len(levels))
    held_out = {level for level in known if level % HOLDOUT == HOLDOUT - 1}
    if len(held_out) in (0, len(known)):
        held_out = {known[i] for i in split_episodes(len(known))[1]}
    return (
        [i for i, level in enumerate(levels) if level not in held_out],
        [i for i, level in enumerate(levels) if level in held_out],
    )


def _level(episode: h5py.Group) -> int | None:
    levels = episode.get("infos/level_seed")
    return None if levels is None else int(levels[0])


class FrameStream:
    """Batches of frames from some episodes of some files.

    An epoch reads runs of neighbouring frames in random order into a buffer and draws every batch
    at random from the full buffer, which is many times faster than reading single frames at random.
    The order depends on seed and epoch alone.

    Args:
        paths: checked rollouts.
        episodes: numbers of the episodes to take, counted over all files.
        batch_size: frames a batch; what is left over at the end of an epoch is dropped.
        seed: decides the order.
        buffer: bytes of frames that a batch is drawn from.
        chosen: numbers of the frames to take of each episode, by its number; all by default.

    Attributes:
        frame_shape: of every frame, `(rows, columns, 3)`.
        frames: how many there are.
    """

    def __init__(
        self,
        paths: list[Path],
        episodes: list[int],
        batch_size: int,
        seed: int = 0,
        buffer: int = BUFFER,
        chosen: dict[int, np.ndarray] | None = None,
    ) -> None:
        self.batch_size, self.seed, self.buffer = batch_size, seed, buffer
        self.frame_shape = open_header(paths[0], RolloutsHeader).frame_shape
        length = frames_in(CHUNK, self.frame_shape)
        self.pieces = _pieces(paths, set(episodes), length, chosen)
        self.frames = sum(len(piece) for piece in self.pieces)
        if self.frames < batch_size:
            raise InputError(
                f"{self.frames} frames do not fill a batch of {batch_size}; record more episodes "
                "with 01_generate_data.py or lower --batch_size"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.frames // self.batch_size

    @property
    def _capacity(self) -> int:
        buffer = frames_in(self.buffer, self.frame_shape)
        return min(max(buffer, self.batch_size), self.frames)

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray]]:
        """Yield the shuffled batches `(B, rows, columns, 3)` uint8 of an epoch, as one-tuples."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.pieces))
        buffer = np.empty((self._capacity, *self.frame_shape), np.uint8)
        filled = 0
        for frames in prefetch(self._read(order), ahead=8):
            while len(frames):
                fitting = frames[: len(buffer) - filled]
                buffer[filled : filled + len(fitting)] = fitting
                filled, frames = filled + len(fitting), frames[len(fitting) :]
                if filled == len(buffer):
                    yield (_take(buffer, filled, self.batch_size, rng),)
                    filled -= self.batch_size
        while filled >= self.batch_size:
            yield (_take(buffer, filled, self.batch_size, rng),)
            filled -= self.batch_size

    def weight(self, batch: tuple[np.ndarray]) -> float:
        """Return the number of frames in a batch."""
        return float(len(batch[0]))

    def _read(self, order: np.ndarray) -> Iterator[np.ndarray]:
        with OpenFiles() as files:
            for index in order:
                piece = self.pieces[index]
                frames = files.read(piece)
                yield frames if piece.chosen is None else frames[list(piece.chosen)]

    def holds(self, name: str) -> bool:
        """Tell whether all episodes have a dataset; recorded dreams have no ground truth."""
        episodes = {(piece.path, piece.episode) for piece in self.pieces}
        with OpenFiles() as files:
            return all(files.holds(path, episode, name) for path, episode in sorted(episodes))

    def sample(self, count: int, name: str = "observations") -> np.ndarray:
        """Return about `count` frames spread evenly over the episodes, the same ones every time.

        No other frame is read: a slice of a whole piece would keep all of it in memory.
        """
        stride = max(1, self.frames // count)
        with OpenFiles() as files:
            return np.concatenate(
                [files.read(piece, name, stride) for piece in self._spread(count)]
            )

    def _spread(self, count: int) -> list[Piece]:
        every = max(1, len(self.pieces) // count)
        return self.pieces[::every]


def _take(buffer: np.ndarray, filled: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` random frames of the first `filled`, and close the gaps with the last ones."""
    chosen = rng.choice(filled, count, replace=False)
    batch = buffer[chosen]
    left = filled - count
    buffer[chosen[chosen < left]] = buffer[np.setdiff1d(np.arange(left, filled), chosen)]
    return batch


def _pieces(
    paths: list[Path],
    episodes: set[int],
    length: int,
    chosen: dict[int, np.ndarray] | None = None,
) -> list[Piece]:
    pieces = []
    for number, (path, name, group) in enumerate(iterate_episodes(paths)):
        frames = len(group["rewards"]) + 1
        for start in range(0, frames, length) if number in episodes else ():
            stop, inside = min(start + length, frames), None
            if chosen is not None:
                rows = np.asarray(chosen.get(number, ()), int)
                inside = tuple((rows[(rows >= start) & (rows < stop)] - start).tolist())
            if inside is None or inside:
                pieces.append(Piece(path, name, start, stop, inside))
    return pieces


class OpenFiles:
    """Rollouts kept open while pieces are read from them."""

    def __init__(self) -> None:
        self._files: dict[Path, h5py.File] = {}

    def __enter__(self) -> "OpenFiles":
        return self

    def __exit__(self, *_: Any) -> None:
        for file in self._files.values():
            file.close()

    def holds(self, path: Path, episode: str, name: str) -> bool:
        """Tell whether an episode has a dataset."""
        if path not in self._files:
            self._files[path] = h5py.File(path, "r")
        return name in self._files[path][episode]

    def read(self, piece: Piece, name: str = "observations", stride: int = 1) -> np.ndarray:
        """Read every `stride`-th frame of a piece of a dataset.

        Raises:
            InputError: the data are damaged.
        """
        try:
            if piece.path not in self._files:
                self._files[piece.path] = h5py.File(piece.path, "r")
            return self._files[piece.path][piece.episode][name][piece.start : piece.stop : stride]
        except (OSError, KeyError) as error:
            raise InputError(
                f"{piece.path}: {piece.episode} cannot be read ({error}); delete the file and run "
                "01_generate_data.py again"
            ) from error


def prefetch(items: Iterable, ahead: int = 1) -> Iterator:
    """Yield items that a thread prepares `ahead` of their use."""
    ready: queue.Queue = queue.Queue(ahead)
    stopping = threading.Event()

    def put(entry: tuple[str, Any]) -> bool:
        while not stopping.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def fill() -> None:
        try:
            if not all(put(("item", item)) for item in items):
                return
            put(("end", None))
        except BaseException as error:
            put(("error", error))

    threading.Thread(target=fill, daemon=True).start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stopping.set()
