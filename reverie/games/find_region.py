"""Drag a rectangle on the screen, with nothing but the X server, and get the flags that name it."""

from Xlib import X
from Xlib.protocol.rq import Event

from reverie.artifacts import InputError
from reverie.games.x11 import Desktop, Region

LEAST = 16  # pixels of each side; less was a click
ESCAPE = 0xFF1B  # the key's symbol


def find_region() -> str:
    """Let the person drag a rectangle; return flags of stage 1.

    The rectangle is drawn by inverting pixels, so nothing of the screen is lost. The window under
    its middle is named, if it has a title and the rectangle lies in it.

    Raises:
        InputError: there is no X server, or the person has given up with Escape.
    """
    desktop = Desktop()
    print("drag a rectangle with the left button; Escape gives up")
    with_pointer = desktop.root.grab_pointer(
        False,
        X.ButtonPressMask | X.ButtonReleaseMask | X.PointerMotionMask,
        *(X.GrabModeAsync, X.GrabModeAsync, X.NONE, X.NONE, X.CurrentTime),
    )
    desktop.root.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
    if with_pointer != X.GrabSuccess:
        raise InputError("--find_region: another program holds the mouse; close its menus")
    try:
        region = Dragging(desktop).region()
    finally:
        desktop.close()
    return flags_of(region)


class Dragging:
    """Follows the mouse from the press of its button to the release."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop, self._shown = desktop, None
        self._pen = desktop.root.create_gc(
            function=X.GXinvert, subwindow_mode=X.IncludeInferiors, line_width=2
        )

    def region(self) -> Region:
        """Return the rectangle.

        Raises:
            InputError: the person has given up.
        """
        corner = None
        while True:
            event = self._desktop.next_event()
            if event.type == X.KeyPress and event.detail == self._desktop.keycode(ESCAPE):
                self._show(None)
                raise InputError("--find_region: given up with Escape; run it again")
            if event.type == X.ButtonPress and corner is None:
                corner = event.root_x, event.root_y
            elif event.type == X.MotionNotify and corner is not None:
                self._show(_between(corner, event))
            elif event.type == X.ButtonRelease and corner is not None:
                region, corner = _between(corner, event), None
                self._show(None)
                if min(region.width, region.height) >= LEAST:
                    return region

    def _show(self, region: Region | None) -> None:
        """Draw a rectangle in the place of the one that is drawn; inverting twice undoes it."""
        for each in (self._shown, region):
            if each is not None:
                self._desktop.root.rectangle(
                    self._pen, each.left, each.top, each.width, each.height
                )
        self._shown = region
        self._desktop.flush()


def _between(corner: tuple[int, int], event: Event) -> Region:
    left, right = sorted((corner[0], event.root_x))
    top, bottom = sorted((corner[1], event.root_y))
    return Region(left, top, right - left, bottom - top)


def flags_of(region: Region) -> str:
    """Return flags that name a rectangle of the screen, by the window that it lies in if it can.

    Args:
        region: of the screen.
    """
    desktop = Desktop()
    middle = region.left + region.width // 2, region.top + region.height // 2
    for window, title in desktop.titled_windows():
        place = desktop.place(window)
        if region.inside(place) and desktop.is_at(window, *middle):
            left, top = region.left - place.left, region.top - place.top
            inside = Region(left, top, region.width, region.height)
            return f'--window "{title}" --region {inside}'
    return f"--region {region}"
