"""Files are written whole or not at all, and the folder is clean afterwards."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from reverie.artifacts import (
    InputError,
    atomic_path,
    file_hash,
    read_json_lines,
    remove_unfinished,
    require_file,
    write_config,
    write_json,
    write_json_lines,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "new folder" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_error_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_the_suffix_is_kept_for_writers_that_need_it(tmp_path):
    with atomic_path(tmp_path / "a.npz", ".npz") as temporary:
        np.savez(temporary, x=1)
    assert names(tmp_path) == ["a.npz"]


def test_permissions_follow_the_umask(tmp_path):
    write_text(tmp_path / "a", "")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


def test_hash_tells_files_apart(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"x" * 3_000_000)
    second.write_bytes(b"x" * 2_999_999 + b"y")
    assert file_hash(first) == file_hash(first)
    assert file_hash(first) != file_hash(second)
    assert len(file_hash(first)) == 16
    first.write_bytes(b"")
    assert file_hash(first) == "e3b0c44298fc1c14"  # SHA-256 of nothing


def test_json_knows_numpy_and_paths(tmp_path):
    value = {"a": np.float32(0.5), "b": np.arange(3), "c": Path("x/y"), "d": True, "e": np.int64(7)}
    write_json(tmp_path / "a.json", value)
    expected = {"a": 0.5, "b": [0, 1, 2], "c": "x/y", "d": True, "e": 7}
    assert json.loads((tmp_path / "a.json").read_text()) == expected
    write_json_lines(tmp_path / "a.jsonl", [value, {"f": 1}])
    assert read_json_lines(tmp_path / "a.jsonl") == [expected, {"f": 1}]


def test_config_says_what_was_run_on_what(tmp_path):
    source = tmp_path / "input"
    source.write_text("data")
    write_config(tmp_path, {"epochs": 3, "folder": tmp_path}, {"latents": source})
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["arguments"] == {"epochs": 3, "folder": str(tmp_path)}
    assert config["inputs"]["latents"] == {"path": str(source), "hash": file_hash(source)}
    assert set(config["packages"]) >= {"keras", "numpy", "vizdoom"}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.h5: no weights there; train some"):
        require_file(tmp_path / "absent.h5", "weights", "train some")
    with pytest.raises(InputError, match="no weights there"):
        require_file(tmp_path, "weights", "train some")


def test_only_what_a_killed_writer_left_is_removed(tmp_path):
    for name in ("a_1.h5", ".a_1.h5.x7_k.h5", "a_10.h5", ".a_10.h5.x7_k.h5", ".a_1.parts"):
        (tmp_path / name).write_text("content")
    remove_unfinished(tmp_path / "a_1.h5")
    assert names(tmp_path) == [".a_1.parts", ".a_10.h5.x7_k.h5", "a_1.h5", "a_10.h5"]
