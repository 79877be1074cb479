"""The screen and the keyboard of an X server: windows, focus, pictures, held keys.

Owns the connection to the server. Knows nothing of games, rates or files.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import mss
import numpy as np
from Xlib import X, Xatom, display
from Xlib.error import BadDrawable, BadWindow, ConnectionClosedError, DisplayError, XError
from Xlib.ext import xtest
from Xlib.protocol.rq import Event
from Xlib.xobject.drawable import Window

from reverie.artifacts import InputError

GONE = (BadWindow, BadDrawable)
NAMES = ("_NET_WM_NAME", "WM_NAME")
SMALLEST = 16  # pixels; smaller windows are helpers that nobody sees
VIRTUAL = "to record without a screen of your own, start Xvfb :9 & and set DISPLAY=:9"
ELSEWHERE = {
    "win32": "Windows: reverie reads the screen and the keys of an X server only; run the game and "
    "this command under Linux with X11, or import a video with python -m reverie.rollouts import",
    "darwin": "macOS: reverie reads the screen and the keys of an X server only; run the game and "
    "this command under Linux with X11, or import a video with python -m reverie.rollouts import",
}
WAYLAND = (
    "Wayland: programs cannot read the screen or the keys of others; log in to a session on X11 "
    "(Xorg), or run the game and this command in a nested X server: Xephyr :9 -screen 1280x800 & "
    "and DISPLAY=:9"
)


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels; of the screen, or from the upper left corner of a window."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> "Region":
        """Read `left,top,width,height`.

        Raises:
            InputError: it is not that.
        """
        parts = text.split(",")
        if len(parts) != 4 or not all(part.strip().lstrip("-").isdecimal() for part in parts):
            raise InputError(f"--region {text}: expected left,top,width,height in whole pixels")
        region = cls(*map(int, parts))
        if min(region.width, region.height) < 1:
            raise InputError(f"--region {text}: width and height must be at least 1")
        return region

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width},{self.height}"

    def inside(self, other: "Region") -> bool:
        """Tell whether all of it lies in another one."""
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.left + self.width <= other.left + other.width
            and self.top + self.height <= other.top + other.height
        )


def platform_fault(
    platform: str, environment: Mapping[str, str], extensions: Sequence[str] = ()
) -> str | None:
    """Return why this screen cannot be read and what to do about it; None where it can.

    Args:
        platform: `sys.platform`.
        environment: of the process.
        extensions: of the X server, once connected.
    """
    if platform in ELSEWHERE:
        return ELSEWHERE[platform]
    if "XWAYLAND" in extensions:
        return WAYLAND
    if environment.get("DISPLAY"):
        return None
    if environment.get("WAYLAND_DISPLAY") or environment.get("XDG_SESSION_TYPE") == "wayland":
        return WAYLAND
    return f"no display: DISPLAY is not set; {VIRTUAL}"


class Desktop:
    """A connection to the X server of `DISPLAY`; one a thread.

    Raises:
        InputError: there is no such server, or it does not let programs read its screen.
    """

    def __init__(self) -> None:
        if fault := platform_fault(sys.platform, os.environ):
            raise InputError(fault)
        self.name = os.environ["DISPLAY"]
        try:
            self._display = display.Display()
        except (DisplayError, ConnectionClosedError, OSError) as error:
            raise InputError(f"DISPLAY={self.name}: no X server answers; {VIRTUAL}") from error
        extensions = self._display.list_extensions()
        if fault := platform_fault(sys.platform, os.environ, extensions):
            raise InputError(fault)
        if "XTEST" not in extensions:
            raise InputError(f"DISPLAY={self.name}: the server lacks XTEST; {VIRTUAL}")
        self.root = self._display.screen().root
        self._screenshots = mss.MSS()
        self._focus: tuple[int, int, bool] = (0, 0, False)  # window, focused one, is that inside?

    def close(self) -> None:
        """End the connection."""
        self._screenshots.close()
        self._display.close()

    @property
    def size(self) -> Region:
        """The whole screen."""
        geometry = self.root.get_geometry()
        return Region(0, 0, geometry.width, geometry.height)

    def find_window(self, name: str) -> Window:
        """Return the window of a name, of a part of its name, or of a number such as `0x1200003`.

        Raises:
            InputError: no window, or several, have it.
        """
        if name.startswith("0x"):
            return self._numbered(name)
        shown = self.titled_windows()
        found = [window for window, title in shown if title == name]
        found = found or [window for window, title in shown if name.lower() in title.lower()]
        if not found:
            titles = ", ".join(sorted({title for _, title in shown})) or "none at all"
            raise InputError(f"--window {name}: no such window; there are: {titles}")
        if len(found) > 1:
            places = " and ".join(f"{window.id:#x} at {self.place(window)}" for window in found)
            raise InputError(
                f"--window {name}: {len(found)} windows have that name, {places}; name one by its "
                f"number, --window {found[0].id:#x}"
            )
        return found[0]

    def _numbered(self, name: str) -> Window:
        try:
            window = self._display.create_resource_object("window", int(name, 16))
            window.get_geometry()
        except (ValueError, *GONE) as error:
            raise InputError(f"--window {name}: no such window") from error
        return window

    def titled_windows(self) -> list[tuple[Window, str]]:
        """Return the visible windows that have a title, with it."""
        return list(self._titled(self.root))

    def _titled(self, parent: Window) -> Iterator[tuple[Window, str]]:
        """Yield the visible windows that have a title, with it."""
        try:
            for window in parent.query_tree().children:
                if window.get_attributes().map_state == X.IsViewable:
                    geometry, title = window.get_geometry(), self._title(window)
                    if title and min(geometry.width, geometry.height) >= SMALLEST:
                        yield window, title
                    yield from self._titled(window)
        except GONE:  # it was closed meanwhile
            return

    def _title(self, window: Window) -> str:
        for name in NAMES:
            atom = Xatom.WM_NAME if name == "WM_NAME" else self._display.intern_atom(name)
            value = window.get_full_property(atom, X.AnyPropertyType)
            if value is not None and value.value:
                text = value.value
                return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return ""

    def window_at(self, left: int, top: int) -> Window:
        """Return the outermost window under a point of the screen; the screen itself if none."""
        child = self.root.translate_coords(self.root, left, top).child
        return child if isinstance(child, Window) else self.root

    def is_at(self, window: Window, left: int, top: int) -> bool:
        """Tell whether a window is what one sees at a point of the screen."""
        outermost = self.window_at(left, top)
        return self._is_inside(window, outermost)

    def place(self, window: Window) -> Region:
        """Return where on the screen a window lies.

        Raises:
            InputError: it is gone.
        """
        try:
            geometry, corner = window.get_geometry(), self.root.translate_coords(window, 0, 0)
        except GONE:
            self.gone(window)
        return Region(corner.x, corner.y, geometry.width, geometry.height)

    def gone(self, window: Window) -> NoReturn:
        """Say that a window is gone."""
        raise InputError(
            f"the window {window.id:#x} is gone; start the game and run the same command again"
        )

    def has_focus(self, window: Window) -> bool:
        """Tell whether what is typed goes to a window or to what is inside it."""
        focus = self._display.get_input_focus().focus
        if focus == X.PointerRoot:
            focus = self.root.query_pointer().child
        if not isinstance(focus, Window):
            return False
        if self._focus[:2] != (window.id, focus.id):
            self._focus = window.id, focus.id, self._is_inside(focus, window)
        return self._focus[2]

    def _is_inside(self, window: Window, outer: Window) -> bool:
        """Tell whether a window is another one or lies in it; in `root` lie all that have focus."""
        try:
            while window.id != outer.id:
                parent = window.query_tree().parent
                if not isinstance(parent, Window):
                    return False
                window = parent
        except GONE:
            return False
        return True

    def give_focus(self, window: Window) -> None:
        """Bring a window to the front and have it get what is typed."""
        try:
            window.configure(stack_mode=X.Above)
            window.set_input_focus(X.RevertToParent, X.CurrentTime)
            self._display.sync()
        except XError:
            self.gone(window)

    def grab(self, region: Region) -> np.ndarray:
        """Return what a region of the screen shows: `(height, width, 3)` uint8, RGB."""
        box = {name: getattr(region, name) for name in ("left", "top", "width", "height")}
        shot = self._screenshots.grab(box)
        bgra = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)
        return np.ascontiguousarray(bgra[..., 2::-1])

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag the mouse with its left button from one point of the screen to another."""
        for kind, detail, (left, top) in (
            (X.MotionNotify, 0, start),
            (X.ButtonPress, X.Button1, start),
            (X.MotionNotify, 0, end),
            (X.ButtonRelease, X.Button1, end),
        ):
            xtest.fake_input(self._display, kind, detail, root=self.root, x=left, y=top)
        self._display.sync()

    def next_event(self) -> Event:
        """Wait for an event of what was grabbed."""
        return self._display.next_event()

    def flush(self) -> None:
        """Send what was asked for."""
        self._display.flush()

    def keymap(self) -> int:
        """Return all keys that are held: bit K is that of keycode K."""
        return int.from_bytes(bytes(self._display.query_keymap()), "little")

    def keycode(self, keysym: int) -> int:
        """Return the code of the key with a symbol, 0 if no key has it."""
        return self._display.keysym_to_keycode(keysym)

    def send(self, keycodes: Mapping[int, bool]) -> None:
        """Press the keys that map to true and release the others, in this order."""
        for keycode, down in keycodes.items():
            xtest.fake_input(self._display, X.KeyPress if down else X.KeyRelease, keycode)
        self._display.flush()
