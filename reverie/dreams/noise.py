"""The noise that decides a dream: which component, where inside it, and whether the dream ends.

Every step of a dream takes noise in one form, a dictionary of `choice` `(B, K)` (or `(B, Z, K)` of
a mixture per dimension, Gumbel), `spread` `(B, Z)` (Gaussian) and `end` `(B,)` (uniform in [0, 1]).
It comes from a generator of each dream's own, or compiled for a population that shares it.
"""

import math
from typing import Any

import numpy as np
from keras import ops

from reverie.backend import compiled
from reverie.models.distributions import seed_at, tfd
from reverie.models.mixture import Mixture
from reverie.seeds import seed_31

Noise = dict[str, Any]


def own_noise(
    mixture: Mixture, rng: np.random.Generator | None, steps: tuple[int, ...] = ()
) -> Noise:
    """Draw the noise of one dream, in float32.

    Args:
        mixture: what is drawn from.
        rng: the dream's own generator; None for zeros.
        steps: shape that is put before that of a single step, `(T,)` for T steps.
    """
    choice, spread = (*steps, *mixture.choices), (*steps, mixture.latent_size)
    if rng is None:
        noise = {"choice": np.zeros(choice), "spread": np.zeros(spread), "end": np.zeros(steps)}
    else:
        noise = {
            "choice": rng.gumbel(size=choice),
            "spread": rng.standard_normal(spread),
            "end": rng.random(steps),
        }
    return {name: np.asarray(values, np.float32) for name, values in noise.items()}


class SharedNoise:
    """Draws the noise of many frames at once, through functions compiled once for each shape.

    Args:
        mixture: what is drawn from.
    """

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture
        self._draws: dict[tuple, Any] = {}

    def __call__(self, shape: tuple[int, ...], seed: int, index: int) -> Noise:
        """Draw the noise of frames; seed, of any size, and index, below 2**30, decide it."""
        if shape not in self._draws:

            def draw(seed: Any, index: Any) -> Noise:
                noise = self._draw(math.prod(shape), seed, index)
                return {k: ops.reshape(v, (*shape, *v.shape[1:])) for k, v in noise.items()}

            self._draws[shape] = compiled(draw)
        return self._draws[shape](np.asarray(seed_31(seed), np.int32), np.asarray(index, np.int32))

    def _draw(self, count: int, seed: Any, index: Any) -> Noise:
        choice, spread = self.mixture.noise(count, seed_at(seed, 2 * index))
        end = tfd.Uniform(0.0, 1.0).sample(count, seed=seed_at(seed, 2 * index + 1))
        return {"choice": choice, "spread": spread, "end": end}
