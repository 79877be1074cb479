"""The recorded screen: how steady its rate is, how right the keys are, how soon a key shows.

A window paints its own frame number and the keys that it sees, 60 times a second, under an X server
without a screen. Random keys are pressed in it while stage 1 records.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from benchmarks.painted_window import read
from benchmarks.rows import Row, compare
from benchmarks.workplace import Workplace
from benchmarks.xvfb import installed, x_server
from reverie.games.keyboard import Keyboard
from reverie.games.screen import Aim
from reverie.games.x11 import Desktop

ROOT = Path(__file__).resolve().parent.parent
TITLE, KEYS = "painted", ("left", "right", "space")
RATES = 20, 30, 60
MILLISECONDS = 1000.0


def measure(place: Workplace) -> list[Row]:
    """Measure recording at three rates, a look, and the way from a key to the pixels."""
    if not installed():
        return []
    with x_server() as display, _window(display):
        rows = [row for fps in RATES for row in _recorded(place, fps, place.size(20, 2))]
        look, shown = _look(place.size(300, 10)), _shown(place.size(200, 5))
    rows.append(compare("screen: 640x480 pixels as a frame", look, 10.0, "ms", "at most"))
    late = f"99 %: {np.percentile(shown, 99):.1f} ms; the window paints every 16.7 ms"
    rows.append(compare("screen: key to pixels", statistics.median(shown), 16.7, "ms", late))
    return rows


@contextmanager
def _window(display: str) -> Iterator[None]:
    os.environ |= {"DISPLAY": display, "SDL_AUDIODRIVER": "dummy"}
    command = [sys.executable, "-m", "benchmarks.painted_window", "--title", TITLE]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert any(line == "shown\n" for line in process.stdout)
        yield
    finally:
        process.kill()
        process.wait()


def _recorded(place: Workplace, fps: int, seconds: int) -> list[Row]:
    """Record random keys at a rate; return how that went."""
    folder = place.folder / f"screen_{fps}"
    flags = ["--window", TITLE, "--keys", ",".join(KEYS), "--fps", str(fps), "--countdown", "0"]
    stage = [sys.executable, str(ROOT / "01_generate_data.py"), "screen"]
    process = subprocess.Popen(
        [*stage, *flags, "--store_folder", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert any("starts and stops" in line for line in process.stdout)
    _press_random_keys(seconds)
    process.communicate()
    with h5py.File(folder / "screen_0.h5") as file:
        group = file["episode_00000"]
        rate, gap = group.attrs["achieved_rate"], group.attrs["longest_gap"]
        actions = group["actions"][:].astype(bool)
        painted = np.array([read(frame, len(KEYS))[1] for frame in group["observations"][:]])
    same = (painted[:-1] == actions).all(axis=1).mean()
    following = (painted[1:] == actions).all(axis=1).mean()
    name, note = f"screen: {fps} frames/s", f"asked for; longest gap {gap:.1f} ms"
    return [
        compare(name, rate, fps, "frames/s", note),
        compare(f"{name}, keys as in the next frame", following, same, "share", "as in its own"),
    ]


def _press_random_keys(seconds: int) -> None:
    """Record an episode in which random keys change every 0.1 to 0.5 seconds, then quit."""
    desktop, rng = Desktop(), np.random.default_rng(0)
    hot, keys = Keyboard(desktop, ("f9", "f10")), Keyboard(desktop, KEYS)
    _tap(hot, (True, False))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        keys.hold(rng.random(len(KEYS)) < 0.5)
        time.sleep(rng.uniform(0.1, 0.5))
    keys.release()
    _tap(hot, (False, True))
    hot.release()
    desktop.close()


def _tap(keyboard: Keyboard, wanted: tuple[bool, bool]) -> None:
    for held in (wanted, (False, False)):
        keyboard.hold(held)
        time.sleep(0.1)


def _look(count: int) -> float:
    """Return milliseconds of a picture that becomes a frame, the median."""
    aim, times = Aim(Desktop(), TITLE, ""), []
    for _ in range(count):
        start = time.perf_counter()
        aim.grab(64)
        times.append(MILLISECONDS * (time.perf_counter() - start))
    return statistics.median(times)


def _shown(count: int) -> list[float]:
    """Return milliseconds from pressing a key to pixels that show it."""
    aim, times, rng = Aim(Desktop(), TITLE, ""), [], np.random.default_rng(0)
    keyboard = Keyboard(aim.desktop, KEYS)
    keyboard.hold([True, False, False])
    for number in range(count):
        time.sleep(rng.uniform(0.05, 0.1))
        wanted = (number % 2 == 1, False, False)
        start = time.perf_counter()
        keyboard.hold(wanted)
        while read(aim.desktop.grab(aim.on_screen()), len(KEYS))[1] != wanted:
            pass
        times.append(MILLISECONDS * (time.perf_counter() - start))
    keyboard.release()
    return times
