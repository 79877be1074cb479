"""Recall of things from pictures: a linear reader of small patches, taught on the frames.

It learns, on frames of the levels of training, to tell the kinds of things apart and from places
that show none. What it finds in the reconstruction at the place where the frame shows a thing says
whether that thing, with its colour, is still there; what it finds in the held-out frames themselves
is how good the reader is.
"""

from dataclasses import dataclass

import numpy as np

from reverie.encoders.probes import (
    LEAST,
    Part,
    Score,
    logistic,
    rate_score,
    says_most,
    standardised,
)
from reverie.encoders.samples import Samples

RADIUS = 4  # a patch is 9x9 pixels
EMPTY = 2  # patches without a thing, for each with one


@dataclass(frozen=True)
class Patches:
    """Places in frames.

    Attributes:
        rows: numbers of the samples, `(M,)`.
        centers: row and column, `(M, 2)` whole numbers.
        kinds: number of the object, the count of objects where there is none.
    """

    rows: np.ndarray
    centers: np.ndarray
    kinds: np.ndarray

    def cut(self, pictures: np.ndarray) -> np.ndarray:
        """Return the patches of pictures in [0, 1]: `(M, 9 * 9 * 3)` float32."""
        edge = ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0))
        padded, width = np.pad(pictures, edge), 2 * RADIUS + 1
        cut = [
            padded[row, y : y + width, x : x + width].ravel()
            for row, (y, x) in zip(self.rows, self.centers)
        ]
        return np.array(cut, np.float32).reshape(len(self.rows), -1)


def find_patches(samples: Samples, seed: int = 0) -> Patches:
    """Return the places of all kinds of objects, and drawn places that show none of them."""
    rng = np.random.default_rng(seed)
    found = [samples.centers(kind) for kind in range(len(samples.game.objects))]
    rows = [rows for rows, _ in found]
    centers = [np.rint(centers).astype(int) for _, centers in found]
    kinds = [np.full(len(each), kind) for kind, each in enumerate(rows)]
    total = EMPTY * sum(map(len, rows))
    chosen = rng.integers(len(samples), size=total)
    height, width = samples.frames.shape[1:3]
    places = np.stack([rng.integers(height, size=total), rng.integers(width, size=total)], axis=1)
    free = np.array([not _around(samples.masks[r], *p).any() for r, p in zip(chosen, places)], bool)
    rows, centers = [*rows, chosen[free]], [*centers, places[free].reshape(-1, 2)]
    kinds.append(np.full(free.sum(), len(found)))
    return Patches(np.concatenate(rows), np.concatenate(centers), np.concatenate(kinds))


def _around(mask: np.ndarray, y: int, x: int) -> np.ndarray:
    return mask[max(y - RADIUS, 0) : y + RADIUS + 1, max(x - RADIUS, 0) : x + RADIUS + 1]


def recall_scores(
    train: Samples, test: Samples, reconstructions: np.ndarray
) -> dict[str, dict[str, Score | None]]:
    """Score what is still to be seen in reconstructions of the held-out frames.

    Args:
        train: frames of the levels of training.
        test: frames of held-out levels.
        reconstructions: of these, in [0, 1].

    Returns:
        `reconstruction` and `frame`: for each kind of object the share of its places at which the
        reader finds it, and as `nothing` the share of other places at which it finds nothing.
    """
    taught, asked = find_patches(train), find_patches(test)
    pictures = {"reconstruction": reconstructions, "frame": _unit(test.frames)}
    learned = Part(taught.cut(_unit(train.frames)), train.episodes[taught.rows])
    names = (*test.game.objects, "nothing")
    scores = {}
    for name, shown in pictures.items():
        part = Part(asked.cut(shown), test.episodes[asked.rows])
        scaled, scaled_test = standardised(learned, part)
        said = says_most(logistic_of(scaled, taught.kinds, len(names)), scaled_test.codes)
        scores[name] = {}
        for kind, title in enumerate(names):
            rows = asked.kinds == kind
            hits = said[rows] == kind
            enough = rows.sum() >= LEAST and (taught.kinds == kind).sum() >= LEAST
            scores[name][title] = rate_score(hits, part.episodes[rows]) if enough else None
    return scores


def logistic_of(part: Part, kinds: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit one logistic regression for each kind against all others."""
    labels = kinds[:, None] == np.arange(count)
    return logistic(part.codes, labels, np.ones_like(labels))[0]


def _unit(frames: np.ndarray) -> np.ndarray:
    return frames.astype(np.float32) / 255.0
