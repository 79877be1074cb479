"""Dreams along recorded actions beside what was recorded: decoded frames, and what is true of them.

Axes: N states, Z latent dimensions.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from reverie.dreams.dream import Dream, State
from reverie.dreams.options import DreamOptions
from reverie.dreams.recorded import Recorded
from reverie.encoders.probes import Part, place_probe, standardised
from reverie.evaluate.held_out import HeldOut
from reverie.latents.encoding import decode
from reverie.models.mdn_rnn import MDNRNN
from reverie.models.vae import VAE
from reverie.reports.scores import mean_over_episodes
from reverie.stage import progress, stop_signal

HORIZONS = (1, 5, 15, 50, 100)  # steps after a state
SAME = 60.0  # dB, of frames that are equal
FITTED = 5000  # frames that a probe learns from, about


class OneComponent:
    """The one-component head of a network in the place of its mixture, for `Dream`.

    Args:
        rnn: with the head `gaussian`.
    """

    num_mixtures, form = 1, "joint"

    def __init__(self, rnn: MDNRNN) -> None:
        self.rnn, self.mixture, self.step = rnn, rnn.gaussian, rnn.step
        self.latent_size, self.units, self.latent_scale = (
            rnn.latent_size,
            rnn.units,
            rnn.latent_scale,
        )

    def predictions(self, hidden: Any) -> dict[str, Any]:
        """Turn LSTM outputs `(B, H)` into predictions, see `MDNRNN.predictions`."""
        return self.rnn.predictions(hidden) | {"mixture": self.rnn.gaussian_head(hidden)}


@dataclass(frozen=True)
class OpenLoop:
    """Dreams that went on from recorded states.

    Attributes:
        held_out: the recording.
        recorded: what came after the states.
        latents: of the dreams, `(N, T + 1, Z)` by the name of who dreams.
    """

    held_out: HeldOut
    recorded: Recorded
    latents: dict[str, np.ndarray]

    def rows(self, steps: int) -> np.ndarray:
        """Return the states whose recording goes on for so many steps without the game's end."""
        going = self.recorded.alive[:, steps - 1] > 0
        return np.flatnonzero(going & (self.recorded.ends[:, steps - 1] == 0))

    def frames(self, rows: np.ndarray, steps: int) -> np.ndarray:
        """Read the recorded frames so many steps after some states."""
        recorded = self.recorded
        read = [
            self.held_out.frames(recorded.episodes[row], [recorded.steps[row] + steps])[0]
            for row in rows
        ]
        return np.stack(read)

    def index(self, rows: np.ndarray, steps: int) -> np.ndarray:
        """Return the rows in the latents of the frames so many steps after some states."""
        starts = self.held_out.latents.frame_starts[self.recorded.episodes[rows]]
        return starts + self.recorded.steps[rows] + steps


def dream_on(
    rnn: MDNRNN,
    held_out: HeldOut,
    state: State,
    recorded: Recorded,
    *,
    temperature: float,
    seed: int,
) -> OpenLoop:
    """Dream once from every state along the recorded actions, with all of its heads."""
    dreamers = {"mixture": rnn}
    if "gaussian" in rnn.heads:
        dreamers["one component"] = OneComponent(rnn)
    options, latents = DreamOptions(temperature=temperature), {}
    actions = recorded.actions[:, : HORIZONS[-1]]
    for name, dreamer in dreamers.items():
        dream = Dream(dreamer, *held_out.latents.first_frames(), options)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using a softmax")  # of one component
            latents[name] = dream.onward(state, actions, seed).latents
        stop_signal.check()
    return OpenLoop(held_out, recorded, latents)


def frame_errors(vae: VAE, dreams: OpenLoop) -> dict[str, dict]:
    """Compare decoded dreams with the recorded frames.

    Returns:
        By the number of steps `states` and, by name, `psnr` in dB (at most 60) and `ssim` of the
        mixture's dream, the one component's, the last frame copied, and the reconstruction, which
        no dream can surpass by much. Means have 95 % intervals over episodes.
    """
    result = {}
    for steps in progress(HORIZONS, desc="open-loop frames"):
        rows = dreams.rows(steps)
        if not len(rows):
            continue
        true = dreams.frames(rows, steps)
        mu = dreams.held_out.latents.arrays["mu"][dreams.index(rows, steps)]
        shown = {name: decode(vae, z[rows, steps]) for name, z in dreams.latents.items()}
        shown["last frame copied"] = dreams.frames(rows, 0)
        shown["reconstruction"] = decode(vae, np.asarray(mu, np.float32))
        episodes = dreams.recorded.episodes[rows]
        errors = {name: _compared(true, frames, episodes) for name, frames in shown.items()}
        result[str(steps)] = {"states": len(rows)} | errors
        stop_signal.check()
    return result


def _compared(true: np.ndarray, frames: np.ndarray, episodes: np.ndarray) -> dict[str, dict]:
    ours, theirs = (tf.convert_to_tensor(each) for each in (true, frames))
    values = {"psnr": tf.image.psnr(ours, theirs, 255), "ssim": tf.image.ssim(ours, theirs, 255)}
    return {
        name: mean_over_episodes(np.minimum(np.asarray(value, float), SAME), None, episodes)
        for name, value in values.items()
    }


def truth_errors(dreams: OpenLoop) -> dict[str, dict]:
    """Compare what a linear probe reads from dreamt latents with what was true.

    Returns:
        By what is true and the number of steps: the mean `true` value and the mean that is read
        from `dreams`; mean absolute errors `dream_error`, of dreams, `latents_error`, of the
        recorded latents at that step, and `copy_error`, of the true value at the beginning.
    """
    held_out, result = dreams.held_out, {}
    every = max(1, int(held_out.latents.lengths[held_out.train].sum()) // FITTED)
    index, episodes = frames_of(held_out, held_out.train, every)
    mu = held_out.latents.arrays["mu"]
    fit = Part(np.asarray(mu[index], np.float32), episodes)
    for name, values in held_out.truth().items():
        codes, _ = standardised(fit, fit)
        probe = place_probe(codes, values[index][:, None])
        if probe is None:
            continue

        def read(latents: np.ndarray, probe: Any = probe) -> np.ndarray:
            part = Part(np.asarray(latents, np.float32), np.zeros(len(latents), int))
            return probe(standardised(fit, part)[1].codes)[:, 0]

        result[name] = {
            str(steps): _read(dreams, values, read, steps)
            for steps in HORIZONS
            if len(dreams.rows(steps))
        }
    return result


def _read(dreams: OpenLoop, values: np.ndarray, read: Any, steps: int) -> dict[str, dict]:
    rows = dreams.rows(steps)
    episodes, there = dreams.recorded.episodes[rows], dreams.index(rows, steps)
    true, dreamt = values[there], read(dreams.latents["mixture"][rows, steps])
    seen = read(dreams.held_out.latents.arrays["mu"][there])
    columns = {
        "true": true,
        "dreams": dreamt,
        "dream_error": np.abs(dreamt - true),
        "latents_error": np.abs(seen - true),
        "copy_error": np.abs(values[dreams.index(rows, 0)] - true),
    }
    return {name: mean_over_episodes(column, None, episodes) for name, column in columns.items()}


def frames_of(held_out: HeldOut, episodes: list[int], every: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in the latents of each n-th frame of some episodes, and their episodes."""
    lengths = held_out.latents.lengths
    rows = [held_out.frame_index(e, np.arange(1, lengths[e] + 1, every)) for e in episodes]
    # numbered from 0 on: probes choose by these numbers
    numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return np.concatenate(rows), numbers
