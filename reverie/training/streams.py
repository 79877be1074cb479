"""What a network is trained on: streams of batches."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

Batch = tuple  # inputs, then targets where there are any; arrays or dictionaries of arrays


class Stream(Protocol):
    """Batches of an epoch, how many they are, and how much each weighs in a mean."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""

    def batches(self, epoch: int) -> Iterable[Batch]:
        """Return the batches of an epoch by its number, from 0 on; the same ones every time."""

    def weight(self, batch: Batch) -> float:
        """Return the weight of a batch, such as its number of frames."""


class ArrayStream:
    """Rows of arrays in memory, in their order, the same ones in every epoch.

    Args:
        arrays: of the same length.
        batch_size: rows of a batch; the last one holds what is left.
    """

    def __init__(self, *arrays: np.ndarray, batch_size: int) -> None:
        self.arrays, self.batch_size = arrays, batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.arrays[0]) // self.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield all batches."""
        for start in range(0, len(self.arrays[0]), self.batch_size):
            yield tuple(array[start : start + self.batch_size] for array in self.arrays)

    def weight(self, batch: Batch) -> float:
        """Return the number of rows."""
        return float(len(batch[0]))
