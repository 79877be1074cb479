"""Files are written whole or not at all, and the folder is clean afterwards."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from reverie.artifacts import (
    InputError,
    atomic_path,
    file_hash,
    read_json,
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
    assert read_json_lines(tmp_path / "a.jsonl", "write it anew") == [expected, {"f": 1}]


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"scores": ', "[" * 100_000])
def test_json_that_is_not_is_named(tmp_path, text):
    path = tmp_path / "scores.json"
    with pytest.raises(InputError, match=r"scores.json: no results there; run it again"):
        read_json(path, "run it again")
    path.write_text(text)
    with pytest.raises(InputError, match=r"scores.json: .*; run it again"):
        read_json(path, "run it again", "scores")
    path.write_text('{"other": 1}')
    with pytest.raises(InputError, match=r"scores.json: does not hold scores; run it again"):
        read_json(path, "run it again", "scores")


@pytest.mark.parametrize("line", ["{", "3", "[1, 2]", '"x"', "\xff", ""])
def test_lines_that_are_not_json_are_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1}\n' + line + "\n", encoding="latin-1")
    with pytest.raises(InputError, match=r"metrics.jsonl: line 2 is damaged .*; run it again"):
        read_json_lines(path, "run it again")


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


def start_writer(path):
    """Start a process that has begun to write a file and waits."""
    code = (
        "import sys; from pathlib import Path; from reverie.artifacts import atomic_path\n"
        "with atomic_path(Path(sys.argv[1]), '.h5') as temporary:\n"
        "    temporary.write_text('half'); print('begun', flush=True); sys.stdin.read()\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout.readline() == b"begun\n"
    return writer


def test_only_what_the_dead_left_is_removed(tmp_path):
    (tmp_path / ".a_1.parts").mkdir()
    for name in (".keep.h5", ".a.b.c", "whole.h5"):
        (tmp_path / name).write_text("content")
    others = {name: start_writer(tmp_path / name) for name in ("a.h5", ".a_1.parts/b.h5")}
    begun = {p for p in tmp_path.rglob("*") if "~" in p.name}
    assert len(begun) == 2
    remove_unfinished(tmp_path)
    assert begun == {p for p in tmp_path.rglob("*") if "~" in p.name}
    others["a.h5"].kill()
    others["a.h5"].communicate()
    remove_unfinished(tmp_path)
    assert [p.parent.name for p in tmp_path.rglob("*") if "~" in p.name] == [".a_1.parts"]
    others[".a_1.parts/b.h5"].communicate(b"")
    remove_unfinished(tmp_path)
    assert names(tmp_path) == [".a.b.c", ".a_1.parts", ".keep.h5", "whole.h5"]
    assert names(tmp_path / ".a_1.parts") == ["b.h5"]


def test_an_unfinished_file_of_another_machine_is_kept_for_a_day(tmp_path):
    path = tmp_path / ".a.h5.elsewhere~12~345.abcd1234.h5"
    path.write_text("half")
    remove_unfinished(tmp_path)
    assert path.exists()
    os.utime(path, (0, time.time() - 25 * 3600))
    remove_unfinished(tmp_path)
    assert not path.exists()
