"""What an agent sees of the networks: the latent, and parts of the LSTM's state."""

from collections.abc import Callable
from typing import Any

import numpy as np

FEATURES = ("z", "zh", "zhc")  # the latent, the LSTM's output, its cell state


def check_features(features: str) -> None:
    """Check that there are such features.

    Raises:
        ValueError: there are not; the message lists those that there are.
    """
    if features not in FEATURES:
        raise ValueError(f"features must be one of {FEATURES}, not {features!r}")


def feature_count(features: str, latent_size: int, units: int) -> int:
    """Return how many numbers features hold: Z, Z + H or Z + 2H."""
    return latent_size + units * (len(features) - 1)


def join_features(
    features: str,
    latents: Any,
    hidden: Any,
    cell: Any,
    concatenate: Callable = np.concatenate,
) -> Any:
    """Join what the features name along the last axis.

    Args:
        features: one of `FEATURES`.
        latents: `(..., Z)`.
        hidden: the LSTM's output, `(..., H)`.
        cell: its cell state, `(..., H)`.
        concatenate: NumPy's, or that of `keras.ops` for tensors.

    Returns:
        `(..., feature_count)`.
    """
    return concatenate([latents, hidden, cell][: len(features)], axis=-1)
