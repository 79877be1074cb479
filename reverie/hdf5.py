"""HDF5 files: written whole or not at all, on a full disk as well; read with one-line faults."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reverie.artifacts import atomic_path, reading

AHEAD = 1 << 24  # bytes


class _Storage(io.FileIO):
    """A file that takes every write and remembers the first that failed.

    HDF5 writes much of a file only when it is closed. When the disk is full by then, its own
    drivers lose the error, leave half a file that looks like a success, or crash.

    The disk is set to work on large files while they are being written, not only by the last flush.
    """

    error: OSError | None = None
    sent = 0  # bytes that the kernel has been asked to write

    def write(self, data: memoryview) -> int:
        """Write all of `data`, or remember why not."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while self.error is None and left:
                left = left[super().write(left) :]
            self._send()
        except OSError as error:
            self.error = error
        return size

    def _send(self) -> None:
        """Let the kernel begin to write what is new; despite its name the advice drops nothing."""
        new = self.tell() - self.sent
        if new > AHEAD:
            os.posix_fadvise(self.fileno(), self.sent, new, os.POSIX_FADV_DONTNEED)
            self.sent += new


@contextlib.contextmanager
def atomic_hdf5(path: Path, durable: bool = True) -> Iterator[h5py.File]:
    """Yield a new HDF5 file that becomes `path` when the block ends without an error.

    Args:
        path: the final name.
        durable: see `atomic_path`.

    Raises:
        OSError: the folder cannot be written to or the disk is full; `path` is as it was before.
    """
    with atomic_path(path, ".h5", durable) as temporary, _Storage(temporary, "w+") as storage:
        try:
            with h5py.File(storage, "w") as file:
                yield file
        except Exception:
            if storage.error is None:
                raise
        if storage.error is not None:
            raise storage.error


@contextlib.contextmanager
def open_hdf5(path: Path, title: str, mend: str) -> Iterator[h5py.File]:
    """Open an HDF5 file to read; arguments and errors are those of `reading`."""
    with reading(path, title, mend), h5py.File(path, "r") as file:
        yield file


def plain(value: Any) -> Any:
    """Turn what h5py returns for an attribute into a plain value of Python."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return value.decode() if isinstance(value, bytes) else value
