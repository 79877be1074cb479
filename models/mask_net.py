"""A network that marks pixels, and its training by what a critic says of exchanged pixels."""

from typing import Any

import keras
from keras import layers, ops

from models.critic import Critic, value_entropy
from models.patches import cropped, depth_to_space


@keras.saving.register_keras_serializable("reverie")
class MaskNet(keras.Model):
    """Marks pixels of a frame, each by what lies within six pixels of it.

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
        self.network = self._build_network()
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: the layers come with their weights."""
        self.built = True

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
class UNet(MaskNet):
    """Marks pixels by all that is around them, for exact masks to teach."""

    def _build_network(self) -> keras.Model:
        return _u_network(self.rows, self.columns, self.width)


@keras.saving.register_keras_serializable("reverie")
class GuidedMaskNet(keras.Model):
    """Trains a mask network by a critic (Melnik et al., arXiv 2107.09540).

    Of a batch, A is the frames of high value and as many of low value. To each belongs a B of low
    value, of all the one that looks most like it (in the paper, any): with a meadow beside a cave,
    grass is as good a sign of value as the trees on it. With Z the masks of A, the value of A with
    the marked pixels taken from B shall be that of B (replace), and the value of B with the marked
    pixels taken from A that of A (inject), while Z marks little:
    `replace + inject + sparsity * mean(Z)`, the first two as squared errors.

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
        """Return the logits of what the critic says of frames `(B, H, W, 3)` in 0..255, `(B,)`."""
        return self.critic(frames, training=training and self.live)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of frames `x` in 0..255 with values `y` and the critic's logits."""
        frames, values = ops.cast(x, "float32"), ops.stop_gradient(ops.sigmoid(y_pred))
        high, low = self._pair(frames, values)
        a, b = ops.take(frames, high, axis=0), ops.take(frames, low, axis=0)
        z = self.mask_net.mask(a)[..., None]
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
        return loss + 5.0 * value_entropy(y, y_pred) if self.live else loss

    def _pair(self, frames: Any, values: Any) -> tuple[Any, Any]:
        """Return which frames are A and which of low value are B beside them, `(B / 2,)` each."""
        order = ops.argsort(values)
        half = ops.shape(values)[0] // 2
        low = order[:half]
        high = ops.concatenate([order[-(half // 2) :], low[half // 2 :]])
        looks = ops.average_pool(frames / 255.0, LOOK, padding="same")
        looks = ops.reshape(looks, (-1, looks.shape[1] * looks.shape[2] * looks.shape[3]))
        a, b = ops.take(looks, high, axis=0), ops.take(looks, low, axis=0)
        distances = ops.sum(ops.square(a[:, None] - b[None]), axis=-1)
        itself = ops.cast(high[:, None] == low[None], distances.dtype)
        return high, ops.take(low, ops.argmin(distances + 1e6 * itself, axis=1))


LOOK = 8  # pixels of the squares whose mean colours say how alike two frames are


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
