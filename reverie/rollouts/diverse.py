"""Few frames that show what many show: near duplicates dropped, then the farthest ones chosen.

Frames are compared as pictures of 16x16 greys, reduced to their main components. Axes: N frames,
D components, K frames that are chosen.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reverie.artifacts import InputError
from reverie.reports.plots import save_picture
from reverie.reports.tables import markdown
from reverie.rollouts.frames import OpenFiles, Piece
from reverie.rollouts.storage import CHUNK, frames_in, iterate_episodes
from reverie.stage import progress

SIDE = 16  # pixels of the small pictures
COMPONENTS = 32  # D
SAME = 2.0  # greys: frames whose small pictures differ nowhere by more are near duplicates
AROUND = 1  # frames before and after a change of action that are kept with it
FITTED = 20_000  # frames that the components are found from
BLOCK = 2048  # frames whose distances are computed together


@dataclass(frozen=True)
class Choice:
    """Chosen frames.

    Attributes:
        frames: by the number of an episode, the frames that are chosen, in order.
        table: rows that say how well they cover all frames, beside other choices of as many.
        duplicates: frames that were left out as near duplicates.
        changes: frames around changes of action.
    """

    frames: dict[int, np.ndarray]
    table: list[dict]
    duplicates: int
    changes: int

    def describe(self) -> str:
        """Return how well the frames cover all, beside other choices of as many."""
        left = f"{self.duplicates} near duplicates left out"
        kept = "all kept" if self.changes <= self.table[0]["frames"] else "chosen among them"
        around = f"{self.changes} frames around changes of action, {kept}"
        return f"{markdown(self.table)}\n{left}; {around}"


def choose(paths: list[Path], episodes: list[int], count: int, seed: int = 0) -> Choice:
    """Choose frames of some episodes.

    Frames around changes of action are kept; the others are the farthest from all chosen before
    (Gonzalez, 1985). Where more lie around changes than are asked for, all are chosen among them.

    Args:
        paths: checked rollouts.
        episodes: numbers of the episodes, counted over all files.
        count: how many frames K.
        seed: of the random choice that stands beside.

    Raises:
        InputError: there are fewer frames.
    """
    pictures, places, changing = _small_pictures(paths, set(episodes))
    if count > len(pictures):
        raise InputError(f"{count} frames are to be chosen, but there are {len(pictures)}")
    points = _components(pictures)
    distinct = _distinct(pictures, places[:, 0]) | changing
    kept = candidates = np.flatnonzero(changing)
    if len(kept) <= count:
        candidates = np.flatnonzero(distinct)
    chosen = farthest(points, candidates, kept if len(kept) <= count else kept[:0], count)
    chosen = np.sort(chosen)
    return Choice(
        {int(e): places[chosen][places[chosen, 0] == e, 1] for e in np.unique(places[chosen, 0])},
        _table(points, chosen, seed),
        int((~distinct).sum()),
        len(kept),
    )


def _table(points: np.ndarray, chosen: np.ndarray, seed: int) -> list[dict]:
    """Return how far frames lie from the nearest chosen one, for three choices of as many."""
    count, rng = len(chosen), np.random.default_rng(seed)
    rows = {
        "farthest points": chosen,
        f"every {len(points) / count:.1f}th frame": np.linspace(0, len(points) - 1, count).astype(
            int
        ),
        "random": rng.choice(len(points), count, replace=False),
    }
    return [
        {"choice": name, "frames": count} | coverage(points, points[rows[name]]) for name in rows
    ]


def coverage(points: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    """Return the largest and the mean distance of points `(N, D)` to the nearest of `(K, D)`.

    Distances are root mean squares over the small pictures, in greys.
    """
    squares, nearest = np.square(chosen).sum(axis=1), []
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        products = squares - 2.0 * block @ chosen.T
        nearest.append(products.min(axis=1) + np.square(block).sum(axis=1))
    distances = np.sqrt(np.maximum(np.concatenate(nearest), 0.0)) / SIDE
    return {"coverage_radius": float(distances.max()), "mean_distance": float(distances.mean())}


def farthest(
    points: np.ndarray, candidates: np.ndarray, kept: np.ndarray, count: int
) -> np.ndarray:
    """Return numbers of points: those kept, then always the candidate farthest from all of them.

    Args:
        points: `(N, D)`.
        candidates: numbers of those that may be chosen; where they do not suffice, others follow.
        kept: numbers of those that are chosen anyway.
        count: how many in all.
    """
    points = np.ascontiguousarray(points.T)  # a row a component: what is added up lies together
    nearest = np.full(points.shape[1], np.inf, np.float32)
    allowed = np.zeros(points.shape[1], bool)
    allowed[candidates] = True
    chosen = list(kept)
    for number in kept:
        _approach(points, nearest, number)
    while len(chosen) < min(count, len(candidates)):
        number = int(np.where(allowed, nearest, -1.0).argmax()) if chosen else int(candidates[0])
        chosen.append(number)
        _approach(points, nearest, number)
    left = np.setdiff1d(np.arange(points.shape[1]), chosen)
    return np.array([*chosen, *left[np.argsort(-nearest[left])][: count - len(chosen)]], int)


def _approach(points: np.ndarray, nearest: np.ndarray, number: int) -> None:
    """Take into account that a point is chosen; it will not be chosen again."""
    distances = np.zeros(points.shape[1], np.float32)
    for component in points:
        distances += np.square(component - component[number])
    np.minimum(nearest, distances, out=nearest)
    nearest[number] = -1.0


def _components(pictures: np.ndarray) -> np.ndarray:
    """Return the main components of small pictures `(N, SIDE * SIDE)`: `(N, D)` float32."""
    stride = max(1, len(pictures) // FITTED)
    sample = pictures[::stride].astype(np.float32)
    mean = sample.mean(axis=0)
    _, _, axes = np.linalg.svd(np.cov((sample - mean).T))
    parts = [
        (pictures[start : start + BLOCK].astype(np.float32) - mean) @ axes[:COMPONENTS].T
        for start in range(0, len(pictures), BLOCK)
    ]
    return np.concatenate(parts).astype(np.float32)


def _distinct(pictures: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Return which pictures differ from the last one that did, in their episode: `(N,)` bool."""
    distinct, last = np.zeros(len(pictures), bool), 0
    for number in range(len(pictures)):
        other = episodes[number] != episodes[last]
        change = np.abs(pictures[number].astype(np.int16) - pictures[last]).max()
        if number == 0 or other or change > SAME:
            distinct[number], last = True, number
    return distinct


