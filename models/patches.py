"""Squares of pixels folded into channels, and channels unfolded into squares of pixels."""

from typing import Any

from keras import layers


def space_to_depth(x: Any, size: int) -> Any:
    """Fold squares of `size` pixels into channels: `(H, W, C)` -> `(H/s, W/s, s*s*C)`."""
    height, width, channels = x.shape[1] // size, x.shape[2] // size, x.shape[3]
    x = layers.Reshape((height, size, width, size, channels))(x)
    return layers.Reshape((height, width, size * size * channels))(
        layers.Permute((1, 3, 2, 4, 5))(x)
    )


def depth_to_space(x: Any, size: int) -> Any:
    """Unfold channels into squares of `size` pixels, the inverse of `space_to_depth`."""
    height, width, channels = x.shape[1], x.shape[2], x.shape[3] // (size * size)
    x = layers.Reshape((height, width, size, size, channels))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    return layers.Reshape((height * size, width * size, channels))(x)


def cropped(x: Any, rows: int, columns: int) -> Any:
    """Crop a map to its first rows and columns."""
    return layers.Cropping2D(((0, x.shape[1] - rows), (0, x.shape[2] - columns)))(x)
