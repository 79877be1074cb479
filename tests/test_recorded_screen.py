"""A person's play recorded from the screen; the person is a script that presses keys."""

import contextlib
import json
import os
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from helpers import command, run_stage
from test_screen import KEYS, display, needs_x, painted, wait_for, window

from benchmarks.painted_window import read
from reverie.artifacts import InputError
from reverie.games.find_region import flags_of
from reverie.games.keyboard import Keyboard
from reverie.games.x11 import Desktop, Region
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.screen_log import ScreenLog, read_session
from reverie.rollouts.screen_pairing import Quality, occurring, pair, paired
from reverie.rollouts.storage import check_batch, find_batches

assert display, window  # fixtures
MS = 1_000_000
FLAGS = ("--window", "painted", "--keys", ",".join(KEYS), "--countdown", 0, "--fps", 20)


class Person:
    """Presses keys and hot keys on a keyboard of X."""

    def __init__(self):
        self.desktop = Desktop()
        self._keys = Keyboard(self.desktop, (*KEYS, "up", "f9", "f10"))

    def hold(self, *names):
        self._keys.hold([name in names for name in self._keys.names])

    def tap(self, name, seconds=0.05):
        self.hold(name)
        time.sleep(seconds)
        self.hold()

    def close(self):
        self._keys.release()
        self.desktop.close()


@pytest.fixture
def person(display):
    person = Person()
    yield person
    person.close()


