"""Episodes that are written while they are played, so that memory does not grow with them."""

import contextlib
from pathlib import Path

import h5py
import numpy as np

from reverie.hdf5 import atomic_hdf5
from reverie.rollouts.storage import EpisodeBuilder, packing, write_episode, write_steps

MEMORY = 3 << 22  # bytes of frames that are kept, 1,024 frames of 64x64
CHUNKS = 16  # pieces of the file that they become, each read at once


class EpisodeWriter:
    """Writes an episode as a file of its own, which appears when the episode is over.

    Short episodes are written at once. The frames of a long one are appended to the file whenever
    they fill the memory.

    Args:
        path: the file.
        seed: of the episode.
        observation: the first frame.
        info: its ground truth.
        memory: bytes of frames that are kept.
    """

    def __init__(
        self, path: Path, seed: int, observation: np.ndarray, info: dict, memory: int = MEMORY
    ) -> None:
        self.path, self._kept = path, max(memory // observation.nbytes, 1)
        self._builder = EpisodeBuilder(seed, observation, info)
        self._stack = contextlib.ExitStack()
        self._group: h5py.Group | None = None
        self.observation, self.info = observation, info

    @property
    def length(self) -> int:
        """Steps so far."""
        return len(self._builder.steps)

    def add(
        self,
        action: np.ndarray,
        observation: np.ndarray,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: dict,
    ) -> None:
        """Add what one step gave; the last step of the episode finishes the file.

        Raises:
            OSError: the folder cannot be written to or the disk is full.
        """
        self.observation, self.info = observation, info
        self._builder.add(action, observation, reward, terminated, truncated, info)
        if terminated or truncated:
            self._finish()
        elif len(self._builder.observations) >= self._kept:
            self._append()

    def cut(self) -> None:
        """Finish the file as if the time were up after the last step."""
        action, reward, terminated, _ = self._builder.steps.pop()
        self._builder.steps.append((action, reward, terminated, not terminated))
        self._finish()

    def _finish(self) -> None:
        if self._group is None:
            write_episode(self.path, self._builder.build())
            return
        self._append()
        write_steps(self._group, self._builder.build())
        self._stack.close()

    def _append(self) -> None:
        """Move the frames in memory and their ground truth to the file."""
        frames, infos = self._builder.take_frames()
        if self._group is None:
            file = self._stack.enter_context(atomic_hdf5(self.path, durable=False))
            self._group = file.create_group("episode")
        chunk = max(self._kept // CHUNKS, 1)
        _extend(self._group, "observations", frames, {"chunks": (chunk, *frames.shape[1:])})
        for name, values in infos.items():
            _extend(self._group, f"infos/{name}", values, packing(values))


def _extend(group: h5py.Group, name: str, rows: np.ndarray, layout: dict) -> None:
    """Append rows to a dataset, which is created for the first."""
    if name not in group:
        group.create_dataset(name, data=rows, maxshape=(None, *rows.shape[1:]), **layout)
        return
    start = len(group[name])
    group[name].resize(start + len(rows), axis=0)
    group[name][start:] = rows
