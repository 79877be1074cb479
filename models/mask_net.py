"""A network that marks pixels, and its training by what a critic says of exchanged pixels."""

from typing import Any

import keras
from keras import layers, ops

from models.critic import Critic, value_entropy


@keras.saving.register_keras_serializable("reverie")
class MaskNet(keras.Model):
    """Marks pixels of a frame, each by what lies within some ten pixels of it.

    So narrow a view is the point: whoever sees the whole frame can mark the one thing that a value
    hangs on and leave its likes unmarked. Without a critic it is trained by masks, see
    `GuidedMaskNet` for the other way.

    Args:
        rows: of a frame.
        columns: of a frame.
        width: channels of the convolutions.
        seed: for the trainer's sake; the network draws nothing.
    """

    def __init__(
        self, rows: int = 64, columns: int = 64, width: int = 24, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rows, self.columns, self.width = rows, columns, width
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.network = _network(rows, columns, width)
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: the layers come with their weights."""
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {"rows": self.rows, "columns": self.columns, "width": self.width}

    def call(self, frames: Any, training: bool = False) -> Any:
        """Return the logits of masks of frames `(B, H, W, 3)` in 0..255, `(B, H, W)` float32."""
        return self.network(ops.cast(frames, "float32") / 255.0)[..., 0]

    def mask(self, frames: Any) -> Any:
        """Return the masks of frames `(B, H, W, 3)` in 0..255, `(B, H, W)` in [0, 1]."""
        return ops.sigmoid(self(frames))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean cross-entropy to exact masks `y`, `(B, H, W)` bool."""
        return value_entropy(y, y_pred)


@keras.saving.register_keras_serializable("reverie")
class GuidedMaskNet(keras.Model):
    """Trains a mask network by a critic (Melnik et al., arXiv 2107.09540).

    Of a batch, A is the frames of high value and as many of low value, B those of low value. With Z
    the masks of A, the value of A with the marked pixels taken from B shall be that of B
    (replace), and the value of B with the marked pixels taken from A that of A (inject), while Z
    marks little: `replace + inject + sparsity * mean(Z)`, the first two as squared errors.

    Args:
        mask_net: the configuration of the `MaskNet`.
        critic: the configuration of the `Critic`.
        sparsity: price of a marked frame.
        live: train the critic on, with five times its own loss, so that it gets to know exchanged
            pixels; otherwise it stays as it is.
        seed: for the trainer's sake; nothing is drawn.
    """

    def __init__(
        self,
        mask_net: dict,
        critic: dict,
        sparsity: float = 0.5,
        live: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mask_net, self.critic = MaskNet(**mask_net), Critic(**critic)
        self.critic.trainable = live
        self.sparsity, self.live = sparsity, live
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("replace", "inject", "marked")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: both networks come with their weights."""
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {
            "mask_net": self.mask_net.get_config(),
            "critic": self.critic.get_config(),
            "sparsity": self.sparsity,
            "live": self.live,
        }

    def call(self, frames: Any, training: bool = False) -> Any:
        """Return the masks of frames `(B, H, W, 3)` in 0..255, `(B, H, W)` in [0, 1]."""
        return self.mask_net.mask(frames)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of a batch of frames `x` in 0..255 with values `y` and masks `y_pred`."""
        frames = ops.cast(x, "float32")
        high, low, values = self._pair(frames)
        z = ops.take(y_pred, high, axis=0)[..., None]
        a, b = ops.take(frames, high, axis=0), ops.take(frames, low, axis=0)
        without = self.critic.value(a * (1.0 - z) + b * z)
        within = self.critic.value(b * (1.0 - z) + a * z)
        terms = {
            "replace": ops.mean(ops.square(without - ops.take(values, low))),
            "inject": ops.mean(ops.square(within - ops.take(values, high))),
            "marked": ops.mean(z),
        }
        for name, term in terms.items():
            self.trackers[name].update_state(term)
        loss = terms["replace"] + terms["inject"] + self.sparsity * terms["marked"]
        if self.live:
            loss = loss + 5.0 * value_entropy(y, self.critic(frames, training=training))
        return loss

    def _pair(self, frames: Any) -> tuple[Any, Any, Any]:
        """Return which frames are A and which B, `(B / 2,)` each, and the values of all."""
        values = ops.stop_gradient(self.critic.value(frames))
        order = ops.argsort(values)
        half = ops.shape(frames)[0] // 2
        low = order[:half]
        return ops.concatenate([order[-(half // 2) :], low[half // 2 :]]), ops.flip(low), values


def _network(rows: int, columns: int, width: int) -> keras.Model:
    """Three convolutions at half the resolution, one more at the frame's own: 15 pixels in view."""
    frames = keras.Input((rows, columns, 3))
    x = layers.Conv2D(width, 5, strides=2, padding="same", activation="relu")(frames)
    for _ in range(2):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(width // 3, 1, activation="relu")(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.Cropping2D(((0, x.shape[1] - rows), (0, x.shape[2] - columns)))(x)
    x = layers.Concatenate()([x, frames])
    x = layers.Conv2D(width // 3, 3, padding="same", activation="relu")(x)
    return keras.Model(frames, layers.Conv2D(1, 1)(x))