@contextlib.contextmanager
def recording(folder, *flags):
    """Record in a process of its own; yield it when it waits for the start key."""
    flags = [*FLAGS, "--store_folder", folder, *flags]
    process = subprocess.Popen(
        command("01_generate_data.py", "screen", *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert any("f9 starts" in line for line in process.stdout)
        yield process
    finally:
        process.kill()
        process.communicate()


def events(folder, batch=0):
    path = folder / f".screen_{batch}.parts" / "events.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def frames(folder, batch=0):
    return sum('"frame"' in line for line in events(folder, batch))


@needs_x
def test_what_a_person_plays_is_recorded(window, person, tmp_path):
    with recording(tmp_path) as process:
        person.tap("f9")
        wait_for(lambda: frames(tmp_path) > 10)
        for number in range(6):
            person.hold("left", "up") if number % 2 else person.hold("right", "space")
            time.sleep(0.2)
        person.hold()
        person.tap("f9")
        person.tap("left")  # between episodes
        person.tap("f10")
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "frames/s" in output
    batch = tmp_path / "screen_0.h5"
    header = check_batch(batch, "screen")
    assert (header.policy, header.options["region"]) == ("person", "0,0,640,480")
    with h5py.File(batch) as file:
        (group,) = file.values()
        actions, observations = group["actions"][:], group["observations"][:]
        assert 0 < group.attrs["idle_share"] < 1
        assert group.attrs["achieved_rate"] > 10
        assert group.attrs["longest_gap"] >= 50
        assert np.all(np.diff(group["infos/time"][:]) > 0)
        assert group["truncations"][-1]
    assert {"".join(map(str, row)) for row in actions} >= {"100", "011"}
    seen = np.array([read(frame, 3)[1] for frame in observations[1:]])
    assert (seen == actions).all(axis=1).mean() > 0.6
    log = (tmp_path / "screen_0.events.jsonl").read_text()
    assert "up" not in {json.loads(line).get("key") for line in log.splitlines()}
    after = log.split('"end"')[1]
    assert "press" not in after
    assert not list(tmp_path.glob(".screen*"))


@needs_x
def test_a_killed_recording_has_lost_nothing(window, person, tmp_path):
    with recording(tmp_path) as process:
        person.tap("f9")
        wait_for(lambda: frames(tmp_path) > 15)
        process.kill()
        process.wait()
        count = frames(tmp_path)
    with pytest.raises(InputError, match="unfinished"):
        find_batches(tmp_path, "screen")
    with open(tmp_path / ".screen_0.parts/events.jsonl", "a") as file:
        file.write('{"t": 1, "eve')  # what was being written
    with recording(tmp_path) as process:
        person.tap("f10")
        process.communicate(timeout=60)
    with h5py.File(tmp_path / "screen_0.h5") as file:
        assert len(file["episode_00000/observations"]) == count


@needs_x
@pytest.mark.parametrize("end", ["sigterm", "closed"])
def test_a_recording_that_is_stopped_is_kept(window, person, tmp_path, end):
    with recording(tmp_path) as process:
        person.tap("f9")
        wait_for(lambda: frames(tmp_path) > 5)
        if end == "sigterm":
            process.send_signal(signal.SIGTERM)
        else:
            window.kill()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == {"sigterm": 75, "closed": 2}[end]
    assert len(errors.strip().splitlines()) == 1
    assert ("is gone" in errors) == (end == "closed")
    check_batch(tmp_path / "screen_0.h5", "screen")


@needs_x
def test_nothing_is_recorded_while_the_window_has_not_the_focus(window, person, tmp_path):
    with recording(tmp_path) as process:
        person.tap("f9")
        wait_for(lambda: frames(tmp_path) > 5)
        with painted("another"):
            wait_for(lambda: any('"end"' in line for line in events(tmp_path)))
            before = events(tmp_path)
            person.tap("left", 0.2)
            assert events(tmp_path) == before
        person.desktop.give_focus(person.desktop.find_window("painted"))
        wait_for(lambda: frames(tmp_path) > sum('"frame"' in line for line in before) + 3)
        person.tap("f10")
        process.communicate(timeout=60)
    with h5py.File(tmp_path / "screen_0.h5") as file:
        assert len(file) == 2


@needs_x
def test_recordings_of_something_else_are_not_mixed(window, person, tmp_path):
    with recording(tmp_path) as process:
        person.tap("f9")
        wait_for(lambda: frames(tmp_path) > 3)
        person.tap("f10")
        process.communicate(timeout=60)
    for flags, said in (
        (("--region", "0,0,320,240"), "region"),
        (("--keys", "left,right"), "action_space"),
        (("--fps", "10"), "fps"),
    ):
        result = run_stage(
            "01_generate_data.py", "screen", *FLAGS, "--store_folder", tmp_path, *flags
        )
        assert result.returncode == 2
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


@needs_x
def test_a_rate_that_cannot_be_held_is_refused(window, tmp_path):
    flags = (*FLAGS, "--fps", 100000, "--store_folder", tmp_path)
    result = run_stage("01_generate_data.py", "screen", *flags)
    assert result.returncode == 2
    assert "choose at most --fps" in result.stderr


def place_of(name):
    desktop = Desktop()
    place = desktop.place(desktop.find_window(name))
    desktop.close()
    return place


@needs_x
def test_flags_of_a_rectangle_name_the_window(window):
    place = place_of("painted")
    inside = Region(place.left + 10, place.top + 20, 100, 100)
    assert flags_of(inside) == '--window "painted" --region 10,20,100,100'
    beside = Region(place.left + 600, place.top + 20, 100, 100)
    assert flags_of(beside) == f"--region {beside}"


@needs_x
def test_a_dragged_rectangle_becomes_flags(window, person):
    process = subprocess.Popen(
        command("01_generate_data.py", "screen", "--find_region"),
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert "drag" in process.stdout.readline()
    time.sleep(0.5)
    place = place_of("painted")
    corner = place.left + 40, place.top + 60
    person.desktop.drag(corner, (corner[0] + 160, corner[1] + 240))
    output, _ = process.communicate(timeout=30)
    assert output.strip() == '--window "painted" --region 40,60,160,240'


def logged(folder):
    """Write a session of 5 frames 50 ms apart: `w` is held from 60 ms to 180 ms."""
    log = ScreenLog(folder, {"keys": ["w"]}, 0)
    log.begin(0, 1000)
    for step in range(5):
        if step == 2:
            log.write(60 * MS, "press", key="w")
        if step == 4:
            log.write(180 * MS, "release", key="w")
        log.frame(50 * MS * step, np.zeros((2, 2, 3), np.uint8), ["w"] if step in (2, 3) else [])
    log.end(240 * MS)
    log.close()
    return read_session(folder / "events.jsonl").episodes[0]


def test_the_delay_chooses_which_keys_are_the_action(tmp_path):
    episode = logged(tmp_path)
    times, held = paired(episode, 0)
    assert held == [(), (), ("w",), ("w",)]
    np.testing.assert_allclose(times, [0, 0.05, 0.1, 0.15, 0.2])
    assert paired(episode, 20)[1] == [(), ("w",), ("w",), ("w",)]
    times, held = paired(episode, 100)
    assert held == [("w",), ("w",), ()]  # later keys are not known
    assert len(times) == 4
    assert paired(episode, 1000)[1] == []


def test_quality_says_what_is_below_the_rate():
    quality = Quality.of(np.arange(11) / 15, [()] * 4 + [("w",)] * 6)
    assert quality.rate == pytest.approx(15)
    assert quality.idle == 0.4
    assert "kept, but below 0.9" in quality.line(20)
    assert "kept" not in quality.line(16)


@needs_x
def test_recordings_are_paired_anew(window, person, tmp_path):
    with recording(tmp_path / "as_recorded") as process:
        for keys in (("left",), ("right",)):
            person.tap("f9")
            for number in range(4):
                person.hold(*keys) if number % 2 else person.hold()
                time.sleep(0.25)
            person.tap("f9")
            time.sleep(0.2)
        person.tap("f10")
        process.communicate(timeout=60)
    folder = tmp_path / "as_recorded"
    names = occurring(folder, 0)
    assert sorted(names.split(",")) == ["left", "none", "right"]
    (path,) = pair(folder, tmp_path / "anew", 100, names)
    header = open_header(path, RolloutsHeader)
    assert header.options["action_delay"] == 100
    with h5py.File(folder / "screen_0.h5") as file, h5py.File(path) as again:
        for name in file:
            before, after = file[name], again[name]
            steps = len(after["actions"])
            assert 0 < steps <= len(before["actions"])
            np.testing.assert_array_equal(
                after["observations"][:], before["observations"][: steps + 1]
            )
            shifted = before["actions"][2:, :2].any(axis=1)
            held = after["actions"][: len(shifted)] != names.split(",").index("none")
            assert (held == shifted[: len(held)]).mean() > 0.8
    with pytest.raises(InputError, match="was held as well; add it"):
        pair(folder, tmp_path / "wrong", 0, "none,left")
