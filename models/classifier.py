"""What networks that answer yes or no have in common."""

from typing import Any

import keras
from keras import ops

from .shares import mean


class Classifier(keras.Model):
    """A network of logits that is trained by their cross-entropy.

    Subclasses make their layers with their weights and then call `build`.
    """

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build."""
        self.built = True

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean cross-entropy of logits `y_pred` to targets `y` in [0, 1]."""
        targets = ops.cast(y, "float32")
        return mean(ops.binary_crossentropy(targets, y_pred, from_logits=True))
