"""Resizing to small squares, for the sizes of Doom several times as fast as OpenCV and the same.

OpenCV averages areas of a size that is no whole number one value at a time, which took a quarter of
a recorded step. Compiled by numba, whose loops over neighbouring values become vector instructions.
"""

import cv2
import numba
import numpy as np


def area_resize(image: np.ndarray, size: int) -> np.ndarray:
    """Average the area that each pixel of a small square covers.

    Args:
        image: `(rows, columns, 3)` uint8, neither side shorter than `size`.
        size: rows and columns of the square.

    Returns:
        `(size, size, 3)` uint8, as `cv2.resize` with `INTER_AREA` gives it.

    Raises:
        ValueError: the image is smaller than the square, or has not three channels.
    """
    rows, columns, channels = image.shape
    if min(rows, columns) < size or channels != 3:
        raise ValueError(f"expected at least {size} rows and columns, and 3 channels")
    if 2 * columns == 5 * size:
        return _five_columns_to_two(image, size)
    return cv2.resize(np.ascontiguousarray(image), (size, size), interpolation=cv2.INTER_AREA)


@numba.njit(cache=True, fastmath=True)
def _five_columns_to_two(image: np.ndarray, size: int) -> np.ndarray:
    rows, columns, channels = image.shape
    flat = image.reshape(rows, columns * channels)
    small = np.empty((size, size * channels), np.uint8)
    band = np.empty(columns * channels, np.float32)
    for row in range(size):
        _average_rows(flat, row, size, band)
        _average_columns(band, small[row])
    return small.reshape(size, size, channels)


@numba.njit(cache=True, fastmath=True)
def _average_rows(flat: np.ndarray, row: int, size: int, band: np.ndarray) -> None:
    """Average the rows of `flat` that one row of the small picture covers, into `band`."""
    height = len(flat) / size
    top, bottom = row * height, (row + 1) * height
    first = int(top)
    line, weight = flat[first], np.float32((first + 1.0 - top) / height)
    for index in range(len(band)):
        band[index] = weight * line[index]
    for source in range(first + 1, min(int(np.ceil(bottom)), len(flat))):
        line, weight = flat[source], np.float32(min(bottom - source, 1.0) / height)
        for index in range(len(band)):
            band[index] += weight * line[index]


@numba.njit(cache=True, fastmath=True)
def _average_columns(band: np.ndarray, small: np.ndarray) -> None:
    """Average every five columns of three channels to two, the middle one shared."""
    scale, half = np.float32(0.4), np.float32(0.5)
    for pair in range(len(small) // 6):
        source, target = 15 * pair, 6 * pair
        for channel in range(3):
            a = source + channel
            shared = half * band[a + 6]
            left = (band[a] + band[a + 3] + shared) * scale
            right = (shared + band[a + 9] + band[a + 12]) * scale
            small[target + channel] = np.uint8(left + half)
            small[target + 3 + channel] = np.uint8(right + half)


@numba.njit(cache=True)
def nearest_resize(labels: np.ndarray, table: np.ndarray, size: int) -> np.ndarray:
    """Take the nearest label for each pixel of a small square and look it up in a table.

    Args:
        labels: `(rows, columns)` uint8.
        table: `(256,)` uint8, what each label becomes.
        size: rows and columns of the square.

    Returns:
        `(size, size)` uint8, as `cv2.resize` with `INTER_NEAREST` and `cv2.LUT` give it.
    """
    rows, columns = labels.shape
    small = np.empty((size, size), np.uint8)
    sources = (np.arange(size) * (columns / size)).astype(np.int64)
    for row in range(size):
        line = labels[int(row * (rows / size))]
        for column in range(size):
            small[row, column] = table[line[sources[column]]]
    return small
