"""Some episodes of rollouts as a film."""

from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import InputError
from reverie.reports.films import save_film
from reverie.rollouts.storage import iterate_episodes

SHOWN = 4  # episodes side by side
LONGEST = 600  # frames of each


def save_preview(
    paths: list[Path], output: Path, fps: int, episodes: int = SHOWN, longest: int = LONGEST
) -> int:
    """Write a film of episodes spread evenly over checked batches, side by side.

    Args:
        paths: the batches.
        output: an MP4.
        fps: frames a second.
        episodes: how many.
        longest: frames of each, at most.

    Returns:
        How many episodes it shows.

    Raises:
        InputError: the film cannot be called so.
    """
    if output.suffix != ".mp4":
        raise InputError(f"--output {output}: films are MP4; let it end in .mp4")
    names = [(path, name) for path, name, _ in iterate_episodes(paths)]
    chosen = np.linspace(0, len(names) - 1, min(episodes, len(names))).round().astype(int)
    films = {}
    for number in chosen:
        path, name = names[number]
        with h5py.File(path, "r") as file:
            frames = file[name]["observations"][:longest]
            films[f"{path.stem}: {int(name.rpartition('_')[2])}"] = frames
    save_film(output, films, fps)
    return len(films)
