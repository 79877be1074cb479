"""A small classifier of frames: which of some statements hold of the picture."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from .classifier import Classifier


@keras.saving.register_keras_serializable("reverie")
class Detector(Classifier):
    """Patches of 4 x 4 pixels and three dense layers, some 540,000 parameters for 64x64 pixels.

    Where something is matters as much as what it is, and a decoded frame is smooth: in trials this
    distinguished monsters and fireballs far better than as many strided convolutions, in less time.

    Args:
        statements: number E of statements, each true or false of a frame.
        frame_shape: of the frames, `(rows, columns, 3)`; older weights do not say it.
    """

    def __init__(
        self, statements: int, frame_shape: Sequence[int] = (64, 64, 3), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.statements, self.frame_shape = statements, tuple(frame_shape)
        frames = keras.Input(self.frame_shape)
        x = layers.Rescaling(1.0, offset=-0.3)(frames)  # about the mean of TakeCover's pixels
        x = layers.Conv2D(16, 4, strides=4, activation="relu")(x)
        x = layers.Flatten()(x)
        for _ in range(2):
            x = layers.Dense(128, activation="relu")(x)
        self.network = keras.Model(frames, layers.Dense(statements)(x), name="detector")
        self.build()

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {"statements": self.statements, "frame_shape": list(self.frame_shape)}

    def call(self, frames: Any, training: bool = False) -> Any:
        """Classify frames `(B, rows, columns, 3)` in [0, 1]; return logits `(B, E)`."""
        return self.network(frames)
