"""What an evaluation reads and how much it looks at."""

from dataclasses import dataclass
from pathlib import Path

RESULT = "evaluation.json"


@dataclass(frozen=True)
class EvaluationFiles:
    """What an evaluation reads, and where it writes.

    Attributes:
        vae_weights: what stage 2 wrote.
        rnn_weights: what stage 4 wrote.
        latents: what stage 3 wrote with that VAE.
        rollouts: the folder that was encoded.
        controllers: folders of stage 5 with that MDN-RNN.
        folder: of the results.
    """

    vae_weights: Path
    rnn_weights: Path
    latents: Path
    rollouts: Path
    controllers: tuple[Path, ...]
    folder: Path

    @property
    def result(self) -> Path:
        """All numbers, as JSON."""
        return self.folder / RESULT

    @property
    def page(self) -> Path:
        """The page that shows them."""
        return self.folder / "evaluation.html"


@dataclass(frozen=True)
class EvaluationSize:
    """How much is looked at.

    Attributes:
        episodes: held-out ones, at most.
        states: that open-loop dreams go on from, at most.
        game_episodes: of each policy that does not look, in the game, where stage 5 has not played
            them; 0 plays none.
        temperature: of the dreams.
        seed: decides every draw.
    """

    episodes: int = 100
    states: int = 300
    game_episodes: int = 0
    temperature: float = 1.0
    seed: int = 0
