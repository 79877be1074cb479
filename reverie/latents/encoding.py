"""The VAE at work: encode many frames, and evaluate their reconstructions."""

from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError
from reverie.backend import compiled, predict
from reverie.networks import written_size
from reverie.reports.plots import as_bytes

if TYPE_CHECKING:
    from reverie.models.autoencoder import Autoencoder

STEP = 32  # frames; batches are filled up to a multiple of it, few sizes to compile


class Encoder:
    """Encodes any number of frames through one compiled function.

    Args:
        vae: a trained VAE.
        batch_size: frames at a time.
    """

    def __init__(self, vae: "Autoencoder", batch_size: int = 256) -> None:
        self.batch_size, self.frame_shape = batch_size, vae.frame_shape
        self._encode = compiled(vae.encode)

    def __call__(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode frames as `mu` and `logvar`, `(N, Z)` float32.

        Args:
            frames: `(N, rows, columns, 3)` uint8, in memory or on the disk.

        Raises:
            InputError: the VAE sees frames of another shape.
        """
        if tuple(frames.shape[1:]) != self.frame_shape:
            raise InputError(
                f"frames of {written_size(frames.shape[1:])} pixels, but the VAE sees "
                f"{written_size(self.frame_shape)}; record with 01_generate_data.py --frame_size "
                f"{self.frame_shape[0]}"
            )
        parts = []
        for start in range(0, len(frames), self.batch_size):
            batch = frames[start : start + self.batch_size]
            missing = -len(batch) % STEP
            padded = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else batch
            parts.append([np.asarray(part)[: len(batch)] for part in self._encode(padded)])
        mu, logvar = zip(*parts)
        return np.concatenate(mu), np.concatenate(logvar)


def reconstruct(vae: "Autoencoder", frames: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Encode and decode frames from their mean latents; return them as float32 in [0, 1]."""
    starts = range(0, len(frames), batch_size)
    parts = [predict(vae, frames[s : s + batch_size])["frames"] for s in starts]
    return np.concatenate(parts)


def reconstruction_errors(
    frames: np.ndarray, decoded: np.ndarray, masks: np.ndarray | None, objects: dict[str, int]
) -> dict[str, float]:
    """Measure mean squared errors over all pixels and inside each kind of object.

    Args:
        frames: `(N, rows, columns, 3)` uint8.
        decoded: the same, in [0, 1].
        masks: `(N, rows, columns)` uint8 bit masks of the objects, or None where the game has none.
        objects: bit of each kind of object.

    Returns:
        `mse` and `mse_<object>`; an object that is in no frame is left out.
    """
    error = np.mean((frames.astype(np.float32) / 255.0 - decoded) ** 2, axis=-1)
    errors = {"mse": float(error.mean())}
    for name, bit in objects.items() if masks is not None else ():
        inside = (masks & bit).astype(bool)
        if inside.any():
            errors[f"mse_{name}"] = float(error[inside].mean())
    return errors


def decode(vae: "Autoencoder", latents: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Decode latents `(N, Z)` into frames `(N, rows, columns, 3)` uint8."""
    starts = range(0, len(latents), batch_size)
    parts = [as_bytes(np.asarray(vae.decode(latents[s : s + batch_size]))) for s in starts]
    return np.concatenate(parts)
