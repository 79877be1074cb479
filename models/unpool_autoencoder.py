"""The autoencoder of the architecture `conv_unpool`, as it should be and as it was published."""

from typing import Any

import keras
from keras import layers, ops

from .sequential import SequentialAutoencoder
from .unpooling import Unpool, largest_places


@keras.saving.register_keras_serializable("reverie")
class UnpoolAutoencoder(SequentialAutoencoder):
    """Encodes a frame as a map, flattened.

    Args:
        architecture: `conv_unpool`.
        published: in training and when frames are reconstructed, put values where the encoder's
            pooling found them, and end with a rectifier, as the published network does. The code
            does not say these places, so `decode` puts values into the middle of windows.
        options: see `SequentialAutoencoder`.
    """

    def __init__(
        self, architecture: str, *arguments: Any, published: bool = False, **options: Any
    ) -> None:
        last = "relu" if published else "sigmoid"
        super().__init__(architecture, *arguments, last=last, **options)
        self.published = published

    def call(self, frames: Any, training: bool = False) -> dict[str, Any]:
        """Encode and decode frames, see `Autoencoder.call`."""
        if not self.published:
            return super().call(frames, training=training)
        x, places = ops.cast(frames, "float32") / 255.0, []
        for layer in self.encoder.layers[1:-1]:
            if isinstance(layer, layers.MaxPooling2D):
                places.append(largest_places(x))
            x = layer(x)
        mu = x
        for layer in self.decoder.layers[1:]:
            x = layer.at(x, places.pop()) if isinstance(layer, Unpool) else layer(x)
        return {"frames": x, "mu": mu, "logvar": self.encoder.layers[-1](mu)}
