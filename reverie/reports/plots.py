"""Pictures that a person looks at: strips of frames, curves, histograms."""

from pathlib import Path

import cv2
import numpy as np

from reverie.artifacts import atomic_path

DPI = 80  # of figures in notebooks
SHOWN = 10  # frames in a row of a picture


def evenly(rows: np.ndarray, count: int = SHOWN) -> np.ndarray:
    """Return so many rows of an array, evenly spread over it; all if they are fewer."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def tile(rows: list[np.ndarray], scale: int = 2, gap: int = 2) -> np.ndarray:
    """Lay rows of frames out as one picture.

    Args:
        rows: each `(N, H, W, 3)`, uint8 or float in [0, 1].
        scale: enlargement.
        gap: white pixels between frames.

    Returns:
        `(H', W', 3)` uint8.
    """
    strips = []
    for frames in rows:
        frames = as_bytes(frames).repeat(scale, axis=1).repeat(scale, axis=2)
        framed = np.pad(frames, ((0, 0), (gap, gap), (gap, gap), (0, 0)), constant_values=255)
        strips.append(np.concatenate(list(framed), axis=1))
    return np.concatenate(strips, axis=0)


def as_bytes(frames: np.ndarray) -> np.ndarray:
    """Turn frames in [0, 1] into uint8; bytes stay as they are."""
    if frames.dtype == np.uint8:
        return frames
    return np.clip(np.rint(frames * 255.0), 0, 255).astype(np.uint8)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write a PNG atomically."""
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    with atomic_path(path, ".png") as temporary:
        temporary.write_bytes(encoded.tobytes())


def save_curves(
    path: Path, curves: dict[str, tuple], x_label: str, y_label: str, title: str = ""
) -> None:
    """Plot curves into a PNG.

    Args:
        path: the picture.
        curves: for each name x, y and optionally half the height of a band around y.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        title: over the plot.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, (x, y, *band) in curves.items():
        (line,) = axes.plot(x, y, marker="o", markersize=3 if len(x) > 1 else 7, label=name)
        if band:
            low, high = np.subtract(y, band[0]), np.add(y, band[0])
            axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    if all(np.asarray(x).dtype.kind == "i" for x, *_ in curves.values()):
        axes.xaxis.get_major_locator().set_params(integer=True)  # epochs and generations are whole
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_path(path, ".png") as temporary:
        figure.savefig(temporary, dpi=110)
