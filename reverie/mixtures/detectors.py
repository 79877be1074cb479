"""What is seen in a decoded frame: a small classifier trained on the game's own ground truth.

It is trained on reconstructions of recorded frames, because dreams are decoded by the same VAE, and
evaluated on reconstructions of held-out episodes. What the VAE has wiped out nobody can detect; the
accuracy says how much that is, and stands beside every figure that rests on the detector.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError, file_hash
from reverie.backend import compiled, start_backend
from reverie.headers import WeightsHeader, open_header
from reverie.mixtures.networks import GAME
from reverie.mixtures.recordings import Recording, encode_recordings, find_recordings
from reverie.mixtures.scenes import EVENTS, Scene, labels
from reverie.networks import NETWORKS
from reverie.rollouts.frames import split_episodes
from reverie.stage import progress
from reverie.training.schedule import warm_cosine
from reverie.training.weights import load_network, save_weights

if TYPE_CHECKING:
    from reverie.models.detector import Detector
    from reverie.models.vae import VAE

EPISODES = 1000  # to train on, at most
EVERY = 5  # frames: neighbours look alike
EPOCHS = 4
BATCH = 128
RATE = 2e-3
EVALUATED = 100  # held-out episodes to evaluate on, at most
RARE = 0.02  # a count that fewer frames reach, or fall short of, is not learned
SMOOTHING = 5  # frames, the median of which is kept: a detector flickers
TOLERANCE = 3  # frames by which a detected event may miss the true one
DECODED = 512  # frames at a time

FIELDS = tuple(Scene.__dataclass_fields__)
Statement = tuple[str, int]  # a field of `Scene` and the value from which on it holds


class SceneDetector:
    """Looks at latents through the VAE's decoder and says what is in the picture.

    Args:
        vae: decodes.
        network: says what is in a picture.
        notes: what `train_detector` found: `statements`, `thresholds`, `floor`, `accuracy`.
    """

    def __init__(self, vae: "VAE", network: "Detector", notes: dict) -> None:
        self.vae, self.network, self.notes = vae, network, notes
        self._detect = compiled(lambda latents: network(vae.decode(latents)))

    @property
    def accuracy(self) -> dict[str, dict]:
        """How good it is on held-out episodes, by label, see `detection_accuracy`."""
        return self.notes["accuracy"]

    def scene(self, latents: np.ndarray) -> Scene:
        """Say what is in neighbouring frames, from their latents `(T, Z)`."""
        holds = self.logits(latents) > np.asarray(self.notes["thresholds"])
        return _scene(_smoothed(holds), self.notes["statements"], self.notes["floor"])

    def logits(self, latents: np.ndarray) -> np.ndarray:
        """Return a logit for every statement of every frame: `(T, E)`."""
        parts = []
        for start in range(0, len(latents), DECODED):
            part = np.asarray(latents[start : start + DECODED], np.float32)
            padded = np.pad(part, ((0, -len(part) % 64), (0, 0)))
            parts.append(np.asarray(self._detect(padded))[: len(part)])
        return np.concatenate(parts)


def _smoothed(holds: np.ndarray) -> np.ndarray:
    """Replace every detection `(T, E)` by the majority of those around it."""
    half = SMOOTHING // 2
    padded = np.pad(holds.astype(int), ((half, half), (0, 0)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    return sums[SMOOTHING:] - sums[:-SMOOTHING] > half


def _scene(holds: np.ndarray, statements: list[Statement], floor: dict[str, int]) -> Scene:
    """Turn detections `(T, E)` into a scene; a count is its floor plus what holds beyond it."""
    fields = {name: np.full(len(holds), floor.get(name, 0)) for name in FIELDS}
    for column, (name, _) in zip(holds.T, statements):
        fields[name] = fields[name] + column
    switches = ("explosion", "left_wall", "right_wall")
    return Scene(**fields | {name: fields[name] > 0 for name in switches})


def open_detector(
    path: Path, vae: "VAE", vae_weights: Path, rollouts: Path, seed: int = 0
) -> SceneDetector:
    """Load the detector of a VAE, or train it on the rollouts and keep it at `path`.

    Raises:
        InputError: the rollouts cannot be used, or the detector there belongs to another VAE.
    """
    path = Path(path)
    if not path.is_file():
        network, notes = train_detector(vae, Path(rollouts), seed)
        header = WeightsHeader(GAME, vae=file_hash(vae_weights), notes=notes)
        save_weights(path, network, header, dtype="float16")
    return SceneDetector(vae, *load_detector(path, vae_weights))  # what was kept, rounding and all


def load_detector(path: Path, vae_weights: Path) -> tuple["Detector", dict]:
    """Load a detector and its notes.

    Raises:
        InputError: the file cannot be used, or the detector knows the pictures of another VAE.
    """
    header = open_header(path, WeightsHeader, network="Detector")
    if header.vae != file_hash(vae_weights):
        raise InputError(
            f"{path}: knows the pictures of another VAE than {vae_weights}; "
            f"{NETWORKS['Detector'].mend}"
        )
    return load_network(path, "Detector"), header.notes


def train_detector(vae: "VAE", rollouts: Path, seed: int) -> tuple["Detector", dict]:
    """Train on reconstructions of training episodes, evaluate on held-out ones.

    Every tenth of the training episodes is left out of the fit, and the thresholds are chosen on
    it: on frames that the network was fitted to it is too sure of itself.

    Returns:
        The detector and its notes: `statements`; `thresholds` of the logits at which as many
        frames are said to hold a statement as hold it; `floor` of the counts; `accuracy`.
    """
    episodes = find_recordings(rollouts, EPISODES, held_out=False)
    parts = [[episodes[i] for i in part] for part in split_episodes(len(episodes))]
    fitted, left_out = (encode_recordings(vae, part, EVERY) for part in parts)
    statements, floor = _statements(fitted)
    start_backend()
    import keras

    from reverie.models.detector import Detector

    keras.utils.set_random_seed(seed)
    network = Detector(len(statements), vae.frame_shape)
    _fit(network, vae, fitted, statements, seed)
    notes = {"statements": statements, "floor": floor, "thresholds": [0.0] * len(statements)}
    logits = SceneDetector(vae, network, notes).logits(np.concatenate([r.mu for r in left_out]))
    holds = _truth(left_out, statements).mean(axis=0)
    notes["thresholds"] = [float(np.quantile(c, 1.0 - h)) for c, h in zip(logits.T, holds)]
    detector = SceneDetector(vae, network, notes)
    held_out = encode_recordings(vae, find_recordings(rollouts, EVALUATED, held_out=True))
    notes["accuracy"] = detection_accuracy(
        [r.scene for r in held_out], [detector.scene(r.mu) for r in held_out]
    )
    return network, notes


def _truth(recordings: list[Recording], statements: list[Statement]) -> np.ndarray:
    """Return which statements hold of all frames, `(N, E)` bool."""
    columns = [
        np.concatenate([getattr(r.scene, name) >= least for r in recordings])
        for name, least in statements
    ]
    return np.stack(columns, axis=1)


def _statements(recordings: list[Recording]) -> tuple[list[Statement], dict[str, int]]:
    """Choose the counts that are neither almost always nor almost never reached."""
    statements, floor = [], {}
    for name in FIELDS:
        column = np.concatenate([getattr(r.scene, name) for r in recordings])
        top = int(column.max()) if column.dtype != bool else 1
        shares = {least: float((column >= least).mean()) for least in range(1, top + 1)}
        if column.dtype != bool:
            floor[name] = max((n for n, share in shares.items() if share > 1 - RARE), default=0)
            shares = {n: share for n, share in shares.items() if RARE <= share <= 1 - RARE}
        statements += [(name, least) for least in shares or {1: 0.0}]
    return statements, floor


def _fit(
    detector: "Detector",
    vae: "VAE",
    recordings: list[Recording],
    statements: list[Statement],
    seed: int,
) -> None:
    """Fit to decoded latents that are drawn anew for every batch, as those of dreams are drawn."""
    import keras

    mu = np.concatenate([r.mu for r in recordings])
    sigma = np.exp(0.5 * np.concatenate([r.logvar for r in recordings]))
    truth = _truth(recordings, statements).astype(np.float32)
    decode, rate = compiled(vae.decode), warm_cosine(RATE)
    detector.compile(optimizer=keras.optimizers.Adam(RATE))
    size = min(BATCH, len(mu))
    batches = len(mu) // size
    for epoch in progress(range(EPOCHS), desc="detector"):
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(mu))
        for step in range(batches):
            rows = order[step * size : (step + 1) * size]
            drawn = mu[rows] + sigma[rows] * rng.standard_normal(mu[rows].shape, np.float32)
            detector.optimizer.learning_rate = rate((epoch + step / batches) / EPOCHS)
            detector.train_on_batch(decode(drawn), truth[rows])


def detection_accuracy(truth: list[Scene], detected: list[Scene]) -> dict[str, dict]:
    """Compare detected scenes with the true ones.

    Returns:
        By label: `prevalence`, `precision` and `recall`. For situations also `accuracy`, the mean
        of the recalls of the label and of its absence. An event counts as found if one was
        detected up to 3 frames away.
    """
    result = {}
    for name in labels(truth[0]):
        true, found = ([labels(scene)[name] for scene in scenes] for scenes in (truth, detected))
        event = name in EVENTS
        near = [_widened(t) if event else t for t in true]
        close = [_widened(f) if event else f for f in found]
        true, found, near, close = map(np.concatenate, (true, found, near, close))
        row = {
            "prevalence": float(true.mean()),
            "precision": _share(near, found),
            "recall": _share(close, true),
        }
        if not event:
            present, absent = _share(found, true), _share(~found, ~true)
            row["accuracy"] = None if None in (present, absent) else (present + absent) / 2.0
        result[name] = row
    return result


def _share(holds: np.ndarray, among: np.ndarray) -> float | None:
    return float(holds[among].mean()) if among.any() else None


def _widened(happened: np.ndarray) -> np.ndarray:
    return np.convolve(happened, np.ones(2 * TOLERANCE + 1), "same") > 0
