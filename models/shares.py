"""A batch that is split over several devices: what is drawn or averaged for the whole of it.

Under TensorFlow every device runs the network on a share of the rows. What concerns the batch as a
whole goes through these functions, so that the result is that of one device: means, noise, and rows
that are compared with each other. While no batch is split, and under JAX, which splits a program by
itself, they do nothing of their own.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_shares = 1


@contextlib.contextmanager
def split_into(shares: int) -> Iterator[None]:
    """Let what is traced inside the block know that a device holds one of so many shares."""
    global _shares
    before, _shares = _shares, shares
    try:
        yield
    finally:
        _shares = before


def mean(values: Any) -> Any:
    """Return the mean of the whole batch's values; all shares are equally large."""
    local = ops.mean(values)
    return _reduced("MEAN", local) if _shares > 1 else local


def total(values: Any) -> Any:
    """Return the sum of the whole batch's values."""
    local = ops.sum(values)
    return _reduced("SUM", local) if _shares > 1 else local


def whole(rows: Any) -> Any:
    """Return the rows `(B, ...)` of all shares `(B / shares, ...)`."""
    return tf.distribute.get_replica_context().all_gather(rows, axis=0) if _shares > 1 else rows


def share(rows: Any) -> Any:
    """Return this device's share of rows `(B, ...)`; all of them if they cannot be split evenly."""
    if _shares == 1 or rows.shape[0] % _shares:
        return rows
    size = rows.shape[0] // _shares
    start = tf.distribute.get_replica_context().replica_id_in_sync_group * size
    return rows[start : start + size]


def normal(like: Any, seed: keras.random.SeedGenerator) -> Any:
    """Return the share of the batch's Gaussian noise that belongs to rows of this shape."""
    rows, *rest = ops.shape(like)
    return share(keras.random.normal((rows * _shares, *rest), seed=seed))


class BatchNormalization(layers.BatchNormalization):
    """Normalises by the moments of the whole batch."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise."""
        self.synchronized = _shares > 1
        return super().call(inputs, training=training, mask=mask)


class Dropout(layers.Dropout):
    """Leaves out the same features of a row on whatever device it lies."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Leave features out in training."""
        if _shares == 1 or not training or not self.rate:
            return super().call(inputs, training=training)
        rows, *rest = inputs.shape
        return inputs * share(super().call(ops.ones((rows * _shares, *rest)), training=True))


def _reduced(how: str, value: Any) -> Any:
    operation = getattr(tf.distribute.ReduceOp, how)
    return tf.distribute.get_replica_context().all_reduce(operation, value)
