"""The real game at play, in a process of its own, every episode recorded as it goes."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from reverie.rollouts.workers import LOST, GameWorkers


class PlayedGame:
    """A game that is played step by step, and can go back: the same seed and actions play again.

    Args:
        name: the game's name.
        options: what its class takes.
    """

    def __init__(self, name: str, options: dict) -> None:
        self._workers = GameWorkers(name, options, 1)
        self._folder = tempfile.TemporaryDirectory(prefix="reverie_play_")
        self.recorded = Path(self._folder.name) / "episode.h5"

    def _ask(self, method: str, *arguments: Any) -> Any:
        answer = self._workers.ask({0: (method, *arguments)})[0]
        if answer is LOST:
            raise RuntimeError("its process has died; begin a new episode")
        return answer

    def replay(self, seed: int, actions: list) -> np.ndarray:
        """Start an episode, play actions if there are any, and return the frame."""
        self.recorded.unlink(missing_ok=True)
        return self._ask("replay", seed, actions, self.recorded)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool]:
        """Play one step; return frame, reward and whether the episode is over."""
        frame, reward, terminated, truncated = self._ask("step", action)
        return frame, reward, terminated or truncated

    def cut(self) -> None:
        """Make the episode so far a whole one, at `recorded`."""
        if not self.recorded.exists():
            self._ask("cut")

    def suggest(self, policy: str) -> Any:
        """Return the action of one of the game's own policies."""
        return self._ask("suggest", policy)

    def close(self) -> None:
        """End the game and its process."""
        self._workers.__exit__()
        self._folder.cleanup()
