"""The contract of all autoencoders: frames are encoded as a Gaussian, latents are decoded."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from .architectures import ARCHITECTURES
from .shares import normal

Builder = Callable[[tuple, int, Any], keras.Model]  # of frame shape, size of the code and dtype


class Autoencoder(keras.Model):
    """Encodes a frame as a diagonal Gaussian over latents and decodes latents into a frame.

    Every stage uses `encode`, `decode`, `call`, `frame_shape`, `latent_size` and `get_config`;
    training uses `frame_loss`, which subclasses have. An autoencoder that is not variational
    encodes with a `logvar` of `CERTAIN`. Subclasses call themselves `vae`: so do the files.

    Args:
        architecture: its name in `ARCHITECTURES`.
        builders: of the encoder, from frames in [0, 1] to `mu` and `logvar`, and of the decoder.
        latent_size: number of latents Z.
        frame_shape: `(rows, columns, 3)`.
        trackers: names of the metrics beside the loss.
        seed: decides the latents that are drawn in training.
    """

    stored_as = "VAE"  # how weights files call every autoencoder, see `reverie.networks`

    def __init__(
        self,
        architecture: str,
        builders: tuple[Builder, Builder],
        latent_size: int,
        frame_shape: Sequence[int],
        trackers: Sequence[str],
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.architecture, self.latent_size = architecture, latent_size
        self.frame_shape = tuple(frame_shape)
        encoder, decoder = builders
        self.encoder = encoder(self.frame_shape, latent_size, self.dtype_policy)
        self.decoder = decoder(self.frame_shape, latent_size, self.dtype_policy)
        self.mean_frame = self.add_weight(
            shape=self.frame_shape,
            initializer="zeros",
            trainable=False,
            dtype="float32",
            name="mean_frame",
        )
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in trackers}
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: encoder and decoder come with their weights."""
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the network: what its architecture lists has attributes here."""
        names = ("architecture", *ARCHITECTURES[self.architecture].settings)
        settings = {name: getattr(self, name) for name in names}
        return settings | {"frame_shape": list(self.frame_shape)}

    def encode(self, frames: Any) -> tuple[Any, Any]:
        """Encode frames `(B, rows, columns, 3)` in 0..255 as `mu` and `logvar` `(B, Z)` float32."""
        return self.encoder(ops.cast(frames, "float32") / 255.0)

    def decode(self, latents: Any) -> Any:
        """Decode latents `(B, Z)` into frames `(B, rows, columns, 3)` float32 in [0, 1]."""
        return self.decoder(latents)

    def call(self, frames: Any, training: bool = False) -> dict[str, Any]:
        """Encode and decode frames, from a drawn latent in training and from the mean otherwise."""
        mu, logvar = self.encode(frames)
        latents = draw(mu, logvar, self.seed_generator) if training else mu
        return {"frames": self.decode(latents), "mu": mu, "logvar": logvar}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: dict[str, Any] | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean loss of a batch of frames `x` in 0..255."""
        return self.frame_loss(ops.cast(x, "float32") / 255.0, y_pred, training)

    def frame_loss(self, frames: Any, outputs: dict[str, Any], training: bool) -> Any:
        """Return the mean loss of frames `(B, rows, columns, 3)` in [0, 1] and what `call` gave."""
        raise NotImplementedError


CERTAIN = -20.0  # of codes without a variance: what is drawn departs from them by 5e-5


def draw(mu: Any, logvar: Any, seed: keras.random.SeedGenerator) -> Any:
    """Draw latents from Gaussians of any shape."""
    return mu + ops.exp(0.5 * logvar) * normal(mu, seed)


def divergence(mu: Any, logvar: Any) -> Any:
    """Return the nats by which Gaussians `(B, ...)` diverge from the standard one, `(B,)`."""
    axes = tuple(range(1, len(mu.shape)))
    return -0.5 * ops.sum(1.0 + logvar - ops.square(mu) - ops.exp(logvar), axis=axes)
