"""A variational autoencoder whose decoder is conditioned on the values of a local critic."""

from typing import Any

import keras
from keras import layers, ops

from .autoencoder import divergence, draw
from .critic import LocalCritic
from .patches import cropped, depth_to_space
from .shares import mean


@keras.saving.register_keras_serializable("reverie")
class CriticVAE(keras.Model):
    """Encodes a frame as a coarse map of latents, decodes it with a critic's values beside them.

    The loss of a frame is the squared error of its reconstruction, summed, and `kl_weight` times
    the divergence of its latents.

    A decoder that is conditioned on one value of the whole frame can ignore it, as that of
    Critic-VAE (L. Cicek; MineRL) may, because nothing keeps the latents from carrying it too. Here
    it has the value of every cell of four pixels, which costs nothing, while what a latent
    says is paid for by its divergence. So the latents leave out what the values say: where the
    rewarding things are. With other values the decoder paints those things or leaves them out.

    Args:
        critic: the configuration of the frozen `LocalCritic`.
        channels: latents in each of the map's cells, which are 8 pixels wide.
        kl_weight: of the divergence.
        seed: decides latents that are drawn in training.
    """

    def __init__(
        self,
        critic: dict,
        channels: int = 8,
        kl_weight: float = 0.05,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.kl_weight = channels, kl_weight
        self.critic = LocalCritic(**critic)
        self.critic.trainable = False
        self.encoder = _encoder(critic["rows"], critic["columns"], channels)
        self.decoder = _decoder(critic["rows"], critic["columns"], self.encoder.output_shape[0])
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("squared_error", "kl")}
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: the networks come with their weights."""
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        names = ("channels", "kl_weight")
        return {"critic": self.critic.get_config()} | {name: getattr(self, name) for name in names}

    def encode(self, frames: Any) -> tuple[Any, Any]:
        """Encode frames `(B, H, W, 3)` in 0..255 as `mu` and `logvar`, `(B, h, w, Z)`."""
        mu, logvar = self.encoder(ops.cast(frames, "float32") / 255.0)
        return mu, ops.clip(logvar, -10.0, 4.0)

    def conditions(self, frames: Any) -> Any:
        """Return the critic's values of cells of 4 pixels, `(B, ceil(H / 4), ceil(W / 4), 1)`."""
        values = ops.sigmoid(self.critic.place_logits(frames))
        return ops.stop_gradient(ops.average_pool(values, 2, padding="same"))

    def decode(self, latents: Any, conditions: Any) -> Any:
        """Decode latents `(B, h, w, Z)` and what `conditions` returns into frames in [0, 1]."""
        return self.decoder([latents, conditions])

    def reconstruct(self, frames: Any) -> Any:
        """Reconstruct frames in 0..255 with their own values: `(B, H, W, 3)` in [0, 1]."""
        return self.decode(self.encode(frames)[0], self.conditions(frames))

    def repaint(self, frames: Any, values: Any) -> Any:
        """Reconstruct frames in 0..255 as if all their places had a value of `(B,)`."""
        conditions = ops.zeros_like(self.conditions(frames)) + values[:, None, None, None]
        return self.decode(self.encode(frames)[0], conditions)

    def call(self, frames: Any, training: bool = False) -> dict[str, Any]:
        """Reconstruct frames with their own values."""
        mu, logvar = self.encode(frames)
        latents = draw(mu, logvar, self.seed_generator) if training else mu
        return {"frames": self.decode(latents, self.conditions(frames)), "mu": mu, "logvar": logvar}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: dict[str, Any] | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean loss of a batch of frames `x` in 0..255."""
        frames, mu, logvar = ops.cast(x, "float32") / 255.0, y_pred["mu"], y_pred["logvar"]
        error = ops.sum(ops.square(frames - y_pred["frames"]), axis=(1, 2, 3))
        terms = {"squared_error": mean(error), "kl": mean(divergence(mu, logvar))}
        for name, term in terms.items():
            self.trackers[name].update_state(term)
        return terms["squared_error"] + self.kl_weight * terms["kl"]


WIDTHS = (16, 32, 64)  # channels while the resolution halves


def _encoder(rows: int, columns: int, channels: int) -> keras.Model:
    frames = keras.Input((rows, columns, 3))
    x = frames
    for width in WIDTHS:
        x = layers.Conv2D(width, 4, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(WIDTHS[-1], 3, padding="same", activation="relu")(x)
    mu, logvar = layers.Conv2D(channels, 1)(x), layers.Conv2D(channels, 1)(x)
    return keras.Model(frames, [mu, logvar])


def _decoder(rows: int, columns: int, shape: tuple) -> keras.Model:
    """Unfold channels into pixels, which costs a third of convolutions at the full resolution."""
    latents = keras.Input(shape[1:])
    conditions = keras.Input((-(-rows // 4), -(-columns // 4), 1))
    x = layers.Conv2D(WIDTHS[-1], 3, padding="same", activation="relu")(latents)
    x = cropped(_unfolded(x, WIDTHS[1], "relu"), *conditions.shape[1:3])
    x = layers.Concatenate()([x, conditions])
    x = layers.Conv2D(WIDTHS[1], 3, padding="same", activation="relu")(x)
    x = _unfolded(_unfolded(x, WIDTHS[0], "relu"), 3, "sigmoid")
    return keras.Model([latents, conditions], cropped(x, rows, columns))


def _unfolded(x: Any, channels: int, activation: str) -> Any:
    """Double the resolution of features."""
    x = layers.Conv2D(4 * channels, 3, padding="same")(x)
    return layers.Activation(activation)(depth_to_space(x, 2))
