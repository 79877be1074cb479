"""HDF5 files are whole or not there, whenever the disk is full."""

import contextlib
import errno
import resource

import h5py
import numpy as np
import pytest

from reverie.hdf5 import AHEAD, atomic_hdf5


def write(path, rows=3000):
    with atomic_hdf5(path) as file:
        file.attrs["schema"] = 1
        for index in range(4):
            file[f"group_{index}/values"] = np.arange(rows)
        file.create_dataset("packed", data=np.zeros((rows, 8), np.uint8), compression="lzf")


def test_round_trip(tmp_path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["group_3/values"], np.arange(3000))
        assert file["packed"].shape == (3000, 8)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_large_file_is_sent_to_the_disk_while_it_grows(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (3, AHEAD // 2 + 1), np.uint8)
    with atomic_hdf5(tmp_path / "a.h5") as file:
        for index, part in enumerate(values):
            file[f"part_{index}"] = part
    with h5py.File(tmp_path / "a.h5") as file:
        for index, part in enumerate(values):
            np.testing.assert_array_equal(file[f"part_{index}"], part)


def test_an_error_leaves_the_old_file(tmp_path):
    write(tmp_path / "a.h5", rows=5)
    before = (tmp_path / "a.h5").read_bytes()

    def fail():
        with atomic_hdf5(tmp_path / "a.h5") as file:
            file["half"] = np.arange(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@contextlib.contextmanager
def room(size):
    """Let files grow to so many bytes and no further, as a full disk does.

    Only inside the block: pytest's own report may be going to a file that is larger.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 100, 2_048, 4_096, 10_000, 50_000, 96_000])
def test_a_full_disk_is_an_error_and_leaves_the_old_file(tmp_path, size):
    write(tmp_path / "a.h5", rows=5)
    before = (tmp_path / "a.h5").read_bytes()
    with room(size), pytest.raises(OSError, match=r"a\.h5") as caught:
        write(tmp_path / "a.h5")
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
