"""Measures of values and of masks against the truth."""

import numpy as np


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the chance that a positive scores above a negative, ties counting half; else NaN."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of each value, from 1, ties in the middle
    n, p = int((~positive).sum()), int(positive.sum())
    if not n or not p:
        return float("nan")
    return float((ranks[inverse][positive].sum() - p * (p + 1) / 2) / (n * p))


def balanced_accuracy(scores: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    """Return the mean of the shares of positives above a threshold and of negatives below it."""
    above = scores > threshold
    return float((above[positive].mean() + (~above[~positive]).mean()) / 2)


def best_cut(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the threshold with the highest balanced accuracy."""
    candidates = np.quantile(scores, np.linspace(0.01, 0.99, 99))
    return float(max(candidates, key=lambda cut: balanced_accuracy(scores, positive, cut)))


def best_threshold(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the threshold whose mask `scores >= threshold` has the highest pooled IoU.

    Args:
        scores: of any shape, higher where the thing is.
        truth: bool, the same shape.
    """
    scores, truth = scores.ravel(), truth.ravel()
    order = np.argsort(-scores)
    ordered = scores[order]
    hits = np.cumsum(truth[order])
    iou = hits / (np.arange(1, len(ordered) + 1) + hits[-1] - hits)
    last = np.append(ordered[1:] != ordered[:-1], True)  # a threshold takes all equals or none
    return float(ordered[np.argmax(np.where(last, iou, -1.0))])


def overlap(masks: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Measure masks `(N, ...)` against the truth of the same shape, both bool.

    Returns:
        `iou`, `precision` and `recall` over all pixels of all frames, and `frame_iou`, the mean
        over the frames in which there is something to find.
    """
    axes = tuple(range(1, masks.ndim))
    both, either = (masks & truth).sum(axes), (masks | truth).sum(axes)
    there = truth.any(axes)
    return {
        "iou": _ratio(both.sum(), either.sum()),
        "frame_iou": float(np.mean(both[there] / either[there])) if there.any() else float("nan"),
        "precision": _ratio(both.sum(), masks.sum()),
        "recall": _ratio(both.sum(), truth.sum()),
    }


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def cell_means(maps: np.ndarray, cell: int) -> np.ndarray:
    """Average maps `(N, H, W)` over whole cells of `cell` x `cell` pixels: `(N, H/c, W/c)`."""
    rows, columns = maps.shape[1] // cell, maps.shape[2] // cell
    cut = maps[:, : rows * cell, : columns * cell].astype(np.float32)
    return cut.reshape(len(maps), rows, cell, columns, cell).mean(axis=(2, 4))


def judge(
    scores: np.ndarray, truth: np.ndarray, threshold: float, dark: np.ndarray | None
) -> dict[str, dict[str, float]]:
    """Measure thresholded scores on all frames and, where `dark` tells, by day and night."""
    masks = scores >= threshold
    times = {"all": np.ones(len(masks), bool)}
    if dark is not None:
        times |= {"day": ~dark, "night": dark}
    return {name: overlap(masks[rows], truth[rows]) for name, rows in times.items() if rows.any()}
