"""One writer at a time, and a killed one stands in nobody's way."""

import json
import multiprocessing
import os
import signal
import threading
import time

import pytest
from helpers import held

from reverie.artifacts import InputError
from reverie.locks import NAME, owned
from reverie.processes import Process

QUICK = {"beat": 0.05, "stale": 0.5}


@pytest.fixture
def writer(tmp_path):
    """Return a process that owns a folder until its input ends."""
    with held(tmp_path) as process:
        yield process


def test_a_second_writer_is_told_who_the_first_is(tmp_path, writer):
    refusal = rf"{tmp_path}: process {writer.pid} on .* since .*-c"
    with pytest.raises(InputError, match=refusal), owned(tmp_path):
        pass
    writer.communicate(b"")
    with owned(tmp_path):
        assert (tmp_path / NAME).exists()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_writer_is_harmless(tmp_path, writer):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert (tmp_path / NAME).exists()
    with owned(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["process"] == str(Process.current())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_unfinished_is_removed(tmp_path, writer):
    dead = f".checkpoint.h5.{Process(Process.current().host, writer.pid, 1)}.abcd1234.h5"
    alive = f".checkpoint.h5.{Process.current()}.abcd1234.h5"
    for name in (dead, alive, "checkpoint.h5"):
        (tmp_path / name).touch()
    writer.kill()
    writer.wait()
    with owned(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive, "checkpoint.h5"])


def test_a_process_may_own_a_folder_twice(tmp_path):
    with owned(tmp_path):
        with owned(tmp_path):
            pass
        assert (tmp_path / NAME).exists()


def test_an_error_and_a_folder_that_is_gone_release_it(tmp_path):
    with pytest.raises(KeyError), owned(tmp_path / "a"):
        raise KeyError
    with owned(tmp_path / "a"):
        (tmp_path / "a" / NAME).unlink()
        (tmp_path / "a").rmdir()


def write_foreign(path):
    content = {"process": "elsewhere~12~345", "since": "noon", "command": "02_train_vae.py"}
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("content", [None, "", "{"])
def test_an_owner_elsewhere_that_gives_no_sign_of_life_is_dead(tmp_path, content, capsys):
    write_foreign(tmp_path / NAME) if content is None else (tmp_path / NAME).write_text(content)
    start = time.monotonic()
    with owned(tmp_path, **QUICK):
        assert time.monotonic() - start > QUICK["stale"] / 2
    assert "waiting for a sign of life" in capsys.readouterr().out


def test_an_owner_elsewhere_that_touches_its_lock_is_alive(tmp_path):
    write_foreign(tmp_path / NAME)
    over = threading.Event()

    def touch():
        while not over.wait(QUICK["beat"]):
            os.utime(tmp_path / NAME)

    threading.Thread(target=touch).start()
    try:
        refusal = r"process 12 on elsewhere .* since noon \(02_train"
        with pytest.raises(InputError, match=refusal), owned(tmp_path, **QUICK):
            pass
    finally:
        over.set()


def test_the_owner_touches_its_lock(tmp_path):
    with owned(tmp_path, **QUICK):
        before = (tmp_path / NAME).stat().st_mtime_ns
        time.sleep(4 * QUICK["beat"])
        assert (tmp_path / NAME).stat().st_mtime_ns > before


def contend(folder, start, results):
    """Try to own a folder and note whether anybody else did so at the same time."""
    start.wait()
    try:
        with owned(folder):
            (folder / "inside").touch(exist_ok=False)
            time.sleep(0.05)
            (folder / "inside").unlink()
            results.put("owned")
    except InputError:
        results.put("refused")
    except FileExistsError:
        results.put("both")


def test_of_many_that_find_the_lock_of_a_dead_one_each_is_alone(tmp_path, writer):
    writer.kill()
    writer.wait()
    context = multiprocessing.get_context("spawn")
    results, start = context.Queue(), context.Barrier(4)
    others = [context.Process(target=contend, args=(tmp_path, start, results)) for _ in range(4)]
    for process in others:
        process.start()
    found = [results.get(timeout=60) for _ in others]
    for process in others:
        process.join()
    assert "owned" in found
    assert "both" not in found
