"""One-step predictions of recorded frames, each from the true ones before it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from reverie.backend import compiled
from reverie.mixtures.recordings import Recording
from reverie.models.mdn_rnn import MDNRNN

BATCH = 16  # episodes at a time
STEP = 100  # steps; batches are padded to a multiple of it, few sizes to compile


@dataclass(frozen=True)
class Prediction:
    """What a network expected of the T frames after the first, each from the true ones before it.

    Attributes:
        weights: of the components, before the frame is seen, `(T, K)`.
        responsibilities: of the components for the frame, once it is seen, `(T, K)`.
        latents: drawn from the mixture, `(T, Z)`.
    """

    weights: np.ndarray
    responsibilities: np.ndarray
    latents: np.ndarray


def one_step_predictions(
    rnn: MDNRNN, recordings: list[Recording], seed: int = 0, temperature: float = 1.0
) -> list[Prediction]:
    """Predict every next frame of recorded episodes, each from the true latents before it.

    Args:
        rnn: with a joint mixture.
        recordings: the episodes.
        seed: decides the latents that are drawn.
        temperature: of the drawn latents, see `Mixture.sample`.
    """

    def predict(mu: Any, actions: Any, noise: dict) -> tuple:
        return _predict_batch(rnn, temperature, mu, actions, noise)

    predict, predictions = compiled(predict), []
    for number, start in enumerate(range(0, len(recordings), BATCH)):
        part = recordings[start : start + BATCH]
        longest = max(len(r.actions) for r in part)
        steps = longest + -longest % STEP
        mu = np.stack([_padded(r.mu, steps + 1) for r in part])
        actions = np.stack([_padded(r.actions, steps) for r in part])
        noise = _noise(rnn, mu, np.random.default_rng([seed, number]))
        results = [np.asarray(r) for r in predict(mu, actions, noise)]
        for row, recording in enumerate(part):
            length = len(recording.actions)
            predictions.append(Prediction(*(r[row, :length] for r in results)))
    return predictions


def _noise(rnn: MDNRNN, mu: np.ndarray, rng: np.random.Generator) -> dict:
    """Draw the noise of the frames after the first of episodes `(B, L + 1, Z)`."""
    following = mu[:, 1:]
    noise = {
        "choice": rng.gumbel(size=(following.shape[0] * following.shape[1], rnn.num_mixtures)),
        "spread": rng.standard_normal(following.shape),
    }
    return {name: values.astype(np.float32) for name, values in noise.items()}


def _predict_batch(rnn: MDNRNN, temperature: float, mu: Any, actions: Any, noise: dict) -> tuple:
    mixture = rnn.mixture
    raw = rnn.predictions(rnn.hidden(mu[:, :-1], actions))["mixture"]
    logits, means, sigmas = mixture.split(raw)
    distance = (mu[:, 1:, None] * rnn.latent_scale - means) / sigmas
    fit = -ops.sum(0.5 * ops.square(distance) + ops.log(sigmas), axis=-1)
    flat = ops.reshape(raw, (-1, mixture.parameters))
    spread = ops.reshape(noise["spread"], (-1, rnn.latent_size))
    latents, _ = mixture.sample(flat, (noise["choice"], spread), temperature)
    latents = ops.reshape(latents / rnn.latent_scale, ops.shape(noise["spread"]))
    return ops.softmax(logits), ops.softmax(logits + fit), latents


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    return np.pad(values, ((0, length - len(values)), (0, 0)))
