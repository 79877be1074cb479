"""Named keys of an X server: which are held, and pressing and releasing them."""

import difflib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from Xlib import XK

from reverie.artifacts import InputError
from reverie.games import key_guard
from reverie.games.x11 import Desktop

ALIASES = {
    **{name.lower(): name for name in ("Left", "Right", "Up", "Down", "Tab", "Delete", "Insert")},
    **{name.lower(): name for name in ("Home", "End", "Escape", "Return", "BackSpace")},
    **{"enter": "Return", "esc": "Escape", "pageup": "Prior", "pagedown": "Next"},
    **{"shift": "Shift_L", "ctrl": "Control_L", "control": "Control_L", "alt": "Alt_L"},
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}


def key_names(text: str) -> tuple[str, ...]:
    """Read names of keys with commas between them, e.g. `w,a,s,d,space`.

    Raises:
        InputError: one is unknown or named twice; no keyboard is needed to find out.
    """
    names = tuple(part.strip().lower() for part in text.split(","))
    for name in names:
        keysym(name)
    if len({keysym(name) for name in names}) < len(names):
        raise InputError(f"--keys {text}: a key is named twice")
    return names


def keysym(name: str) -> int:
    """Return the symbol of a key by its name.

    Raises:
        InputError: there is no such key.
    """
    found = XK.string_to_keysym(ALIASES.get(name, name))
    if not found:
        near = difflib.get_close_matches(name, [*ALIASES, "space", "comma", "period"], n=3)
        names = ", ".join(near or ["w", "space", "left", "shift", "f9"])
        raise InputError(f"key {name!r}: no such key; keys are called like {names}")
    return found


class Keyboard:
    """Some keys of a desktop.

    What it has pressed is released by `release`, and by a guard, a process of its own, if this
    process ends without that: even when it is killed.

    Args:
        desktop: where the keys are.
        names: of the keys, K of them.

    Raises:
        InputError: the keyboard has not all of them.
    """

    def __init__(self, desktop: Desktop, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._desktop = desktop
        self.keycodes = tuple(desktop.keycode(keysym(name)) for name in names)
        for name, code in zip(names, self.keycodes):
            if not code:
                raise InputError(f"key {name!r}: not on this keyboard; choose another key")
        self._pressed = dict.fromkeys(self.keycodes, False)
        self._guard: subprocess.Popen | None = None

    def held(self) -> tuple[bool, ...]:
        """Return which of the keys are held now, by whomever."""
        keymap = self._desktop.keymap()
        return tuple(bool(keymap >> code & 1) for code in self.keycodes)

    def of(self, keymap: int) -> tuple[str, ...]:
        """Return the names of the keys that are held in a keymap."""
        return tuple(name for name, code in zip(self.names, self.keycodes) if keymap >> code & 1)

    def others_held(self) -> bool:
        """Tell whether any key of the whole keyboard is held that `hold` has not pressed."""
        ours = sum(1 << code for code, down in self._pressed.items() if down)
        return bool(self._desktop.keymap() & ~ours)

    def hold(self, wanted: Sequence[bool]) -> None:
        """Press and release what is needed so that of the keys exactly these are held.

        Args:
            wanted: K truth values. Keys that stay as `hold` has left them are not touched.
        """
        if self._guard is None and any(wanted):
            self._guard = _start_guard(self._desktop.name, self.keycodes)
        wanted = {code: bool(down) for code, down in zip(self.keycodes, wanted)}
        changes = {code: down for code, down in wanted.items() if down != self._pressed[code]}
        released_first = sorted(changes.items(), key=lambda change: change[1])
        self._desktop.send(dict(released_first))
        self._pressed |= changes

    def release(self) -> None:
        """Release all keys that `hold` has pressed, and send the guard home."""
        self.hold([False] * len(self.names))
        if self._guard is not None:
            self._guard.communicate(key_guard.DONE)
            self._guard = None


def _start_guard(display: str, keycodes: Sequence[int]) -> subprocess.Popen:
    """Start the process that releases keys when this one ends, and wait until it is there.

    It has a session of its own: what kills a process group must not take the guard with it.
    """
    guard = subprocess.Popen(
        [sys.executable, str(Path(key_guard.__file__)), *map(str, keycodes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"DISPLAY": display},
        start_new_session=True,
    )
    guard.stdout.readline()
    return guard
