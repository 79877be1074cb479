"""Mixtures of Gaussians over the next latent, in the two forms that world models use.

`joint`: one set of K weights a frame, shared by all latent dimensions, so that a component stands
for a whole situation (Ellefsen et al., arXiv 1901.07859). `per_dim`: K weights for every dimension
by itself (Ha and Schmidhuber, arXiv 1803.10122).
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

from .distributions import tfd
from .fused import fused

FORMS = ("joint", "per_dim")
SIGMA_MIN = 0.01  # keeps the density finite when a component sits on one frame
SIGMA_MAX = 50.0


@dataclass(frozen=True)
class Mixture:
    """The shape of a mixture head.

    Attributes:
        latent_size: number of latent dimensions Z.
        components: number of components K.
        form: `joint` or `per_dim`.
    """

    latent_size: int
    components: int
    form: str

    @property
    def parameters(self) -> int:
        """How many numbers describe one mixture: K + 2KZ for `joint`, 3KZ for `per_dim`."""
        values = self.components * self.latent_size
        return 2 * values + (self.components if self.form == "joint" else values)

    @property
    def choices(self) -> tuple[int, ...]:
        """What a component is chosen from in one frame: `(K,)`, or `(Z, K)` for `per_dim`."""
        sizes = (self.latent_size, self.components)
        return sizes if self.form == "per_dim" else sizes[1:]

    def split(self, raw: Any) -> tuple[Any, Any, Any]:
        """Split the head's output `(..., parameters)` into logits, means and sigmas.

        Returns:
            For `joint`: logits `(..., K)`, means and sigmas `(..., K, Z)`.
            For `per_dim`: all three `(..., Z, K)`.
        """
        raw = ops.cast(raw, "float32")
        count = self.components * self.latent_size
        inner = (self.components, self.latent_size)
        if self.form == "per_dim":
            inner = inner[::-1]
        shape = (*ops.shape(raw)[:-1], *inner)
        logits = raw[..., 2 * count :]
        if self.form == "per_dim":
            logits = ops.reshape(logits, shape)
        means = ops.reshape(raw[..., :count], shape)
        sigmas = ops.minimum(ops.exp(ops.reshape(raw[..., count : 2 * count], shape)), SIGMA_MAX)
        return logits, means, sigmas + SIGMA_MIN

    def distribution(self, raw: Any) -> Any:
        """Return the distribution of the next latent `(..., Z)`; its densities are in nats."""
        logits, means, sigmas = self.split(raw)
        weights = tfd.Categorical(logits=logits)
        if self.form == "joint":
            components = tfd.MultivariateNormalDiag(loc=means, scale_diag=sigmas)
            return tfd.MixtureSameFamily(weights, components)
        by_dimension = tfd.MixtureSameFamily(weights, tfd.Normal(loc=means, scale=sigmas))
        return tfd.Independent(by_dimension, reinterpreted_batch_ndims=1)

    def log_density(self, raw: Any, latents: Any) -> Any:
        """Return the log-density `(...)`, in nats, of latents `(..., Z)`."""
        return _log_density(self)(raw, latents)

    def noise(self, count: int, seed: Any) -> tuple[Any, Any]:
        """Draw what `sample` turns into latents, for `count` frames.

        Noise apart from parameters is what lets many controllers dream with the same noise.

        Args:
            count: number of frames.
            seed: a seed of tensorflow-probability: two int32 under TensorFlow, a key under JAX.

        Returns:
            Gumbel noise `(count, K)` or `(count, Z, K)`, Gaussian noise `(count, Z)`.
        """
        both = tfd.JointDistributionSequential(
            [
                tfd.Sample(tfd.Gumbel(0.0, 1.0), (count, math.prod(self.choices))),
                tfd.Sample(tfd.Normal(0.0, 1.0), (count, self.latent_size)),
            ]
        ).sample(seed=seed)
        return ops.reshape(both[0], (count, *self.choices)), both[1]

    def scores(self, logits: Any, gumbel: Any, temperature: Any) -> Any:
        """Return what the largest of is the component that is chosen: the Gumbel-max trick.

        Args:
            logits: `(B, K)` or `(B, Z, K)`.
            gumbel: noise of the same shape.
            temperature: from 0, where the noise counts nothing.
        """
        temperature = ops.cast(temperature, "float32")
        warm = temperature > 0.0
        return logits / ops.where(warm, temperature, 1.0) + ops.where(warm, gumbel, 0.0)

    def sample(
        self,
        raw: Any,
        noise: tuple[Any, Any],
        temperature: Any = 1.0,
        sigma_temperature: Any = None,
        component: Any = None,
    ) -> tuple[Any, Any]:
        """Draw the next latent.

        Temperature as in Ha and Schmidhuber: logits are divided by it, variances multiplied. At 0
        the latent is the mean of the likeliest component.

        Args:
            raw: `(B, parameters)`.
            noise: what `noise` drew, for B frames.
            temperature: of the choice of component, from 0.
            sigma_temperature: of the spread inside it, from 0 (its mean); the same by default.
            component: `(B,)` int, of a joint mixture: draw from these instead of choosing.

        Returns:
            Latents `(B, Z)` and the chosen components, `(B,)` or `(B, Z)`.
        """
        gumbel, gaussian = noise
        spread = temperature if sigma_temperature is None else sigma_temperature
        logits, means, sigmas = self.split(raw)
        if component is None:
            component = ops.argmax(self.scores(logits, gumbel, temperature), axis=-1)
        one_hot = ops.one_hot(component, self.components, dtype="float32")
        if self.form == "joint":
            mean = ops.einsum("bk,bkz->bz", one_hot, means)
            sigma = ops.einsum("bk,bkz->bz", one_hot, sigmas)
        else:
            mean = ops.sum(one_hot * means, axis=-1)
            sigma = ops.sum(one_hot * sigmas, axis=-1)
        return mean + sigma * ops.sqrt(ops.cast(spread, "float32")) * gaussian, component


@functools.cache
def _log_density(mixture: Mixture) -> Callable:
    return fused(lambda raw, latents: mixture.distribution(raw).log_prob(latents))
