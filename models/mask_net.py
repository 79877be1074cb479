"""Networks that mark pixels."""

from typing import Any

import keras
from keras import layers, ops

from .classifier import Classifier
from .patches import cropped, depth_to_space


@keras.saving.register_keras_serializable("reverie")
class MaskNet(Classifier):
    """Marks pixels of a frame, each by what lies within six pixels of it.

    So narrow a view is the point: whoever sees the whole frame can mark the one thing that a value
    hangs on and leave its likes unmarked. By itself it is trained by exact masks, `(B, H, W)` bool;
    `GuidedMaskNet` trains it without any.

    Args:
        rows: of a frame.
        columns: of a frame.
        width: channels of the convolutions.
    """

    def __init__(self, rows: int, columns: int, width: int = 24, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows, self.columns, self.width = rows, columns, width
        self.network = self._build_network()
        self.build()

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {"rows": self.rows, "columns": self.columns, "width": self.width}

    def _build_network(self) -> keras.Model:
        return _network(self.rows, self.columns, self.width)

    def call(self, frames: Any, training: bool = False) -> Any:
        """Return the logits of masks of frames `(B, H, W, 3)` in 0..255, `(B, H, W)` float32."""
        return self.network(ops.cast(frames, "float32") / 255.0)[..., 0]

    def mask(self, frames: Any) -> Any:
        """Return the masks of frames `(B, H, W, 3)` in 0..255, `(B, H, W)` in [0, 1]."""
        return ops.sigmoid(self(frames))


@keras.saving.register_keras_serializable("reverie")
class UNet(MaskNet):
    """Marks pixels by all that is around them, trained by exact masks."""

    def _build_network(self) -> keras.Model:
        return _u_network(self.rows, self.columns, self.width)


def _network(rows: int, columns: int, width: int) -> keras.Model:
    """Three convolutions at half the resolution, unfolded to the frame's own: 13 pixels in view."""
    frames = keras.Input((rows, columns, 3))
    x = layers.Conv2D(width * 2 // 3, 5, strides=2, padding="same", activation="relu")(frames)
    for _ in range(2):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    return _unfolded(frames, x)


def _u_network(rows: int, columns: int, width: int) -> keras.Model:
    """Down to a quarter of the resolution and back up, with what is at half of it beside it."""
    frames = keras.Input((rows, columns, 3))
    half = layers.Conv2D(width * 2 // 3, 5, strides=2, padding="same", activation="relu")(frames)
    x = layers.Conv2D(2 * width, 3, strides=2, padding="same", activation="relu")(half)
    x = layers.Conv2D(2 * width, 3, padding="same", activation="relu")(x)
    x = cropped(layers.UpSampling2D(2)(x), *half.shape[1:3])
    x = layers.Concatenate()([x, half])
    return _unfolded(frames, layers.Conv2D(width, 3, padding="same", activation="relu")(x))


def _unfolded(frames: Any, x: Any) -> keras.Model:
    """Turn features at half the resolution into one logit a pixel, four from each."""
    logits = depth_to_space(layers.Conv2D(4, 1)(x), 2)
    return keras.Model(frames, cropped(logits, *frames.shape[1:3]))
