"""Films and strips of frames: several of them side by side, captioned."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from reverie.reports.plots import evenly, save_picture, tile
from reverie.reports.video import save_video

SCALE = 4


def save_film(
    path: Path,
    films: dict[str, np.ndarray],
    fps: int = 35,
    scale: int = SCALE,
    notes: Sequence[str] = (),
) -> None:
    """Write films side by side, captioned; a shorter one stays black when it is over.

    Args:
        path: the video.
        films: frames by caption.
        fps: frames a second.
        scale: enlargement.
        notes: follow the last caption, one for each frame.
    """
    length = max(map(len, films.values()))
    columns = []
    for caption, frames in films.items():
        enlarged = frames.repeat(scale, axis=1).repeat(scale, axis=2)
        missing = length - len(enlarged)
        enlarged = np.pad(enlarged, ((0, missing), (24, 0), (0, 0), (0, 0)))
        last = caption == list(films)[-1]
        for frame, note in zip(enlarged, notes if last and notes else [""] * length):
            cv2.putText(
                frame, f"{caption} {note}", (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1
            )
        columns.append(enlarged)
    save_video(path, np.concatenate(columns, axis=2), fps)


def save_strip(path: Path, films: dict[str, np.ndarray]) -> None:
    """Write frames evenly spaced over the longest film as rows of one picture, black after ends."""
    length = max(map(len, films.values()))
    padded = [np.pad(f, ((0, length - len(f)), (0, 0), (0, 0), (0, 0))) for f in films.values()]
    save_picture(path, tile([evenly(frames) for frames in padded]))
