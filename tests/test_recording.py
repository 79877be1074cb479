"""Batches that are there already: what is done, what grows, what is damaged, what is not ours."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from helpers import assert_same_rollouts, load_script

from reverie.headers import RolloutsHeader, open_header
from reverie.locks import NAME as LOCK

GAME = "odd:Plain"


@pytest.fixture
def record(capsys):
    """Return a function that records into a folder; it gives exit code, output and error."""

    def run(folder, episodes=4, size=4, **flags):
        numbers = {"total_episodes": episodes, "batch_size": size, "time_steps": 20, "workers": 1}
        line = [GAME, "--store_folder", folder]
        for name, value in (numbers | flags).items():
            line += [f"--{name}", value]
        code = load_script("01_generate_data.py").main([str(word) for word in line])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def batch(folder, number=0):
    return folder / f"odd-Plain_{number}.h5"


def refused(answer, path, *words):
    code, output, error = answer
    assert code == 2
    (line,) = error.splitlines()
    for word in (str(path), *words):
        assert word in line, line
    assert output == ""


@pytest.fixture
def recorded(tmp_path, record):
    assert record(tmp_path)[0] == 0
    return batch(tmp_path)


def test_a_partial_batch_grows(tmp_path, record):
    for episodes in (2, 3, 10):
        assert record(tmp_path / "grown", episodes)[0] == 0
    assert record(tmp_path / "at_once", 10)[0] == 0
    for number in range(3):
        ours, theirs = (batch(tmp_path / name, number) for name in ("grown", "at_once"))
        assert_same_rollouts(ours, theirs)
    assert sorted(os.listdir(tmp_path / "grown")) == sorted(os.listdir(tmp_path / "at_once"))
    assert "nothing to do" in record(tmp_path / "grown", 10)[1]


def test_only_the_missing_episodes_are_played(tmp_path, record):
    record(tmp_path, 3)
    assert "recorded 1 episodes" in record(tmp_path, 4)[1]


def test_a_batch_does_not_shrink_and_is_not_mixed(tmp_path, recorded, record):
    refused(record(tmp_path, 3), recorded, "total_episodes 4, not 3")
    refused(record(tmp_path, seed=1), recorded, "recorded with seed 0, not 1")
    refused(record(tmp_path, time_steps=21), recorded, "time_steps")
    record(tmp_path, 6)
    second = batch(tmp_path, 1)
    refused(record(tmp_path, 6, 3), recorded, "total_episodes 4, not 3")
    recorded.unlink()
    refused(record(tmp_path, 6, 3), second, "recorded with another --batch_size")


def test_a_file_that_another_process_has_open(tmp_path, recorded, record):
    before = recorded.read_bytes()
    code = "import sys, h5py; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(recorded)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"open\n"
    refused(record(tmp_path), recorded, "another process has it open to write")
    other.communicate(b"\n")
    assert recorded.read_bytes()[100:] == before[100:]  # beyond HDF5's note of who has it open
    assert "nothing to do" in record(tmp_path)[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path, recorded, record):
    recorded.chmod(0)
    refused(record(tmp_path), recorded, "no permission to read it")


def test_a_file_of_somebody_else_is_left_alone(tmp_path, record):
    path = batch(tmp_path)
    with h5py.File(path, "w") as file:
        file["my_results"] = np.arange(3)
    contents = [path.read_bytes(), b"Dear reader, this is a letter.", b"\x93NUMPY"]
    for content in contents:
        path.write_bytes(content)
        refused(record(tmp_path), path)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


def test_what_the_game_gave_is_not_recorded_again(tmp_path, recorded, record):
    with h5py.File(recorded, "a") as file:
        file["episode_00001/rewards"][2] = np.nan
    before = recorded.read_bytes()
    refused(record(tmp_path), recorded, "episode_00001 has NaN in its rewards")
    assert recorded.read_bytes() == before


def test_nothing_that_was_set_aside_is_overwritten(tmp_path, recorded, record):
    whole = recorded.read_bytes()
    damaged = [whole[:-100], whole[:1000], b"", b"\x00" * len(whole)]
    names = [
        recorded.with_suffix(s) for s in (".damaged", ".damaged_2", ".damaged_3", ".damaged_4")
    ]
    for content, name in zip(damaged, names):
        recorded.write_bytes(content)
        code, output, _ = record(tmp_path)
        assert code == 0
        assert f"set aside as {name.name}" in output
    assert [name.read_bytes() for name in names] == damaged
    with h5py.File(recorded) as file:
        assert len(file) == 4


def test_a_batch_that_another_process_records_is_refused(tmp_path, record):
    parts = tmp_path / ".odd-Plain_0.parts"
    code = (
        "import sys; from pathlib import Path; from reverie.locks import owned\n"
        "with owned(Path(sys.argv[1])):\n    print('owned', flush=True); input()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(parts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"owned\n"
    code, _, error = record(tmp_path)
    assert code == 2
    assert f"{parts}: process {other.pid} on " in error
    other.kill()
    other.communicate()
    assert (parts / LOCK).exists()
    assert record(tmp_path)[0] == 0
    assert list(tmp_path.iterdir()) == [batch(tmp_path)]


@pytest.mark.parametrize("seed", [2**32, 2**64, 12345678901234567890])
def test_seeds_of_any_size(tmp_path, record, seed):
    assert record(tmp_path, 1, seed=seed)[0] == 0
    assert open_header(batch(tmp_path), RolloutsHeader).seed == seed
    assert "nothing to do" in record(tmp_path, 1, seed=seed)[1]


@pytest.mark.parametrize("flag", ["--seed=-1", "--seed=1.5", "--workers=0", "--start_batch=-1"])
def test_flags_out_of_range(tmp_path, flag, capsys):
    with pytest.raises(SystemExit) as ended:
        load_script("01_generate_data.py").main([GAME, flag])
    assert ended.value.code == 2
    assert "is no whole number" in capsys.readouterr().err
