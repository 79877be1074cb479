"""Films are whole, whatever happens beside."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from reverie.artifacts import InputError
from reverie.reports.video import save_video
from reverie.stage import EXIT_REQUEUE

STAGE = """
import sys
from pathlib import Path
import numpy as np
from reverie.reports.video import save_video
from reverie.stage import conduct, stop_signal

@conduct
def main(argv):
    noise = np.random.default_rng(0).integers(0, 256, (90, 240, 320, 3), dtype=np.uint8)
    save_video(Path(sys.argv[1]), noise)
    stop_signal.check()

sys.exit(main())
"""


def frames_of(path):
    video, count = cv2.VideoCapture(str(path)), 0
    while video.read()[0]:
        count += 1
    return count


@pytest.fixture
def stage(tmp_path):
    """Start a stage that writes a film, in a group of its own; wait until ffmpeg is at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(tmp_path / "film.mp4")],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob(".film.mp4.*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


def ffmpeg_of(stage):
    """Return the process number of the stage's child."""
    return int(Path(f"/proc/{stage.pid}/task/{stage.pid}/children").read_text().split()[-1])


def test_a_film_is_whole(tmp_path):
    save_video(tmp_path / "film.mp4", np.zeros((7, 64, 128, 3), np.uint8))
    assert frames_of(tmp_path / "film.mp4") == 7
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_signal_to_all_processes_of_a_stage_does_not_cut_its_film_off(stage, tmp_path):
    os.killpg(stage.pid, signal.SIGTERM)
    errors = stage.communicate(timeout=60)[1]
    assert stage.returncode == EXIT_REQUEUE, errors
    assert errors == "stopped by a signal; the same command continues\n"
    assert frames_of(tmp_path / "film.mp4") == 90


def test_a_scheduler_that_ends_ffmpeg_as_well_stops_the_stage(stage, tmp_path):
    child = ffmpeg_of(stage)
    os.kill(stage.pid, signal.SIGTERM)
    os.kill(child, signal.SIGKILL)
    errors = stage.communicate(timeout=60)[1]
    assert stage.returncode == EXIT_REQUEUE, errors
    assert list(tmp_path.iterdir()) == []


def test_an_ffmpeg_that_ends_is_one_line(stage, tmp_path):
    os.kill(ffmpeg_of(stage), signal.SIGKILL)
    errors = stage.communicate(timeout=60)[1]
    assert stage.returncode == 2
    assert "ffmpeg, which writes the film, ended with code -9" in errors
    assert len(errors.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_frames_that_ffmpeg_does_not_take(tmp_path):
    with pytest.raises(InputError, match="ffmpeg, which writes the film, ended with code 1"):
        save_video(tmp_path / "film.mp4", np.zeros((7, 63, 127, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
