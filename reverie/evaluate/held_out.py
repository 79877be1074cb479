"""Held-out episodes with their frames: latents of stage 3 and the rollouts that were encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import InputError, file_hash
from reverie.headers import WeightsHeader
from reverie.latents.storage import Latents
from reverie.reports.plots import evenly
from reverie.rollouts.frames import split_episodes
from reverie.rollouts.storage import find_batches, iterate_episodes

LIKE = 16  # variables of the truth, at most


@dataclass(frozen=True)
class HeldOut:
    """Encoded episodes, which of them are held out, and where their frames lie.

    Attributes:
        latents: of all episodes.
        train: numbers of the episodes to fit on.
        test: numbers of the held-out episodes.
        places: file and group of every episode.
        unseen: whether the network was trained on these very latents, so that its held-out episodes
            are those; None where the latents are others.
    """

    latents: Latents
    train: list[int]
    test: list[int]
    places: list[tuple[Path, str]]
    unseen: bool | None

    def frames(self, episode: int, steps: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read frames of an episode: `(N, rows, columns, 3)` uint8."""
        path, name = self.places[episode]
        with h5py.File(path, "r") as file:
            observations = file[name]["observations"]
            return np.stack([observations[step] for step in steps])

    def truth(self) -> dict[str, np.ndarray]:
        """Return what is true of every frame, numbers that vary: `(N + E,)` float each."""
        found = {}
        for key, values in self.latents.arrays.items():
            number = values.ndim == 1 and values.dtype.kind in "fiub"
            if key.startswith("infos/") and number and len(found) < LIKE:
                values = np.asarray(values, float)
                if np.isfinite(values).all() and np.ptp(values) > 0:
                    found[key.removeprefix("infos/")] = values
        return found

    def frame_index(self, episode: int, steps: np.ndarray) -> np.ndarray:
        """Return the rows of frames of an episode in the latents."""
        return self.latents.frame_starts[episode] + steps


def held_out_episodes(
    latents: Latents, rollouts: Path, rnn: WeightsHeader, preprocessing: int, episodes: int
) -> HeldOut:
    """Return the held-out episodes of a recording, spread evenly, and as many to fit on.

    Raises:
        InputError: there are too few, or the rollouts are not those that were encoded.
    """
    game = latents.header.game
    batches = find_batches(rollouts, game, preprocessing=preprocessing)
    places, lengths = [], []
    for path, name, group in iterate_episodes(batches):
        places.append((path, name))
        lengths.append(len(group["rewards"]))
    if lengths != latents.lengths.tolist():
        raise InputError(
            f"{latents.path}: {len(latents.lengths)} episodes that are not the {len(lengths)} of "
            f"{rollouts}; name the rollouts that were encoded with --rollouts, or encode these "
            "with 03_generate_rnn_data.py"
        )
    train, test = split_episodes(len(lengths))
    digest = rnn.notes.get("latents")
    unseen = True if digest == file_hash(latents.path) else None
    train, test = (evenly(np.array(part), episodes).tolist() for part in (train, test))
    return HeldOut(latents, train, test, places, unseen)
