"""Scores of pixels drawn to the edges of their frame, without learning and without truth."""

import cv2
import numpy as np

from reverie.masks.measures import best_threshold, overlap

REFINED = ", refined"  # ends the name of a method whose scores are refined
SMOOTHNESS = 1e-3  # variance of brightness, of 1, above which a neighbourhood holds an edge
RADII = (0, 1, 2, 3, 5)  # pixels
STRIDE = 4  # every so many frames decide on a radius


def refined(frames: np.ndarray, scores: np.ndarray, radius: int) -> np.ndarray:
    """Smooth scores within even regions of their frames and not across edges.

    In every window the scores are taken for a linear function of the brightness: the guided filter
    of He, Sun and Tang (2010), https://doi.org/10.1007/978-3-642-15549-9_1.

    Args:
        frames: `(N, H, W, 3)` uint8.
        scores: `(N, H, W)`.
        radius: of a window in pixels; 0 leaves the scores as they are.

    Returns:
        `(N, H, W)` float32.
    """
    if not radius:
        return scores
    size = (2 * radius + 1,) * 2
    result = np.empty(scores.shape, np.float32)
    for index, frame in enumerate(frames):
        light = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255.0
        score = scores[index].astype(np.float32)
        mean, mean_score = cv2.blur(light, size), cv2.blur(score, size)
        variance = cv2.blur(light * light, size) - mean * mean
        slope = (cv2.blur(light * score, size) - mean * mean_score) / (variance + SMOOTHNESS)
        offset = mean_score - slope * mean
        result[index] = cv2.blur(slope, size) * light + cv2.blur(offset, size)
    return result


def best_radius(frames: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> int:
    """Return the radius with the highest pooled IoU at its best threshold, one of `RADII`."""
    frames, scores, truth = frames[::STRIDE], scores[::STRIDE], truth[::STRIDE]

    def iou(radius: int) -> float:
        smooth = refined(frames, scores, radius)
        return overlap(smooth >= best_threshold(smooth, truth), truth)["iou"]

    return max(RADII, key=iou)
