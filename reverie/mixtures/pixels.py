"""The pixel rules of the earlier study, for comparison with its figures.

They look for bright and dark blobs in the picture (the code of arXiv 1901.07859). The detector of
`reverie.mixtures.detectors` is trained on the game's own ground truth instead.
"""

import cv2
import numpy as np

from reverie.mixtures.scenes import Scene

BRIGHT, DARK, RED = 0.65, 0.2, 0.39
HORIZON = slice(28, 32)  # rows in which monsters stand
SKY = slice(0, 28)  # rows above them: what is bright there is an explosion
TOP = slice(0, 10)  # rows in which a wall is recognised by its red


def pixel_scene(frames: np.ndarray) -> Scene:
    """Apply the rules to frames `(T, rows, columns, 3)` uint8, shrunk to 64x64."""
    small = [cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA) for frame in frames]
    seen = [_look(frame.astype(np.float32) / 255.0) for frame in small]
    monsters, fireballs, explosion, left, right = map(np.array, zip(*seen))
    return Scene(monsters, fireballs, explosion, left, right)


def _look(frame: np.ndarray) -> tuple[int, int, bool, bool, bool]:
    bright = frame @ np.array([0.299, 0.587, 0.114], np.float32) > BRIGHT
    edge = frame[TOP, :, 0].mean(axis=0)
    monsters = _blobs(_filled(frame[HORIZON, :, 1] < DARK))
    explosion = bool(bright[SKY].any())
    return monsters, _blobs(bright), explosion, bool(edge[0] > RED), bool(edge[-1] > RED)


def _blobs(mask: np.ndarray) -> int:
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] - 1


def _filled(mask: np.ndarray) -> np.ndarray:
    contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), contours, -1, 1, cv2.FILLED) > 0
