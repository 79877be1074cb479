"""The training of a detector as a task: decoded latents, and what the game says of the frames."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reverie.backend import compiled
from reverie.headers import WeightsHeader
from reverie.mixtures.detectors import SceneDetector, Statement, detection_accuracy
from reverie.mixtures.networks import GAME
from reverie.mixtures.recordings import Recording, encode_recordings, find_recordings
from reverie.mixtures.scenes import Scene
from reverie.models.detector import Detector
from reverie.models.vae import VAE
from reverie.rollouts.frames import split_episodes
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.storage import find_batches
from reverie.seeds import seed_32
from reverie.training.task import History, Task, TrainingOptions

EPISODES = 1000  # to train on, at most
EVERY = 5  # frames: neighbours look alike
BATCH = 128
EVALUATED = 100  # held-out episodes to evaluate on, at most
RARE = 0.02  # a count that fewer frames reach, or fall short of, is not learned
OPTIONS = TrainingOptions(epochs=4, learning_rate=2e-3)


def detector_task(vae: VAE, vae_hash: str, rollouts: Path, seed: int) -> Task:
    """Return the task of training a detector on reconstructions of training episodes.

    Every tenth of the training episodes is left out of the fit, and the thresholds are chosen on
    it: on frames that the network was fitted to it is too sure of itself. What is reported are the
    notes of the detector: `statements`; `thresholds` of the logits at which as many frames are
    said to hold a statement as hold it; `floor` of the counts; `accuracy` on held-out episodes.

    Args:
        vae: decodes.
        vae_hash: of its weights.
        rollouts: folder of the recorded episodes.
        seed: decides weights, noise and order.

    Raises:
        InputError: the rollouts cannot be used.
    """
    episodes = find_recordings(rollouts, EPISODES, held_out=False)
    parts = [[episodes[i] for i in part] for part in split_episodes(len(episodes))]
    fitted, left_out = (encode_recordings(vae, part, EVERY) for part in parts)
    statements, floor = choose_statements(fitted)
    train, held_out = (
        DecodedLatents(vae, part, statements, drawn, seed)
        for part, drawn in ((fitted, True), (left_out, False))
    )
    recorded = rollouts_identity(find_batches(rollouts, GAME))

    def build() -> Detector:
        keras.utils.set_random_seed(seed_32(seed))
        return Detector(len(statements), vae.frame_shape)

    return Task(
        name="detector",
        weights="detector.h5",
        build=build,
        train=train,
        held_out=held_out,
        identity={"vae": vae_hash, "rollouts": recorded, "seed": seed},
        header=WeightsHeader(GAME, vae=vae_hash),
        report=_reporter(vae, held_out, {"statements": statements, "floor": floor}, rollouts),
    )


class DecodedLatents:
    """Batches of decoded frames, and which statements hold of them.

    Args:
        vae: decodes.
        recordings: encoded episodes.
        statements: what may hold.
        drawn: draw latents anew for every batch, as those of dreams are drawn; else take the means.
        seed: decides order and noise.
    """

    def __init__(
        self,
        vae: VAE,
        recordings: list[Recording],
        statements: list[Statement],
        drawn: bool,
        seed: int,
    ) -> None:
        self.mu = np.concatenate([r.mu for r in recordings])
        sigma = np.exp(0.5 * np.concatenate([r.logvar for r in recordings]))
        self.sigma = sigma if drawn else np.zeros_like(sigma)
        self.holds = which_hold(recordings, statements)
        self.decode, self.seed = compiled(vae.decode), seed
        self.batch_size = min(BATCH, len(self.mu))

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return len(self.mu) // self.batch_size

    def batches(self, epoch: int) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield frames `(B, rows, columns, 3)` in [0, 1] and what holds of them, `(B, E)`."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.mu))
        for step in range(self.steps_per_epoch):
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            mu = self.mu[rows]
            drawn = mu + self.sigma[rows] * rng.standard_normal(mu.shape, np.float32)
            yield self.decode(drawn), self.holds[rows].astype(np.float32)

    def weight(self, batch: tuple) -> float:
        """Return the number of frames in a batch."""
        return float(len(batch[1]))


def which_hold(recordings: list[Recording], statements: list[Statement]) -> np.ndarray:
    """Return which statements hold of all frames, `(N, E)` bool."""
    columns = [
        np.concatenate([getattr(r.scene, name) >= least for r in recordings])
        for name, least in statements
    ]
    return np.stack(columns, axis=1)


def choose_statements(recordings: list[Recording]) -> tuple[list[Statement], dict[str, int]]:
    """Choose the counts that are neither almost always nor almost never reached.

    Returns:
        The statements, and what is almost always reached, by the name of the count.
    """
    statements, floor = [], {}
    for name in Scene.__dataclass_fields__:
        column = np.concatenate([getattr(r.scene, name) for r in recordings])
        top = int(column.max()) if column.dtype != bool else 1
        shares = {least: float((column >= least).mean()) for least in range(1, top + 1)}
        if column.dtype != bool:
            floor[name] = max((n for n, share in shares.items() if share > 1 - RARE), default=0)
            shares = {n: share for n, share in shares.items() if RARE <= share <= 1 - RARE}
        statements += [(name, least) for least in shares or {1: 0.0}]
    return statements, floor


def _reporter(
    vae: VAE, left_out: DecodedLatents, notes: dict, rollouts: Path
) -> Callable[[Detector, History], dict]:
    """Return what chooses the thresholds and evaluates the detector on held-out episodes."""

    def report(detector: Detector, _: History) -> dict:
        undecided = notes | {"thresholds": [0.0] * len(notes["statements"])}
        logits = SceneDetector(vae, detector, undecided).logits(left_out.mu)
        shares = left_out.holds.mean(axis=0)
        thresholds = [float(np.quantile(c, 1.0 - share)) for c, share in zip(logits.T, shares)]
        decided = notes | {"thresholds": thresholds}
        found = SceneDetector(vae, detector, decided)
        held_out = encode_recordings(vae, find_recordings(rollouts, EVALUATED, held_out=True))
        scenes = [r.scene for r in held_out], [found.scene(r.mu) for r in held_out]
        return decided | {"accuracy": detection_accuracy(*scenes)}

    return report
