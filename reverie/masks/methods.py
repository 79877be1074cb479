"""Every way to mark what is rewarding, as a function from frames to scores of pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.backend import compiled, gradient
from reverie.masks.networks import load_run, weights_path

if TYPE_CHECKING:
    from reverie.models.critic import Critic, LocalCritic
    from reverie.models.critic_vae import CriticVAE
    from reverie.models.guided_mask_net import GuidedMaskNet
    from reverie.models.mask_net import MaskNet

Method = Callable[[np.ndarray], np.ndarray]  # frames (N, H, W, 3) uint8 -> scores (N, H, W)
BATCH = 64
UNTAUGHT = ("full mask", "colour distance", "gradient saliency")  # learn no masks of their own


def in_batches(function: Callable) -> Callable:
    """Let a compiled function of float32 arrays work on any number of rows.

    It sees one size of batch alone; the last one is filled up with zeros.
    """

    def whole(*arrays: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(arrays[0]), BATCH):
            rows = [array[start : start + BATCH].astype(np.float32) for array in arrays]
            missing = BATCH - len(rows[0])
            padded = [np.pad(part, [(0, missing)] + [(0, 0)] * (part.ndim - 1)) for part in rows]
            parts.append(np.asarray(function(*padded))[: len(rows[0])])
        return np.concatenate(parts)

    return whole


def full_mask(frames: np.ndarray) -> np.ndarray:
    """Mark everything."""
    return np.ones(frames.shape[:3], np.float32)


def colour_distance(frames: np.ndarray) -> np.ndarray:
    """Score how far a pixel's colour is from the frame's median, in [0, 1]."""
    median = np.median(frames, axis=(1, 2), keepdims=True)
    return (np.linalg.norm(frames - median, axis=-1) / (255.0 * np.sqrt(3.0))).astype(np.float32)


def saliency(critic: "Critic") -> Method:
    """Score `V * sum |dV/dx|`, the gradient of the value to a pixel's colours."""
    from keras import ops

    slopes = in_batches(gradient(lambda frames: ops.sum(critic.value(frames))))
    values = in_batches(compiled(critic.value))

    def scores(frames: np.ndarray) -> np.ndarray:
        return np.abs(slopes(frames)).sum(axis=-1) * values(frames)[:, None, None]

    return scores


def counterfactual(vae: "CriticVAE") -> Method:
    """Score how much a pixel changes when no place is said to be worth anything, in [0, 1]."""
    from keras import ops

    def difference(frames):  # noqa: ANN001, ANN202
        latents, own_values = vae.encode(frames)[0], vae.conditions(frames)
        own, low = vae.decode(latents, own_values), vae.decode(latents, ops.zeros_like(own_values))
        return ops.mean(ops.abs(own - low), axis=-1)

    return in_batches(compiled(difference))


def masking(network: "MaskNet | LocalCritic | GuidedMaskNet") -> Method:
    """Score by a mask network, in [0, 1]."""
    mask_net = getattr(network, "mask_net", network)
    return in_batches(compiled(mask_net.mask))


LEARNED = {  # name of the method, class of its network and what makes scores of that, by run
    "local": ("local critic", "LocalCritic", masking),
    "vae": ("critic-VAE", "CriticVAE", counterfactual),
    "masks": ("guided masks", "GuidedMaskNet", masking),
    "ceiling": ("exact masks (supervised upper bound)", "UNet", masking),
}


def trained_methods(folder: Path) -> dict[str, Method]:
    """Return every method that the networks in a folder allow, by name.

    Raises:
        InputError: there is no critic.
    """
    critic, _ = load_run(folder / "critic", "Critic", "train-critic")
    methods = {
        "full mask": full_mask,
        "colour distance": colour_distance,
        "gradient saliency": saliency(critic),
    }
    for run, (name, network, method) in LEARNED.items():
        if weights_path(folder / run).exists():
            methods[name] = method(load_run(folder / run, network, f"train-{run}")[0])
    return methods
