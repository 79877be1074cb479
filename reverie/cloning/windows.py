"""Windows of recorded play in shuffled batches; they are read while the network is trained."""

import itertools
from collections.abc import Iterator

import numpy as np

from reverie.cloning.recordings import Read, Recordings
from reverie.rollouts.frames import prefetch

Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
NONE = -1  # in the place of an action before the first


class WindowStream:
    """Batches of windows that hold every step of some episodes once an epoch.

    An episode is cut into windows from a place on that is drawn anew for every epoch. What is left
    over at its ends makes shorter windows, filled up and masked, as is the last batch.

    Args:
        recordings: where the episodes are.
        labels: classes of the actions of each episode `(T,)`, by its number.
        length: steps of a window L.
        batch_size: windows of a batch B.
        seed: decides cuts and order.
    """

    def __init__(
        self,
        recordings: Recordings,
        labels: dict[int, np.ndarray],
        length: int,
        batch_size: int,
        seed: int = 0,
    ) -> None:
        self.recordings, self.labels, self.length = recordings, labels, length
        longest = sum(len(values) // length + 2 for values in labels.values())
        self.batch_size, self.seed = min(batch_size, longest), seed

    @property
    def steps_per_epoch(self) -> int:
        """Batches in the first epoch; cut elsewhere, an episode may make one window more."""
        return len(self._batches(0))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch as `GPT` takes them."""
        yield from prefetch(self._read(epoch), ahead=4)

    def weight(self, batch: Batch) -> float:
        """Return the number of steps in a batch that were played."""
        return float(batch[1]["mask"].sum())

    def _batches(self, epoch: int) -> list[list[tuple[int, int, int]]]:
        """Return the windows of an epoch: episode, first step, and behind the last."""
        rng, windows = np.random.default_rng([self.seed, epoch]), []
        for episode, labels in self.labels.items():
            cuts = np.arange(rng.integers(self.length), len(labels), self.length)
            edges = np.unique([0, *cuts, len(labels)]).tolist()
            windows += [(episode, *pair) for pair in itertools.pairwise(edges)]
        windows = [windows[number] for number in rng.permutation(len(windows))]
        size = self.batch_size
        return [windows[start : start + size] for start in range(0, len(windows), size)]

    def _read(self, epoch: int) -> Iterator[Batch]:
        with self.recordings.opened() as read:
            for windows in self._batches(epoch):
                yield self._gather(windows, read)

    def _gather(self, windows: list[tuple[int, int, int]], read: Read) -> Batch:
        """Return inputs and targets of windows, masked behind their ends."""
        shape = self.batch_size, self.length
        previous, actions = np.full(shape, NONE, np.int32), np.zeros(shape, np.int32)
        mask, seen = np.zeros(shape, np.float32), None
        for row, (episode, start, stop) in enumerate(windows):
            part, count = read(episode, start, stop), stop - start
            if seen is None:
                seen = np.zeros((*shape, *part.shape[1:]), part.dtype)
            seen[row, :count], mask[row, :count] = part, 1.0
            labels = self.labels[episode]
            actions[row, :count] = labels[start:stop]
            previous[row, :count] = before(labels)[start:stop]
        return {"seen": seen, "previous": previous}, {"actions": actions, "mask": mask}


def before(labels: np.ndarray) -> np.ndarray:
    """Return the class of the action before each step of an episode `(T,)`, -1 at the first."""
    return np.concatenate([[NONE], labels[:-1]])
