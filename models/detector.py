"""A small classifier of frames: which of some statements hold of the picture."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("reverie")
class Detector(keras.Model):
    """Three strided convolutions and two dense layers, some 150,000 parameters.

    Args:
        statements: how many yes-or-no statements E are judged.
    """

    def __init__(self, statements: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.statements = statements
        frames = keras.Input((64, 64, 3))
        x = frames
        for kernel in (4, 3, 3):
            x = layers.Conv2D(32, kernel, strides=2, activation="relu")(x)
        x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
        self.network = keras.Model(frames, layers.Dense(statements)(x), name="detector")
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build."""
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {"statements": self.statements}

    def call(self, frames: Any, training: bool = False) -> Any:
        """Judge frames `(B, 64, 64, 3)` in [0, 1]; return logits `(B, E)`."""
        return self.network(frames)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean cross-entropy of truths `y` `(B, E)`."""
        return ops.mean(ops.binary_crossentropy(y, y_pred, from_logits=True))
