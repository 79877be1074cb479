"""A VAE whose divergence weighs little at first, and whose loss looks at what moves."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from .autoencoder import Autoencoder, divergence
from .shares import mean
from .vae import BUILDERS, DEPARTURE


@keras.saving.register_keras_serializable("reverie")
class BetaVAE(Autoencoder):
    """The layers of `patch` with the loss `sum(w * SE) + beta * KL`, for recorded screens.

    To show a thing of area A and contrast c lowers an unweighted error by about `A * c^2` a
    channel, and costs about `beta` times the logarithm of the number of its places: at beta 4 and
    contrast 0.5 everything below some 88 pixels is cheaper to leave out. So each pixel has a weight
    `w = 1 + detail_weight * d`, where `d` in [0, 1] is how far the pixel departs from the mean
    frame, or how far its reconstruction is from it, whichever is more: things that are left out
    count, and things that are painted where there are none.

    `beta` rises from 0 over the first `warmup` batches: a code that is expensive from the start
    ends as one grey frame (Bowman et al., arXiv 1511.06349).

    Args:
        latent_size: Z.
        beta: weight of the divergence in the end (Higgins et al., 2017).
        warmup: batches over which it rises.
        detail_weight: extra weight of pixels that depart.
        frame_shape: `(rows, columns, 3)`, sides divisible by 8.
        architecture: `beta`.
        seed: decides the latents that are drawn in training.
    """

    def __init__(
        self,
        latent_size: int = 64,
        beta: float = 1.0,
        warmup: int = 1000,
        detail_weight: float = 20.0,
        frame_shape: Sequence[int] = (64, 64, 3),
        architecture: str = "beta",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        trackers = ("kl", "squared_error")
        super().__init__(
            architecture,
            BUILDERS["patch"],
            latent_size,
            frame_shape,
            trackers,
            seed,
            **{"name": "vae"} | kwargs,
        )
        self.beta, self.warmup, self.detail_weight = beta, warmup, detail_weight

    def build(self, input_shape: Any = None) -> None:
        """Create what counts the batches of the training."""
        kind = {"trainable": False, "aggregation": "only_first_replica"}
        self.batches = self.add_weight((), "zeros", dtype="float32", name="batches", **kind)
        super().build(input_shape)

    def call(self, frames: Any, training: bool = False) -> dict[str, Any]:
        """Encode and decode frames; in training count the batch."""
        if training:
            self.batches.assign_add(1.0)
        return super().call(frames, training=training)

    def frame_loss(self, frames: Any, outputs: dict[str, Any], training: bool) -> Any:
        """Return the mean loss of a batch of frames in [0, 1]; held out at the full beta."""
        error = frames - outputs["frames"]
        squared = ops.sum(ops.square(error), axis=-1)
        self.trackers["squared_error"].update_state(mean(ops.sum(squared, axis=(1, 2))))
        departure = ops.mean(ops.abs(frames - self.mean_frame), axis=-1)
        missed = ops.stop_gradient(ops.mean(ops.abs(error), axis=-1))
        detail = ops.minimum(ops.maximum(departure, missed) / DEPARTURE, 1.0)
        weighted = mean(ops.sum(squared * (1.0 + self.detail_weight * detail), axis=(1, 2)))
        kl = mean(divergence(outputs["mu"], outputs["logvar"]))
        self.trackers["kl"].update_state(kl)
        risen = ops.minimum(self.batches / max(self.warmup, 1), 1.0) if training else 1.0
        return weighted + self.beta * risen * kl
