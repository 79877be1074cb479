"""Variational autoencoders of frames: the article's, and one that keeps small things."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from .autoencoder import Autoencoder, divergence
from .patches import depth_to_space, space_to_depth
from .shares import mean

ARTICLE_SHAPE = (64, 64, 3)  # the only frames that the article's network sees


@keras.saving.register_keras_serializable("reverie")
class VAE(Autoencoder):
    """The VAE of the article, and one of patches that keeps small things.

    The loss of a frame is `reconstruction_weight * SE + max(KL, free_bits * Z)` with the squared
    error SE summed over pixels and channels and each pixel weighted by `1 + detail_weight * d`,
    where `d` in [0, 1] says how far the pixel departs from the mean frame of the data. Small
    moving things are a few pixels that almost always look like the background behind them: an
    unweighted error is cheapest when it leaves them out.

    Args:
        architecture: `patch`, the default, or `article`: the ConvVAE of Ha and Schmidhuber
            (arXiv 1803.10122) to the parameter (4,446,915 with 64 latents, 4,348,547 with 32).
        latent_size: number of latents Z.
        reconstruction_weight: of the squared error; the article's is 1.
        detail_weight: extra weight of pixels that depart from the mean frame; the article's is 0.
        free_bits: nats of KL per latent that cost nothing, on the sum; the article's is 0.5.
        frame_shape: `(rows, columns, 3)`; `article` sees 64x64 only, `patch` all sizes that are
            divisible by 8.
        seed: decides the latents that are drawn in training.
    """

    def __init__(
        self,
        architecture: str = "patch",
        latent_size: int = 64,
        reconstruction_weight: float = 1.0,
        detail_weight: float = 0.0,
        free_bits: float = 0.5,
        frame_shape: Sequence[int] = ARTICLE_SHAPE,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        trackers = ("reconstruction", "kl", "squared_error")
        builders = BUILDERS[architecture]
        super().__init__(architecture, builders, latent_size, frame_shape, trackers, seed, **kwargs)
        self.reconstruction_weight, self.detail_weight = reconstruction_weight, detail_weight
        self.free_bits = free_bits

    def frame_loss(self, frames: Any, outputs: dict[str, Any], training: bool) -> Any:
        """Return the mean loss of a batch of frames in [0, 1]."""
        error = ops.sum(ops.square(frames - outputs["frames"]), axis=-1)
        self.trackers["squared_error"].update_state(mean(ops.sum(error, axis=(1, 2))))
        if self.detail_weight:
            error = error * (1.0 + self.detail_weight * self._detail(frames))
        reconstruction = mean(ops.sum(error, axis=(1, 2)))
        kl = divergence(outputs["mu"], outputs["logvar"])
        kl = mean(ops.maximum(kl, self.free_bits * self.latent_size))
        self.trackers["reconstruction"].update_state(reconstruction)
        self.trackers["kl"].update_state(kl)
        return self.reconstruction_weight * reconstruction + kl

    def _detail(self, frames: Any) -> Any:
        departure = ops.mean(ops.abs(frames - self.mean_frame), axis=-1)
        return ops.minimum(departure / DEPARTURE, 1.0)


DEPARTURE = 0.2  # of the range of a channel: from here on a pixel counts as detail entirely


def _article_encoder(frame_shape: tuple, latent_size: int, dtype: Any) -> keras.Model:
    """Four strided convolutions, 64 -> 31 -> 14 -> 6 -> 2."""
    if frame_shape != ARTICLE_SHAPE:
        raise ValueError(f"the article's network sees frames {ARTICLE_SHAPE}, not {frame_shape}")
    frames = keras.Input(frame_shape)
    x = frames
    for channels in (32, 64, 128, 256):
        x = layers.Conv2D(channels, 4, strides=2, activation="relu", dtype=dtype)(x)
    return _posterior(frames, layers.Flatten()(x), latent_size)


def _article_decoder(frame_shape: tuple, latent_size: int, dtype: Any) -> keras.Model:
    """Four transposed convolutions, 1 -> 5 -> 13 -> 30 -> 64."""
    latents = keras.Input((latent_size,))
    x = layers.Reshape((1, 1, 1024))(layers.Dense(1024, dtype=dtype)(latents))
    for channels, kernel in ((128, 5), (64, 5), (32, 6)):
        x = layers.Conv2DTranspose(channels, kernel, strides=2, activation="relu", dtype=dtype)(x)
    x = layers.Conv2DTranspose(3, 6, strides=2, dtype=dtype)(x)
    return keras.Model(latents, layers.Activation("sigmoid", dtype="float32")(x), name="decoder")


def _patch_encoder(frame_shape: tuple, latent_size: int, dtype: Any) -> keras.Model:
    """Patches of 4x4 pixels, merged two by two, then a dense layer over all of them.

    Every layer is a matrix product, which a processor runs near its limit; on two cores the network
    sees four times as many frames a second as the article's and is better after the same time.
    """
    frames = keras.Input(frame_shape)
    x = _normalised(layers.Dense(WIDTH, dtype=dtype)(space_to_depth(frames, 4)), dtype)
    for channels in _merged_widths(frame_shape)[1:]:
        x = _normalised(layers.Dense(channels, dtype=dtype)(space_to_depth(x, 2)), dtype)
    x = _normalised(layers.Dense(8 * WIDTH, dtype=dtype)(layers.Flatten()(x)), dtype, groups=1)
    return _posterior(frames, x, latent_size)


def _patch_decoder(frame_shape: tuple, latent_size: int, dtype: Any) -> keras.Model:
    """The encoder backwards."""
    latents = keras.Input((latent_size,))
    x = _normalised(layers.Dense(8 * WIDTH, dtype=dtype)(latents), dtype, groups=1)
    *widths, widest = _merged_widths(frame_shape)
    rows, columns = (side // (4 * 2 ** len(widths)) for side in frame_shape[:2])
    x = layers.Dense(rows * columns * widest, dtype=dtype)(x)
    x = layers.Reshape((rows, columns, widest))(x)
    for channels in reversed(widths):
        x = depth_to_space(layers.Dense(4 * channels, dtype=dtype)(_normalised(x, dtype)), 2)
    x = layers.Dense(48, dtype=dtype)(_normalised(x, dtype))
    x = layers.Activation("sigmoid", dtype="float32")(depth_to_space(x, 4))
    return keras.Model(latents, x, name="decoder")


def _merged_widths(frame_shape: tuple) -> list[int]:
    """Return the channels of patches of 4x4 pixels and of each merging.

    Patches are merged once, and further as long as more than `MOST` of them lie side by side: two
    mergings for 128x128. The dense layers over all of them, which hold most of the parameters, stay
    about as large for any frame.

    Raises:
        ValueError: the sides of the frame are not divisible by 8.
    """
    if any(side % 8 for side in frame_shape[:2]):
        raise ValueError(f"the sides of a frame must be divisible by 8, not {frame_shape[:2]}")
    rows, columns = (side // 8 for side in frame_shape[:2])
    widths = [WIDTH, 2 * WIDTH]
    while max(rows, columns) > MOST and rows % 2 == columns % 2 == 0:
        rows, columns = rows // 2, columns // 2
        widths.append(2 * widths[-1])
    return widths


WIDTH = 32  # channels of the first layer
MOST = 12  # patches side by side before the dense layer, where they can be merged
BUILDERS = {
    "article": (_article_encoder, _article_decoder),
    "patch": (_patch_encoder, _patch_decoder),
}


def _posterior(frames: Any, features: Any, latent_size: int) -> keras.Model:
    mu = layers.Dense(latent_size, dtype="float32", name="mu")(features)
    logvar = layers.Dense(latent_size, dtype="float32", name="logvar")(features)
    return keras.Model(frames, [mu, logvar], name="encoder")


def _normalised(x: Any, dtype: Any, groups: int = 8) -> Any:
    x = layers.GroupNormalization(groups, dtype=dtype)(x)
    return layers.Activation("relu", dtype=dtype)(x)
