"""Autoencoders whose encoder and decoder are sequences of layers, see `architectures.py`."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from .architectures import ARCHITECTURES, Architecture
from .autoencoder import CERTAIN, Autoencoder, divergence
from .shares import BatchNormalization, mean
from .unpooling import Unpool


@keras.saving.register_keras_serializable("reverie")
class SequentialAutoencoder(Autoencoder):
    """An autoencoder of the architectures that say their layers.

    The loss of a frame is the sum over pixels and channels of the differences' `power`, and, where
    the code is a Gaussian, `kl_weight` times its divergence from the standard one for each of
    these numbers. That is the published loss, a mean, times their number: a factor that Adam does
    not see.

    Args:
        architecture: its name in `ARCHITECTURES`.
        latent_size: number of latents Z.
        frame_shape: `(rows, columns, 3)`.
        kl_weight: of the divergence.
        seed: decides the latents that are drawn in training.
        last: activation of the decoder.
    """

    def __init__(
        self,
        architecture: str,
        latent_size: int,
        frame_shape: Sequence[int] = (64, 64, 3),
        kl_weight: float = 0.0,
        seed: int = 0,
        last: str = "sigmoid",
        **kwargs: Any,
    ) -> None:
        known = ARCHITECTURES[architecture]
        optional = {"kl": known.variational, "features": known.perceptual}
        trackers = ("squared_error", *(name for name, has in optional.items() if has))
        builders = (
            functools.partial(_encoder, known),
            functools.partial(_decoder, known, last),
        )
        super().__init__(
            architecture,
            builders,
            latent_size,
            frame_shape,
            trackers,
            seed,
            **{"name": "vae"} | kwargs,
        )
        self.kl_weight, self.power = kl_weight, known.power

    def frame_loss(self, frames: Any, outputs: dict[str, Any], training: bool) -> Any:
        """Return the mean loss of a batch of frames in [0, 1]."""
        difference = frames - outputs["frames"]
        error = mean(ops.sum(ops.square(difference), axis=(1, 2, 3)))
        self.trackers["squared_error"].update_state(error)
        if self.power != 2:
            error = mean(ops.sum(ops.power(difference, self.power), axis=(1, 2, 3)))
        if "kl" not in self.trackers:
            return error
        kl = mean(divergence(outputs["mu"], outputs["logvar"]))
        self.trackers["kl"].update_state(kl)
        rows, columns, colours = self.frame_shape
        return error + self.kl_weight * rows * columns * colours * kl


class Layers:
    """The layers of Keras with the dtype of a network, and those that Keras lacks.

    Args:
        dtype: policy of the layers.
    """

    own = {"BatchNormalization": BatchNormalization, "Unpool": Unpool}

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __getattr__(self, name: str) -> Any:
        kind = self.own.get(name) or getattr(layers, name)
        return functools.partial(kind, dtype=self.dtype)


def _encoder(known: Architecture, shape: tuple, size: int, dtype: Any) -> keras.Model:
    frames = keras.Input(shape)
    code = _applied(known.layers(Layers(dtype), shape, size)[0], frames)
    if known.variational:
        heads = [layers.Dense(size, dtype="float32", name=name)(code) for name in ("mu", "logvar")]
        return keras.Model(frames, heads, name="encoder")
    mu = layers.Activation("linear", dtype="float32")(code)
    logvar = layers.Rescaling(0.0, CERTAIN, dtype="float32")(mu)
    return keras.Model(frames, [mu, logvar], name="encoder")


def _decoder(known: Architecture, last: str, shape: tuple, size: int, dtype: Any) -> keras.Model:
    latents = keras.Input((size,))
    x = _applied(known.layers(Layers(dtype), shape, size)[1], latents)
    return keras.Model(latents, layers.Activation(last, dtype="float32")(x), name="decoder")


def _applied(sequence: list, x: Any) -> Any:
    for layer in sequence:
        x = layer(x)
    return x
