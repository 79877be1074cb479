"""A person's play, recorded from the screen: episodes between hot keys, one batch a session."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from reverie.artifacts import InputError, write_text
from reverie.games.game import frame_shape
from reverie.games.keyboard import Keyboard, key_names
from reverie.games.screen import PERSON, Aim
from reverie.games.ticks import PAUSE, Ticks
from reverie.games.x11 import Desktop
from reverie.headers import RolloutsHeader, header_text, open_header
from reverie.locks import owned
from reverie.rollouts.recording import Recorder
from reverie.rollouts.screen_log import ScreenLog
from reverie.rollouts.screen_pairing import GAME
from reverie.rollouts.screen_parts import TITLE, finish_session, parts_path, recover
from reverie.rollouts.storage import differences, numbered
from reverie.stage import progress, stop_signal

TRIED = 10  # pictures that are taken to see how long one takes


@dataclass(frozen=True)
class SessionOptions:
    """How a session goes.

    Attributes:
        start_key: starts an episode, and stops it.
        quit_key: ends the session.
        countdown: seconds from the start key to the first frame.
        total_episodes: after so many the session ends.
    """

    start_key: str = "f9"
    quit_key: str = "f10"
    countdown: int = 3
    total_episodes: int = 200


class Watch:
    """Follows the named keys, while the window has the focus, and the hot keys.

    It looks at the bits of these keys in the server's keymap and at no others.

    Attributes:
        held: named keys that are held; none while the window has not the focus.
        focused: whether it has.
    """

    def __init__(self, aim: Aim, keys: tuple[str, ...], hot: tuple[str, ...]) -> None:
        self._aim, self._log = aim, None
        self._keyboard, self._hot = Keyboard(aim.desktop, keys), Keyboard(aim.desktop, hot)
        self.held: list[str] = []
        self.focused = aim.has_focus()
        self._down: set[str] = set()
        self._pressed: set[str] = set()
        self.look()
        self.forget()  # what is down at the start has not just been pressed

    def write_to(self, log: ScreenLog | None) -> None:
        """Write changes of the named keys to a log from now on, those that are held first."""
        self._log, self.held = log, []
        self.look()

    def look(self) -> None:
        """See what has changed."""
        keymap, now = self._aim.desktop.keymap(), time.monotonic_ns()
        self.focused = self._aim.has_focus()
        down = set(self._hot.of(keymap))
        self._pressed |= down - self._down
        self._down = down
        held = list(self._keyboard.of(keymap)) if self.focused else []
        if self._log is not None:
            self._write(now, held)
        self.held = held

    def _write(self, now: int, held: list[str]) -> None:
        for event, keys, others in (("release", self.held, held), ("press", held, self.held)):
            for key in keys:
                if key not in others:
                    self._log.write(now, event, key=key)

    def pressed(self, key: str) -> bool:
        """Tell whether a hot key was pressed since this was last asked."""
        was = key in self._pressed
        self._pressed.discard(key)
        return was

    def forget(self) -> None:
        """Take no account of hot keys pressed so far."""
        self._pressed.clear()


class ScreenSession:
    """Records until the person quits.

    Args:
        folder: of the recordings.
        game: options of the game, its `region` settled.
        options: how the session goes.
        first: number of its batch, or of a later one if that is taken.

    Raises:
        InputError: what shall be recorded cannot be seen, or not as fast as asked, or the folder
            holds recordings of something else.
    """

    def __init__(self, folder: Path, game: dict, options: SessionOptions, first: int = 0) -> None:
        self.folder, self.game, self.options, self._over = folder, game, options, False
        recorder = Recorder(folder, GAME, None, PERSON, int(time.time()), game)
        self.header = recorder.header()
        self._keys, hot = key_names(game["keys"]), (options.start_key, options.quit_key)
        if set(self._keys) & set(hot) or hot[0] == hot[1]:
            raise InputError(
                f"hot keys {hot[0]} and {hot[1]}: must differ from each other and keys"
            )
        self._check_folder()
        self.aim = Aim(Desktop(), game["window"], game["region"])
        self._size, self._fps = frame_shape(game)[0], game["fps"]
        self._check_rate()
        self.watch, self.ticks = Watch(self.aim, self._keys, hot), Ticks(self._fps)
        taken = {*numbered(folder, GAME, ".h5"), *numbered(folder, f".{GAME}", ".parts")}
        self.batch = next(n for n in range(first, first + len(taken) + 1) if n not in taken)

    def _check_folder(self) -> None:
        for path in numbered(self.folder, GAME, ".h5").values():
            header = open_header(path, RolloutsHeader, game=GAME)
            for name, theirs, ours in differences(header, self.header):
                raise InputError(
                    f"{path}: recorded with {name} {theirs}, not {ours}; repeat the flags of that "
                    "recording, or choose another --store_folder"
                )

    def _check_rate(self) -> None:
        """Check that a picture can be taken in the time that there is for one."""
        start = time.perf_counter()
        for _ in range(TRIED):
            self.aim.grab(self._size)
        cost = (time.perf_counter() - start) / TRIED
        if cost * self._fps > 1:
            raise InputError(
                f"--fps {self._fps}: a picture of {self.aim.region} takes {1000 * cost:.1f} ms; "
                f"choose at most --fps {int(1 / cost)}, or a smaller --region"
            )

    def record(self) -> Path | None:
        """Record episodes until the person quits; return the batch, None if there is none.

        Raises:
            InputError: the window is gone. Stopped: a signal came. All that was recorded is kept.
        """
        parts = parts_path(self.folder, self.batch)
        with owned(parts):
            write_text(parts / TITLE, header_text(self.header))
            notes = {"keys": self._keys, "fps": self._fps, "frame_size": self._size}
            notes |= {"window": self.game["window"], "region": self.game["region"]}
            log = ScreenLog(parts, notes, time.monotonic_ns())
            try:
                self._record(log)
            except KeyboardInterrupt:
                print("interrupted; what was recorded is kept", file=sys.stderr)
            finally:
                log.close()
                path = finish_session(parts)
        return path

    def _record(self, log: ScreenLog) -> None:
        options = self.options
        print(
            f"{self.game['window'] or 'the screen'} at {self.game['region']}: {options.start_key} "
            f"starts and stops an episode, {options.quit_key} quits"
        )
        again = False  # after the window has lost and got back the focus
        while log.episodes < options.total_episodes and not self._over:
            if again or self._wait_for_start():
                again = self._episode(log) and self._wait_for_focus()

    def _wait_for_start(self) -> bool:
        """Wait for the start key and count down; return whether to start at all."""
        while not self.watch.pressed(self.options.start_key):
            if not self._idle():
                return False
        for left in range(self.options.countdown, 0, -1):
            print(f"{left} ...")
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                if not self._idle():
                    return False
        return self._wait_for_focus()

    def _wait_for_focus(self) -> bool:
        """Wait until the window has the focus; return whether to go on."""
        if not self.watch.focused:
            print("the window has not the focus: nothing is recorded until it has")
        while not self.watch.focused:
            if self.watch.pressed(self.options.start_key) or not self._idle():
                return False
        return True

    def _idle(self) -> bool:
        """Let some time pass; return whether to go on."""
        stop_signal.check()
        self.aim.check_there()
        time.sleep(PAUSE)
        self.watch.look()
        self._over |= self.watch.pressed(self.options.quit_key)
        return not self._over

    def _episode(self, log: ScreenLog) -> bool:
        """Record an episode; return whether the next one begins by itself, with the focus."""
        self.watch.forget()
        now = self.ticks.start()
        log.begin(now, int(time.time()))
        self.watch.write_to(log)
        try:
            with progress(desc=f"episode {log.episodes}", unit=" frames") as bar:
                return self._frames(log, now, bar)
        finally:
            self.watch.write_to(None)
            log.end(time.monotonic_ns())

    def _frames(self, log: ScreenLog, now: int, bar: tqdm) -> bool:
        for _ in range(self.game["time_steps"] + 1):
            self.watch.look()
            if not self.watch.focused:
                print("\nthe window has lost the focus: the episode ends")
                return True
            log.frame(now, self.aim.grab(self._size), self.watch.held)
            bar.set_postfix_str("+".join(self.watch.held), refresh=False)
            bar.update()
            now = self.ticks.wait(self.watch.look)
            stop_signal.check()
            self._over |= self.watch.pressed(self.options.quit_key)
            if self._over or self.watch.pressed(self.options.start_key):
                break
        return False


def record_session(folder: Path, game: dict, options: SessionOptions, first: int) -> None:
    """Turn what killed sessions have left into batches, then record one session; say what it gave.

    Args:
        folder: of the recordings.
        game: options of the game, its `region` settled.
        options: how the session goes.
        first: see `ScreenSession`.
    """
    recover(folder)
    batch = ScreenSession(folder, game, options, first).record()
    print(f"recorded {batch}" if batch else "recorded nothing")
