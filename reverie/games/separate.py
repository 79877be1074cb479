"""Games of which one process plays one at a time, behind the interface of a batch."""

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium


class Separate:
    """Several games, one after the other in every step, see `reverie.games.procgen.Batch`.

    Args:
        games: that are started already.

    Attributes:
        fresh: by slot, first frame and info of the episodes that began in the last step.
    """

    def __init__(self, games: Sequence[gymnasium.Env]) -> None:
        self.games, self.count = list(games), len(games)
        self.fresh: dict[int, tuple] = {}
        self._queued = [0] * self.count

    def queue(self, slot: int, seed: int) -> None:
        """Say which episode a slot plays when its present one is over."""
        self._queued[slot] = seed

    def step(self, actions: dict[int, Any]) -> Iterator[tuple[int, tuple]]:
        """Play one step of all; slots without an action end their episode and begin the next.

        Yields:
            For each action its slot and what gymnasium's `step` returns.
        """
        self.fresh = {}
        for slot, game in enumerate(self.games):
            over = slot not in actions
            if not over:
                result = game.step(actions[slot])
                over = result[2] or result[3]
                yield slot, result
            if over:
                self.fresh[slot] = game.reset(seed=self._queued[slot])

    def close(self) -> None:
        """End the games."""
        for game in self.games:
            game.close()
