"""Calibration of the predicted ends: right where the probabilities are true, wrong elsewhere."""

import numpy as np
import pytest
from helpers import write_latents

from reverie.dreams.calibration import calibration, save_calibration
from reverie.latents.storage import Latents
from reverie.latents.windows import EpisodeStream

EPISODES, LONGEST = 400, 200


class KnownEnds:
    """Stands for a network: the logit of an end is a number that each frame shows."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def predict_on_batch(self, x):
        return {"termination": x["mu"][:, :-1, :1][..., 0] + self.shift}


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """Return episodes in which every step ends with the probability that its frame shows."""
    rng = np.random.default_rng(0)
    logits = rng.uniform(-7, 0, (EPISODES, LONGEST + 1)).astype(np.float16)
    ends = rng.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits.astype(float)))
    ends[:, LONGEST - 1] = True
    lengths = ends.argmax(axis=1) + 1
    mu = [row[: length + 1, None] for row, length in zip(logits, lengths)]
    last = np.arange(lengths.sum())[np.cumsum(lengths) - 1]
    terminations = np.zeros(lengths.sum(), bool)
    terminations[last] = lengths < LONGEST
    changes = {"mu": np.concatenate(mu), "terminations": terminations}
    path = tmp_path_factory.mktemp("ends") / "latents.npz"
    write_latents(path, lengths.tolist(), 1, **changes)
    return EpisodeStream(Latents(path), list(range(EPISODES)), 30, 16)


def deviations(result):
    """Return how many standard errors each bin's observed rate lies from the predicted one."""
    predicted, observed, steps = (
        np.array(result[name]) for name in ("predicted", "observed", "steps")
    )
    return (observed - predicted) / np.sqrt(predicted * (1 - predicted) / steps)


def test_true_probabilities_are_calibrated(stream):
    result = calibration(KnownEnds(), stream)
    assert len(result["predicted"]) == 8
    assert result["predicted"] == sorted(result["predicted"])
    assert result["predicted"][-1] > 10 * result["predicted"][0]
    assert np.abs(deviations(result)).max() < 4
    assert sum(result["steps"]) == stream.latents.lengths.sum()
    assert result["observed_ends"] == stream.latents.arrays["terminations"].sum()
    assert result["expected_ends"] == pytest.approx(result["observed_ends"], rel=0.15)


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_shifted_probabilities_are_not(stream, shift):
    result = calibration(KnownEnds(shift), stream)
    assert (deviations(result) * -shift > 0).all()
    assert np.abs(deviations(result)).min() > 2
    ratio = result["expected_ends"] / result["observed_ends"]
    assert ratio > 1.8 if shift > 0 else ratio < 0.6


def test_the_picture(stream, tmp_path):
    save_calibration(tmp_path / "calibration.png", calibration(KnownEnds(), stream))
    assert (tmp_path / "calibration.png").read_bytes()[:4] == b"\x89PNG"
