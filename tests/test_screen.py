"""The screen as a game: what is seen, which keys are pressed, what is refused."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT

from benchmarks.painted_window import read
from benchmarks.xvfb import installed, x_server
from reverie.artifacts import InputError
from reverie.games import game_class, make_game
from reverie.games.keyboard import Keyboard, key_names
from reverie.games.screen import combinations_of
from reverie.games.ticks import SECOND, Ticks
from reverie.games.x11 import Desktop, Region, platform_fault

KEYS = ("left", "right", "space")
OPTIONS = {"window": "painted", "region": "", "keys": ",".join(KEYS), "fps": 20, "time_steps": 40}
needs_x = pytest.mark.skipif(not installed(), reason="no X server here: apt-get install xvfb")


@pytest.fixture(scope="module")
def display():
    """Return the name of an X server without a screen, which is DISPLAY meanwhile."""
    with x_server() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", name)
        patch.setenv("SDL_AUDIODRIVER", "dummy")
        yield name


@contextlib.contextmanager
def painted(title="painted", fps=60):
    """Show a window that paints its frame number and keys; yield its process."""
    flags = ["--title", title, "--fps", str(fps), "--keys", ",".join(KEYS)]
    command = [sys.executable, "-m", "benchmarks.painted_window", *flags]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert any(line == "shown\n" for line in process.stdout)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def window(display):
    with painted() as process:
        yield process


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@needs_x
def test_steps_press_keys_and_show_what_became_of_them(window):
    game = make_game("screen", **OPTIONS | {"time_steps": 24})
    frame, info = game.reset(seed=0)
    assert game.observation_space.contains(frame)
    numbers, seen, held = [read(frame, 3)[0]], [], []
    truncated = False
    while not truncated:
        action = np.array([len(seen) // 4 % 2, len(seen) % 3 == 0, len(seen) // 8 % 2])
        frame, reward, terminated, truncated, info = game.step(action)
        number, keys = read(frame, 3)
        numbers.append(number)
        seen.append(keys)
        held.append(tuple(map(bool, action)))
    agree = np.mean([one == other for one, other in zip(seen, held)])
    assert agree > 0.6  # a busy machine paints late
    assert np.all(np.diff(numbers) >= 0)
    assert len(seen) == 24
    assert (reward, terminated) == (0.0, False)
    assert 24 / 20 - 0.01 < info["time"] < 24 / 20 + 0.5
    wait_for(lambda: not any(game.keyboard.held()))
    game.close()


@needs_x
@pytest.mark.parametrize("end", ["sigterm", "sigkill", "exception"])
def test_keys_are_released_however_the_player_ends(window, end):
    code = (
        "import sys, time\nimport numpy as np\nfrom reverie.games import make_game\n"
        f"game = make_game('screen', **{OPTIONS})\ngame.reset()\ngame.step(np.array([1, 0, 1]))\n"
        "print('held', flush=True)\n"
        + ("raise SystemExit(3)" if end == "exception" else "time.sleep(60)")
    )
    desktop = Desktop()
    keyboard = Keyboard(desktop, KEYS)
    player = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert player.stdout.readline() == b"held\n"
    if end != "exception":
        assert keyboard.held() == (True, False, True)
        player.send_signal(getattr(signal, end.upper()))
    player.wait()
    wait_for(lambda: not any(keyboard.held()))
    desktop.close()


@needs_x
def test_keys_go_nowhere_when_the_window_has_lost_the_focus(window):
    game = make_game("screen", **OPTIONS)
    game.reset()
    game.step(np.array([1, 0, 0]))
    with painted("another"):
        wait_for(lambda: not game.aim.has_focus())
        with pytest.raises(InputError, match="lost the focus"):
            game.step(np.array([1, 0, 0]))
        wait_for(lambda: not any(game.keyboard.held()))
    game.close()


@needs_x
def test_a_window_that_is_gone_is_said(window):
    game = make_game("screen", **OPTIONS)
    game.reset()
    window.kill()
    window.wait()
    with pytest.raises(InputError, match="is gone"):
        game.step(np.array([0, 1, 0]))
    game.close()


@needs_x
def test_windows_and_regions_that_cannot_be_seen_are_refused(window):
    with painted(), pytest.raises(InputError, match=r"2 windows have that name.*--window 0x"):
        make_game("screen", **OPTIONS)
    with pytest.raises(InputError, match="no such window; there are: painted"):
        make_game("screen", **OPTIONS | {"window": "nobody"})
    with pytest.raises(InputError, match="does not lie on the screen of 1280x1024"):
        make_game("screen", **OPTIONS | {"window": "", "region": "1000,0,640,480"})
    desktop = Desktop()
    number = f"{desktop.find_window('painted').id:#x}"
    desktop.close()
    game = make_game("screen", **OPTIONS | {"window": number, "region": "40,0,40,60"})
    frame, _ = game.reset()
    assert len(np.unique(frame)) == 1  # one block
    game.close()


@needs_x
def test_a_combination_is_an_action_where_they_are_choices(window):
    game = make_game("screen", **OPTIONS | {"combinations": "none,left,right+space"})
    game.reset()
    game.step(2)
    wait_for(lambda: game.keyboard.held() == (False, True, True))
    game.close()


def test_no_display_and_other_platforms_are_one_line(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("XDG_SESSION_TYPE", "x11")
    with pytest.raises(InputError, match=r"DISPLAY is not set.*Xvfb"):
        make_game("screen", **OPTIONS)
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(InputError, match="no X server answers"):
        make_game("screen", **OPTIONS)
    assert "Wayland" in platform_fault("linux", {"WAYLAND_DISPLAY": "wayland-0"})
    assert "Wayland" in platform_fault("linux", {"DISPLAY": ":0"}, ["XTEST", "XWAYLAND"])
    assert "Windows" in platform_fault("win32", os.environ)
    assert "macOS" in platform_fault("darwin", os.environ)
    assert platform_fault("linux", {"DISPLAY": ":0"}, ["XTEST"]) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"keys": "w,kangaroo"}, "'kangaroo': no such key"),
        ({"keys": "w,w"}, "named twice"),
        ({"keys": ""}, "say which keys"),
        ({"window": ""}, "--window NAME or --region"),
        ({"region": "1,2,3"}, "left,top,width,height"),
        ({"region": "1,2,0,5"}, "at least 1"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused_without_a_display(change, said):
    with pytest.raises(InputError, match=said):
        game_class("screen").check(OPTIONS | change)


def test_keys_and_combinations_decide_the_actions():
    game = game_class("screen", OPTIONS)
    assert game.action_space.shape == (3,)
    assert game.action_names == KEYS
    assert game.fps == 20
    chosen = game_class("screen", OPTIONS | {"combinations": "left,none,left+space"})
    assert chosen.action_space.n == 3
    assert chosen.action_names == ("left", "none", "left+space")
    assert chosen.idle == (1,)
    with pytest.raises(InputError, match="'up' is not among"):
        combinations_of("none,up", KEYS)
    with pytest.raises(InputError, match="there twice"):
        combinations_of("left+space,space+left", KEYS)
    assert key_names("Shift, w,F9") == ("shift", "w", "f9")
    assert Region.parse("1,-2,3,4") == Region(1, -2, 3, 4)


def test_deadlines_are_absolute_and_late_ones_are_left_out():
    ticks = Ticks(100)
    start = ticks.start()
    looks = []
    times = [ticks.wait(lambda: looks.append(1)) for _ in range(5)]
    assert min(np.diff([start, *times])) > 0
    assert times[-1] - start >= 0.05 * SECOND
    assert len(looks) >= 5
    time.sleep(0.035)
    ticks.wait()
    assert ticks.missed >= 2
    assert (time.monotonic_ns() - start) // ticks.period >= ticks.number
