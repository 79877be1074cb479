"""What is seen in a decoded frame: a small classifier trained on the game's own ground truth.

It is trained on reconstructions of recorded frames, because dreams are decoded by the same VAE, and
evaluated on reconstructions of held-out episodes. What the VAE has wiped out nobody can detect; the
accuracy says how much that is, and stands beside every figure that rests on the detector.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, file_hash
from reverie.backend import compiled
from reverie.headers import WeightsHeader, open_header
from reverie.mixtures.scenes import EVENTS, Scene, labels
from reverie.models.detector import Detector
from reverie.models.vae import VAE
from reverie.networks import NETWORKS
from reverie.training.weights import load_network, load_weights, save_weights

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
        notes: what `detector_task` reports: `statements`, `thresholds`, `floor`, `accuracy`.
    """

    def __init__(self, vae: VAE, network: Detector, notes: dict) -> None:
        self.vae, self.network, self.notes = vae, network, notes
        self._detect = compiled(lambda latents: network(vae.decode(latents)))

    @property
    def accuracy(self) -> dict[str, dict]:
        """How good it is on held-out episodes, by label, see `detection_accuracy`."""
        return self.notes["accuracy"]

    def scene(self, latents: np.ndarray) -> Scene:
        """Say what is in neighbouring frames, from their latents `(T, Z)`."""
        holds = self.logits(latents) > np.asarray(self.notes["thresholds"])
        return scene_of(smoothed(holds), self.notes["statements"], self.notes["floor"])

    def logits(self, latents: np.ndarray) -> np.ndarray:
        """Return a logit for every statement of every frame: `(T, E)`."""
        parts = []
        for start in range(0, len(latents), DECODED):
            part = np.asarray(latents[start : start + DECODED], np.float32)
            padded = np.pad(part, ((0, -len(part) % 64), (0, 0)))
            parts.append(np.asarray(self._detect(padded))[: len(part)])
        return np.concatenate(parts)


def smoothed(holds: np.ndarray) -> np.ndarray:
    """Replace every detection `(T, E)` by the majority of those around it."""
    half = SMOOTHING // 2
    padded = np.pad(holds.astype(int), ((half, half), (0, 0)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    return sums[SMOOTHING:] - sums[:-SMOOTHING] > half


def scene_of(holds: np.ndarray, statements: list[Statement], floor: dict[str, int]) -> Scene:
    """Turn detections `(T, E)` into a scene; a count is its floor plus what holds beyond it."""
    fields = {name: np.full(len(holds), floor.get(name, 0)) for name in FIELDS}
    for column, (name, _) in zip(holds.T, statements):
        fields[name] = fields[name] + column
    switches = ("explosion", "left_wall", "right_wall")
    return Scene(**fields | {name: fields[name] > 0 for name in switches})


def open_detector(
    path: Path, vae: VAE, vae_weights: Path, rollouts: Path, seed: int = 0
) -> SceneDetector:
    """Load the detector of a VAE, or train it on the rollouts and keep it at `path`.

    Training has a run folder beside it, `<name>_training/`; the same call again continues.

    Raises:
        InputError: the rollouts cannot be used, or the detector there belongs to another VAE.
    """
    path = Path(path)
    if not path.is_file():
        _train(path, vae, file_hash(vae_weights), Path(rollouts), seed)
    return SceneDetector(vae, *load_detector(path, vae_weights))  # what was kept, rounding and all


def _train(path: Path, vae: VAE, vae_hash: str, rollouts: Path, seed: int) -> None:
    from reverie.mixtures.detector_task import OPTIONS, detector_task
    from reverie.training.fit import fit

    task = detector_task(vae, vae_hash, rollouts, seed)
    folder = path.parent / f"{path.stem}_training"
    notes = fit(task, folder, OPTIONS)
    network = task.build()
    load_weights(folder / task.weights, network)
    save_weights(path, network, replace(task.header, notes=notes), dtype="float16")


def load_detector(path: Path, vae_weights: Path) -> tuple[Detector, dict]:
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
