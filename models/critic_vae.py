"""A variational autoencoder whose decoder is told what value the frame shall have."""

from typing import Any

import keras
from keras import layers, ops

from models.critic import LocalCritic
from models.mask_net import logit_entropy
from models.patches import cropped, depth_to_space

NOISE = 12.0  # of 255; what the critic is shown is blurred by it


@keras.saving.register_keras_serializable("reverie")
class CriticVAE(keras.Model):
    """Encodes a frame as a map of latents and decodes it with a value beside each of them.

    The loss of a frame is `SE + kl_weight * KL + obedience * H + proximity * D`: the squared error
    of the reconstruction with the critic's own value, summed, and the divergence of the latents;
    the cross-entropy H between a value drawn at random and what the critic says of the latents
    decoded with it; and D, how far (sum of absolute differences) that frame is from the
    reconstruction.

    Nothing keeps latents from carrying the value too, so that a decoder may ignore what it is told,
    as that of Critic-VAE (L. Cicek; MineRL) may. To drive the value out of the latents by an
    adversary would drive out the things that earn it, place and all. So the decoder is held to its
    word instead: the critic looks at what it paints, under noise that drowns what only a critic can
    see. D lets it change no more than the value asks for, and that is the mask.

    Args:
        critic: the configuration of the frozen `LocalCritic`. One that sees whole frames can be
            talked round by one place, and leaves the others as they are.
        channels: latents in each of the map's cells, which are 4 pixels wide.
        kl_weight: of the divergence.
        obedience: of the critic's opinion on decoded frames.
        proximity: of the difference that another value makes.
        seed: decides latents, values and noise that are drawn in training.
    """

    def __init__(
        self,
        critic: dict,
        channels: int = 8,
        kl_weight: float = 0.05,
        obedience: float = 10.0,
        proximity: float = 0.05,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.kl_weight = channels, kl_weight
        self.obedience, self.proximity = obedience, proximity
        self.critic = LocalCritic(**critic)
        self.critic.trainable = False
        self.encoder = _encoder(critic["rows"], critic["columns"], channels)
        self.decoder = _decoder(critic["rows"], critic["columns"], self.encoder.output_shape[0])
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("squared_error", "kl", "disobedience", "difference")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: the networks come with their weights."""
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        names = ("channels", "kl_weight", "obedience", "proximity")
        return {"critic": self.critic.get_config()} | {name: getattr(self, name) for name in names}

    def encode(self, frames: Any) -> tuple[Any, Any]:
        """Encode frames `(B, H, W, 3)` in 0..255 as `mu` and `logvar`, `(B, h, w, Z)`."""
        mu, logvar = self.encoder(ops.cast(frames, "float32") / 255.0)
        return mu, ops.clip(logvar, -10.0, 4.0)

    def decode(self, latents: Any, values: Any) -> Any:
        """Decode latents `(B, h, w, Z)` with values `(B,)` in [0, 1] into frames in [0, 1]."""
        told = ops.ones_like(latents[..., :1]) * values[:, None, None, None]
        return self.decoder(ops.concatenate([latents, told], axis=-1))

    def repaint(self, frames: Any, values: Any) -> Any:
        """Reconstruct frames in 0..255 as if they had other values: `(B, H, W, 3)` in [0, 1]."""
        return self.decode(self.encode(frames)[0], values)

    def call(self, frames: Any, training: bool = False) -> dict[str, Any]:
        """Reconstruct frames with their own value and with one that is drawn at random."""
        mu, logvar = self.encode(frames)
        own = ops.stop_gradient(self.critic.value(frames))
        latents = mu
        if training:
            noise = keras.random.normal(ops.shape(mu), seed=self.seed_generator)
            latents = mu + ops.exp(0.5 * logvar) * noise
        other = keras.random.uniform(ops.shape(own), seed=self.seed_generator)
        decoded, repainted = self.decode(latents, own), self.decode(latents, other)
        results = {"frames": decoded, "repainted": repainted, "other": other}
        return results | {"mu": mu, "logvar": logvar}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: dict[str, Any] | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean loss of a batch of frames `x` in 0..255."""
        frames = ops.cast(x, "float32") / 255.0
        repainted, mu, logvar = (y_pred[key] for key in ("repainted", "mu", "logvar"))
        noise = NOISE * keras.random.normal(ops.shape(frames), seed=self.seed_generator)
        logits = self.critic(255.0 * repainted + noise)
        terms = {
            "squared_error": _frame_sum(ops.square(frames - y_pred["frames"])),
            "kl": -0.5 * _frame_sum(1.0 + logvar - ops.square(mu) - ops.exp(logvar)),
            "disobedience": logit_entropy(y_pred["other"], logits),
            "difference": _frame_sum(ops.abs(repainted - ops.stop_gradient(y_pred["frames"]))),
        }
        for name, term in terms.items():
            self.trackers[name].update_state(term)
        return (
            terms["squared_error"]
            + self.kl_weight * terms["kl"]
            + self.obedience * terms["disobedience"]
            + self.proximity * terms["difference"]
        )


def _frame_sum(x: Any) -> Any:
    """Sum over everything but the batch, of which the mean is taken."""
    return ops.mean(ops.sum(x, axis=(1, 2, 3)))


WIDTHS = (24, 48)  # channels while the resolution halves


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
    latents = keras.Input((*shape[1:3], shape[3] + 1))
    x = latents
    for _ in range(2):
        x = layers.Conv2D(WIDTHS[-1], 3, padding="same", activation="relu")(x)
    for width in (*WIDTHS[-2::-1], 3):
        x = layers.Conv2D(4 * width, 3, padding="same", activation="relu" if width > 3 else None)(x)
        x = depth_to_space(x, 2)
    return keras.Model(latents, layers.Activation("sigmoid")(cropped(x, rows, columns)))
