"""Resizing, beside OpenCV's."""

import cv2
import numpy as np
import pytest

from reverie.games.resize import area_resize, nearest_resize


@pytest.mark.parametrize(
    ("rows", "columns", "size"),
    [
        *((rows, 160, 64) for rows in (64, 100, 105, 120)),
        *((rows, 320, size) for rows in (128, 200, 240) for size in (96, 128)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_same_as_opencv(rows, columns, size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), np.uint8)
    expected = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(area_resize(image, size), expected)


@pytest.mark.parametrize("value", [0, 1, 254, 255])
def test_one_colour_stays(value):
    image = np.full((100, 160, 3), value, np.uint8)
    assert (area_resize(image, 64) == value).all()


def test_takes_a_part_of_a_larger_image():
    image = np.random.default_rng(2).integers(0, 256, (120, 160, 3), np.uint8)
    np.testing.assert_array_equal(area_resize(image[:100], 64), area_resize(image[:100].copy(), 64))


@pytest.mark.parametrize("shape", [(63, 160, 3), (100, 63, 3), (100, 160, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="at least 64 rows and columns"):
        area_resize(np.zeros(shape, np.uint8), 64)


@pytest.mark.parametrize("size", [64, 96, 128])
@pytest.mark.parametrize("shape", [(64, 64), (100, 160), (105, 161), (480, 640)])
def test_nearest_same_as_opencv(shape, size):
    rng = np.random.default_rng(3)
    labels, table = rng.integers(0, 256, shape, np.uint8), rng.integers(0, 256, 256, np.uint8)
    expected = cv2.LUT(cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST), table)
    np.testing.assert_array_equal(nearest_resize(labels, table, size), expected)
