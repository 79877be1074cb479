"""HDF5 files that are whole or not there, on a full disk as well."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import h5py

from reverie.artifacts import atomic_path

AHEAD = 1 << 24  # bytes


class _Storage(io.FileIO):
    """A file that takes every write and remembers the first that failed.

    HDF5 writes much of a file only when it is closed. When the disk is full by then, its own
    drivers lose the error, leave half a file that looks like a success, or crash.

    The disk is set to work on large files while they are being written, not only by the last flush.
    """

    error: OSError | None = None
    sent = 0  # bytes that the disk has been told of

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
