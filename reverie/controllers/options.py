"""Options of stage 5."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SearchOptions:
    """How controllers are searched for.

    Attributes:
        train_in: `dream` or `game`: where candidates are evaluated.
        population: candidates of a generation, at least 4.
        rollouts: episodes of a candidate.
        generations: of the search; 0 only evaluates the beginning.
        sigma_init: initial standard deviation of the search.
        features: what a controller sees, see `reverie.dreams.features`.
        seed: decides every draw.
    """

    train_in: str = "dream"
    population: int = 64
    rollouts: int = 16
    generations: int = 200
    sigma_init: float = 0.1
    features: str = "zh"
    seed: int = 0


@dataclass(frozen=True)
class EvaluationOptions:
    """How the mean of a search is evaluated.

    Attributes:
        eval_every: generations between two evaluations.
        eval_episodes: episodes of an evaluation, at least 2.
    """

    eval_every: int = 25
    eval_episodes: int = 100


@dataclass(frozen=True)
class SearchFiles:
    """What a search reads, and where it writes.

    Attributes:
        vae_weights: what stage 2 wrote.
        rnn_weights: what stage 4 wrote.
        folder: the run's.
        initial_controller: an earlier one to go on from.
        other_rnn_weights: of further MDN-RNNs that dream in turn with the first.
    """

    vae_weights: Path
    rnn_weights: Path
    folder: Path
    initial_controller: Path | None = None
    other_rnn_weights: tuple[Path, ...] = ()

    @property
    def inputs(self) -> dict[str, Path]:
        """What decides the result, by name."""
        files = {"vae": self.vae_weights, "rnn": self.rnn_weights}
        if self.initial_controller:
            files["initial_controller"] = self.initial_controller
        files |= {f"rnn_{n}": path for n, path in enumerate(self.other_rnn_weights, 2)}
        return files
