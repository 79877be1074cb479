"""Calibration of the termination head: predicted and observed ends on held-out episodes."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from reverie.artifacts import atomic_path
from reverie.backend import predict
from reverie.latents.windows import EpisodeStream, whole_episodes
from reverie.models.mdn_rnn import MDNRNN

BINS = 8  # equally many expected ends in each
BATCH = 16  # whole episodes at a time


def calibration(rnn: MDNRNN, stream: EpisodeStream) -> dict:
    """Compare the predicted probability of ending with what happened, on whole episodes.

    Args:
        rnn: a trained network.
        stream: of the held-out episodes, which are taken whole.

    Returns:
        `predicted` and `observed` probability of ending per step in bins of rising prediction,
        `steps` in each, `expected_ends` and `observed_ends` in all.
    """
    predicted, ends = [], []
    for x, y in whole_episodes(stream.latents, stream.episodes, BATCH):
        logits = np.asarray(predict(rnn, x)["termination"])
        played = y["mask"].astype(bool)
        predicted.append(1.0 / (1.0 + np.exp(-logits[played])))
        ends.append(y["termination"][played])
    return _bins(np.concatenate(predicted), np.concatenate(ends))


def _bins(predicted: np.ndarray, ends: np.ndarray) -> dict:
    order = np.argsort(predicted)
    share = np.cumsum(predicted[order]) / predicted.sum()
    groups = np.split(order, np.searchsorted(share, np.arange(1, BINS) / BINS))
    groups = [group for group in groups if len(group)]
    return {
        "predicted": [float(predicted[group].mean()) for group in groups],
        "observed": [float(ends[group].mean()) for group in groups],
        "steps": [len(group) for group in groups],
        "expected_ends": float(predicted.sum()),
        "observed_ends": int(ends.sum()),
    }


def save_calibration(path: Path, result: dict) -> None:
    """Plot predicted and observed probabilities of ending with binomial standard errors."""
    predicted, observed, steps = (
        np.array(result[key], float) for key in ("predicted", "observed", "steps")
    )
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    spread = np.sqrt(np.maximum(observed, 1.0 / steps) * (1.0 - observed) / steps)
    axes.errorbar(predicted, observed, yerr=spread, fmt="o", capsize=3, label="held-out episodes")
    ends = [predicted.min() / 2, predicted.max() * 2]
    axes.plot(ends, ends, color="grey", linewidth=1, label="calibrated")
    axes.set(xscale="log", yscale="symlog", xlabel="predicted probability of ending per step")
    axes.set_yscale("symlog", linthresh=float(predicted.min()))
    axes.set(ylabel="observed ends per step")
    axes.legend()
    with atomic_path(path, ".png") as temporary:
        figure.savefig(temporary, dpi=110)
