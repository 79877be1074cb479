"""A critic: how soon does a frame promise a reward?"""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("reverie")
class Critic(keras.Model):
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
        rows: int = 64,
        columns: int = 64,
        width: int = 16,
        dropout: float = 0.3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rows, self.columns, self.width, self.dropout = rows, columns, width, dropout
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.network = _network(rows, columns, width, dropout, seed)
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: the layers come with their weights."""
        self.built = True

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

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean cross-entropy of logits `y_pred` to values `y`, both `(B,)`."""
        return value_entropy(y, y_pred)


def value_entropy(values: Any, logits: Any) -> Any:
    """Return the mean cross-entropy of logits `(B,)` to values `(B,)` in [0, 1]."""
    return ops.mean(ops.binary_crossentropy(ops.cast(values, "float32"), logits, from_logits=True))


def _network(rows: int, columns: int, width: int, dropout: float, seed: int) -> keras.Model:
    frames = keras.Input((rows, columns, 3))
    x = frames
    for channels, kernel in ((width, 5), (width * 3 // 2, 3), (width * 2, 3)):
        x = layers.Conv2D(channels, kernel, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(width * 2, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(dropout, seed=seed)(layers.Flatten()(x))
    x = layers.Dense(4 * width, activation="relu")(x)
    return keras.Model(frames, layers.Dense(1)(x))
