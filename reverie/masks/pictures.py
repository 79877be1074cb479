"""Strips of frames with what stage 6 makes of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from reverie.backend import compiled
from reverie.masks.methods import in_batches
from reverie.reports.plots import as_bytes

if TYPE_CHECKING:
    from reverie.models.critic_vae import CriticVAE

OUTLINE = (255, 40, 40)  # of the truth
TINT = (255, 0, 255)  # of a mask


def repainting(vae: "CriticVAE") -> Callable[[np.ndarray, float], np.ndarray]:
    """Return a function that repaints frames `(N, H, W, 3)` as if all had one value: in [0, 1]."""
    repaint = in_batches(compiled(vae.repaint))
    return lambda frames, value: repaint(frames, np.full(len(frames), value))


def reconstruction_strip(vae: "CriticVAE") -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return a function from frames `(N, H, W, 3)` uint8 to rows of a picture.

    The rows are the original, the reconstruction with its own values, with low and with high ones,
    and the difference between its own and the low ones, scaled to its largest.
    """
    paint, repaint = in_batches(compiled(vae.reconstruct)), repainting(vae)

    def rows(frames: np.ndarray) -> list[np.ndarray]:
        painted = [paint(frames), repaint(frames, 0.0), repaint(frames, 1.0)]
        difference = np.abs(painted[0] - painted[1]).mean(axis=-1)
        return [frames, *map(as_bytes, painted), grey(difference)]

    return rows


def grey(scores: np.ndarray) -> np.ndarray:
    """Show scores `(N, H, W)` as frames, the largest of all in white."""
    scaled = scores / max(float(scores.max()), 1e-6)
    return as_bytes(np.repeat(scaled[..., None], 3, axis=-1))


def tinted(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Show masks `(N, H, W)` bool as a tint of their frames."""
    mixed = (frames.astype(np.float32) + np.array(TINT)) / 2
    return np.where(masks[..., None], mixed, frames).astype(np.uint8)


def outlined(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Outline what is true, `(N, H, W)` bool, in frames."""
    result = frames.copy()
    for frame, mask in zip(result, truth):
        inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
        frame[mask & ~inner.astype(bool)] = OUTLINE
    return result
