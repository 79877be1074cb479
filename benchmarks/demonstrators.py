"""Scripted players that see only the pixels of a window and say which keys to hold."""

from dataclasses import dataclass

import cv2
import numpy as np

NEAR = 20  # pixels; the buggy moves this far between two looks at 20 a second


@dataclass(frozen=True)
class Blob:
    """Something of one colour: its middle and its size in pixels."""

    left: float
    top: float
    width: int
    height: int


def blobs(mask: np.ndarray, least: int, first_row: int = 0) -> list[Blob]:
    """Return the connected parts of a mask `(rows, columns)` that have enough pixels.

    Args:
        mask: bool.
        least: pixels.
        first_row: of the picture that the mask was cut from.
    """
    _, _, stats, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [
        Blob(x, y + first_row, int(width), int(height))
        for (_, _, width, height, area), (x, y) in zip(stats[1:], middles[1:])
        if area >= least
    ]


class AliensDemonstrator:
    """Keeps out of the way of bombs, goes below the lowest alien, and fires ahead of it.

    It fires when no shot of its own is near the gun, so the key is released in between, as the
    game wants it.
    """

    ground, sky = 415, 405  # rows
    bomb, shot, alien_speed = 9 / 25, 11 / 25, 13 / 25  # pixels a millisecond
    danger = 62  # pixels to the side of a bomb
    fears = 260  # rows; bombs above are far

    def __init__(self) -> None:
        self._last: list[Blob] = []

    def act(self, picture: np.ndarray) -> set[str]:
        """Return the keys to hold after a picture `(480, 640, 3)` uint8."""
        red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
        band = slice(self.ground, 475)
        buggy = blobs((green > red)[band] & (green > 45)[band], 150, self.ground)
        if not buggy:
            return set()
        here = max(buggy, key=lambda blob: blob.width).left
        yellow = (red > 150) & (green > 140) & (blue < 130)
        bombs = [b for b in blobs(yellow[:440], 40) if b.height > 10 and b.width < 25]
        bright = (picture.max(axis=2) > 95) & ~yellow
        aliens = [b for b in blobs(bright[: self.sky], 500) if b.width > 30]
        last, self._last = self._last, aliens
        if escape := self._escape(here, bombs):
            return {escape}
        keys = set()
        if aliens:
            target = self._ahead(max(aliens, key=lambda blob: blob.top), last)
            if abs(target - here) > NEAR:
                keys.add("right" if target > here else "left")
            if abs(target - here) < 3 * NEAR and not self._loaded(bright, here):
                keys.add("space")
        return keys

    def _escape(self, here: float, bombs: list[Blob]) -> str | None:
        """Return where to go from the bombs that would hit, nowhere if none would."""
        near = [b for b in bombs if b.top > self.fears and abs(b.left - here) < self.danger]
        if not near:
            return None
        lowest = max(near, key=lambda blob: blob.top)
        if here < 90 or here > 550:
            return "right" if here < 90 else "left"
        return "right" if lowest.left < here else "left"

    def _ahead(self, alien: Blob, last: list[Blob]) -> float:
        """Return where an alien will be when a shot fired now reaches its row."""
        before = [b for b in last if abs(b.top - alien.top) < 5 and abs(b.left - alien.left) < 60]
        if not before:
            return alien.left
        nearest = min(before, key=lambda blob: abs(blob.left - alien.left))
        flight = (430 - alien.top) / self.shot
        ahead = alien.left + np.sign(alien.left - nearest.left) * self.alien_speed * flight
        bounced = ahead if ahead > 40 else 80 - ahead
        return bounced if bounced < 600 else 1200 - bounced

    def _loaded(self, bright: np.ndarray, here: float) -> bool:
        """Tell whether a shot is just above the gun."""
        column = slice(max(int(here) - 60, 0), int(here) + 60)
        return bool(blobs(bright[330 : self.ground, column], 8))


class PongDemonstrator:
    """Keeps the middle of its racket, the green one, at the height of the ball."""

    slack = 12  # pixels
    field = slice(34 * 3, 194 * 3)  # rows

    def act(self, picture: np.ndarray) -> set[str]:
        """Return the keys to hold after a picture `(630, 480, 3)` uint8."""
        field = picture[self.field].astype(int)
        racket = blobs((abs(field - (92, 186, 92)) < 12).all(axis=2), 100)
        ball = blobs((field > 220).all(axis=2), 20)
        if not racket or not ball:
            return set()
        above = racket[0].top - ball[0].top
        if abs(above) < self.slack:
            return set()
        return {"w"} if above > 0 else {"s"}


DEMONSTRATORS = {"aliens": AliensDemonstrator, "pong": PongDemonstrator}