def _small_pictures(
    paths: list[Path], episodes: set[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return small pictures `(N, SIDE * SIDE)` uint8, their places, and which are at a change.

    A place is the number of the episode and of the frame in it, `(N, 2)`.
    """
    pictures, places, changing = [], [], []
    for number, (_, _, group) in enumerate(iterate_episodes(paths)):
        if number not in episodes:
            continue
        frames = group["observations"]
        step = frames_in(CHUNK, frames.shape[1:])
        for start in range(0, len(frames), step):
            pictures.append(np.stack([_small(frame) for frame in frames[start : start + step]]))
        places.append(np.stack([np.full(len(frames), number), np.arange(len(frames))], axis=1))
        changing.append(around_changes(group["actions"][:]))
    return np.concatenate(pictures), np.concatenate(places), np.concatenate(changing)


def _small(frame: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).reshape(-1)


def around_changes(actions: np.ndarray) -> np.ndarray:
    """Return which of the T + 1 frames lie around a change of action `(T, ...)`: bool."""
    rows = actions.reshape(len(actions), -1)
    changes = np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1
    found = np.zeros(len(rows) + 1, bool)
    for offset in range(-AROUND, AROUND + 1):
        found[np.clip(changes + offset, 0, len(rows))] = True
    return found


def save_pictures(paths: list[Path], choice: Choice, folder: Path) -> int:
    """Write chosen frames as `<file>_<episode>_<frame>.png`; return how many."""
    written = 0
    with OpenFiles() as files:
        for number, (path, name, _) in enumerate(progress(iterate_episodes(paths), desc="files")):
            for frame in choice.frames.get(number, ()):
                picture = files.read(Piece(path, name, frame, frame + 1))[0]
                episode = int(name.rpartition("_")[2])
                save_picture(folder / f"{path.stem}_{episode:05d}_{frame:06d}.png", picture)
                written += 1
    return written
