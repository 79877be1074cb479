"""Unpooling: a map gets the size that it had before windows of 4 were pooled every 2."""

from typing import Any

import keras
from keras import layers, ops

WINDOW, STRIDE = 4, 2


@keras.saving.register_keras_serializable("reverie")
class Unpool(layers.Layer):
    """Puts each value of a map `(B, h, w, C)` into its window of a map `(B, rows, columns, C)`.

    Args:
        sides: rows and columns of the result.
    """

    def __init__(self, sides: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sides = tuple(sides)

    def call(self, values: Any) -> Any:
        """Put values into the middle of their windows, zeros beside them."""
        return self._spread(values, 1, 1)

    def at(self, values: Any, places: Any) -> Any:
        """Put values, none of them negative, at their `places`, see `largest_places`."""
        parts = [
            self._spread(ops.where(places == index, values, 0.0), *divmod(index, WINDOW))
            for index in range(WINDOW * WINDOW)
        ]
        return ops.max(ops.stack(parts), axis=0)

    def _spread(self, values: Any, row: int, column: int) -> Any:
        """Put values at the same row and column of their windows, zeros beside them."""
        _, rows, columns, channels = values.shape
        x = ops.pad(values[:, :, None, :, None], ((0, 0), (0, 0), (0, 1), (0, 0), (0, 1), (0, 0)))
        x = ops.reshape(x, (-1, STRIDE * rows, STRIDE * columns, channels))
        x = ops.pad(x, ((0, 0), (row, WINDOW), (column, WINDOW), (0, 0)))
        return x[:, : self.sides[0], : self.sides[1]]


def largest_places(x: Any) -> Any:
    """Return where the largest value of each window of a map `(B, rows, columns, C)` is.

    Returns:
        `(B, h, w, C)`: 4 times its row in the window plus its column.
    """
    rows, columns = ((side - WINDOW) // STRIDE * STRIDE + 1 for side in x.shape[1:3])
    windows = [
        x[:, row : row + rows : STRIDE, column : column + columns : STRIDE]
        for row in range(WINDOW)
        for column in range(WINDOW)
    ]
    return ops.argmax(ops.stack(windows), axis=0)
