"""Scripted players that see only the pixels of a window and say which keys to hold."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Blob:
    """Something of one colour: its middle and its size in pixels."""

    left: float
    top: float
    width: int
    height: int


def blobs(mask: np.ndarray, least: int) -> list[Blob]:
    """Return the connected parts of a mask `(rows, columns)` that have enough pixels.

    Args:
        mask: bool.
        least: pixels.
    """
    _, _, stats, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [
        Blob(x, y, int(width), int(height))
        for (_, _, width, height, area), (x, y) in zip(stats[1:], middles[1:])
        if area >= least
    ]


class AliensDemonstrator:
    """Dodges bombs, keeps to the middle, and shoots when its last shot has gone far enough."""

    sky = slice(0, 430)  # rows above the buggy
    band = slice(424, 446)  # rows of the buggy
    gone = 330  # row above which a shot is far enough
    fears = 180  # row; bombs above are far
    danger = 75  # pixels to the side of a bomb
    middle = 220, 420  # columns
    walls = 60, 580

    def act(self, picture: np.ndarray) -> set[str]:
        """Return the keys to hold after a picture `(480, 640, 3)` uint8."""
        here = self._here(picture[self.band].astype(int))
        if here is None:
            return set()
        bright = picture[self.sky].max(axis=2) > 110
        shots = [b for b in blobs(bright, 61) if b.width <= 11 and 10 <= b.height <= 24]
        bombs = [b for b in blobs(bright, 121) if 12 <= b.width <= 22 and 16 <= b.height <= 34]
        side = self._escape(here, bombs) or (here < self.middle[0]) - (here > self.middle[1])
        keys = {"right" if side > 0 else "left"} if side else set()
        fire = len(shots) < 2 and all(shot.top < self.gone for shot in shots)
        return keys | ({"space"} if fire else set())

    def _here(self, band: np.ndarray) -> float | None:
        """Return the middle of the buggy, the green one, None where there is none."""
        green = (band[..., 1] > band[..., 0] - 4) & (band[..., 1] > 50)
        columns = np.flatnonzero(green.sum(axis=0) > 4)
        return float(np.median(columns)) if len(columns) > 15 else None

    def _escape(self, here: float, bombs: list[Blob]) -> int:
        """Return where to go from the lowest bomb that may hit: right 1, left -1, nowhere 0."""
        near = [b for b in bombs if b.top > self.fears and abs(b.left - here) < self.danger]
        if not near:
            return 0
        side = 1 if here >= max(near, key=lambda bomb: bomb.top).left else -1
        at_wall = here < self.walls[0] if side < 0 else here > self.walls[1]
        return -side if at_wall else side


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
