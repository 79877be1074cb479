"""A critic: how soon does a reward follow a frame?"""

from typing import Any

import keras
from keras import layers, ops

from .classifier import Classifier
from .shares import BatchNormalization, Dropout


@keras.saving.register_keras_serializable("reverie")
class Critic(Classifier):
    """Predicts the value of a frame, a number between 0 and 1.

    Four convolutions and two dense layers, as in the critic of Melnik et al. (arXiv 2107.09540)
    with strides in the place of its pooling, trained with the cross-entropy to
    values that may lie between 0 and 1.

    Args:
        rows: of a frame.
        columns: of a frame.
        width: channels of the first convolution.
        dropout: share of features that is left out in training.
        seed: decides what is left out.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        width: int = 16,
        dropout: float = 0.3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rows, self.columns, self.width, self.dropout = rows, columns, width, dropout
        self.network = _network(rows, columns, width, dropout, seed)
        self.build()

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        names = ("rows", "columns", "width", "dropout")
        return {name: getattr(self, name) for name in names}

    def call(self, frames: Any, training: bool = False) -> Any:
        """Return the logits of the values of frames `(B, H, W, 3)` in 0..255, `(B,)` float32."""
        return self.network(ops.cast(frames, "float32") / 255.0, training=training)[:, 0]

    def value(self, frames: Any) -> Any:
        """Return the values of frames `(B, H, W, 3)` in 0..255, `(B,)` in [0, 1]."""
        return ops.sigmoid(self(frames))


def _network(rows: int, columns: int, width: int, dropout: float, seed: int) -> keras.Model:
    frames = keras.Input((rows, columns, 3))
    x = frames
    for channels, kernel in ((width, 5), (width * 3 // 2, 3), (width * 2, 3)):
        x = layers.Conv2D(channels, kernel, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(width * 2, 3, padding="same", activation="relu")(x)
    x = Dropout(dropout, seed=seed)(layers.Flatten()(x))
    x = layers.Dense(4 * width, activation="relu")(x)
    return keras.Model(frames, layers.Dense(1)(x))


@keras.saving.register_keras_serializable("reverie")
class LocalCritic(Classifier):
    """The value of a frame is that of its area of highest value.

    Every place of the frame, two pixels wide, gets a logit by the 9x9 pixels around it; the mean
    over an area of 8x8 pixels is the area's, and the largest of them all is the frame's. Trained as
    a critic, by the values of whole frames, it has to find out by itself which areas earn them
    (multiple-instance learning; Oquab et al., CVPR 2015, pool by the maximum too). As an area
    gets the same logit wherever it is seen, with or without others, the logits of the places mark
    all that is rewarding and not only what comes next; as its mean counts, they fill the thing
    instead of standing on its most distinctive pixel.

    Args:
        rows: of a frame.
        columns: of a frame.
        width: channels of the convolutions.
    """

    def __init__(self, rows: int, columns: int, width: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows, self.columns, self.width = rows, columns, width
        self.network = _local_network(rows, columns, width)
        self.build()

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {"rows": self.rows, "columns": self.columns, "width": self.width}

    def place_logits(self, frames: Any, training: bool = False) -> Any:
        """Return the logits of places of frames `(B, H, W, 3)` in 0..255, two pixels wide each.

        Returns:
            `(B, ceil(H / 2), ceil(W / 2), 1)` float32.
        """
        return self.network(ops.cast(frames, "float32") / 255.0, training=training)

    def call(self, frames: Any, training: bool = False) -> Any:
        """Return the logits of the values of frames `(B, H, W, 3)` in 0..255, `(B,)` float32."""
        areas = ops.average_pool(
            self.place_logits(frames, training), AREA, strides=1, padding="valid"
        )
        return ops.max(areas, axis=(1, 2, 3))

    def value(self, frames: Any) -> Any:
        """Return the values of frames `(B, H, W, 3)` in 0..255, `(B,)` in [0, 1]."""
        return ops.sigmoid(self(frames))

    def mask(self, frames: Any) -> Any:
        """Return the values of pixels of frames `(B, H, W, 3)` in 0..255, `(B, H, W)` in [0, 1]."""
        pixels = ops.repeat(ops.repeat(self.place_logits(frames)[..., 0], 2, axis=1), 2, axis=2)
        return ops.sigmoid(pixels[:, : self.rows, : self.columns])


AREA = 4  # places, of two pixels each


def _local_network(rows: int, columns: int, width: int) -> keras.Model:
    frames = keras.Input((rows, columns, 3))
    x = frames - 0.4
    for kernel, strides in ((5, 2), (3, 1)):
        x = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(BatchNormalization(momentum=0.95)(x))
    return keras.Model(frames, layers.Conv2D(1, 1)(x))
