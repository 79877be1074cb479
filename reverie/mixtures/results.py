"""Results of an analysis on disk: where they lie, and whether they are there already."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from reverie.artifacts import UNREADABLE, file_hash
from reverie.mixtures.networks import network_name


@dataclass(frozen=True)
class AnalysisOptions:
    """How much is looked at.

    Attributes:
        episodes: held-out ones.
        dreams: of each kind.
        steps: of the longest dream.
        seed: decides every draw.
    """

    episodes: int = 100
    dreams: int = 50
    steps: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class AnalysisFiles:
    """What an analysis reads, and where it writes.

    Attributes:
        rollouts: a folder of recorded episodes.
        vae_weights: what stage 2 wrote.
        rnn_weights: MDN-RNNs with a joint mixture, trained on that VAE's latents.
        folder: of the results.
    """

    rollouts: Path
    vae_weights: Path
    rnn_weights: tuple[Path, ...]
    folder: Path

    @property
    def names(self) -> list[str]:
        """Names of the networks."""
        return [network_name(path) for path in self.rnn_weights]

    @property
    def collected(self) -> Path:
        """Where all numbers are."""
        return self.folder / "analysis.json"

    def result(self, rnn_weights: Path) -> Path:
        """Where the numbers of one network are; its figures lie beside them."""
        return self.folder / network_name(rnn_weights) / "result.json"


def identity(files: AnalysisFiles, rnn_weights: Path, options: AnalysisOptions) -> dict:
    """Return what decides a network's result."""
    hashes = {"rnn": file_hash(rnn_weights), "vae": file_hash(files.vae_weights)}
    return asdict(options) | hashes


def is_done(files: AnalysisFiles, rnn_weights: Path, options: AnalysisOptions) -> bool:
    """Tell whether a network's result is there."""
    try:
        found = json.loads(files.result(rnn_weights).read_text())
        return found["identity"] == identity(files, rnn_weights, options)
    except (FileNotFoundError, *UNREADABLE):
        return False


def are_collected(files: AnalysisFiles) -> bool:
    """Tell whether the results of these networks are in one file."""
    try:
        return list(json.loads(files.collected.read_text())["networks"]) == files.names
    except (FileNotFoundError, *UNREADABLE):
        return False
