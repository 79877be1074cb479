"""Score controllers in the real game, and policies that do not look beside them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from reverie.agents import Agents, play
from reverie.controllers import Controller
from reverie.policies import OPEN_LOOP, open_loop_actions
from reverie.scores import summary
from reverie.stage import progress, stop_signal
from reverie.workers import GameWorkers

if TYPE_CHECKING:
    from models.mdn_rnn import MDNRNN
    from models.vae import VAE
    from reverie.dreams import Dream


class GameScorer:
    """Plays the real game with a pool of workers and one batched network.

    Args:
        workers: the games.
        vae: a trained VAE.
        rnn: the MDN-RNN trained on its latents.
        controller: the shape of the controllers.
    """

    def __init__(
        self, workers: GameWorkers, vae: "VAE", rnn: "MDNRNN", controller: Controller
    ) -> None:
        self.workers = workers
        self._agents = Agents(vae, rnn, controller, len(workers.connections))

    def returns(self, parameters: np.ndarray, seeds: list[int]) -> np.ndarray:
        """Play every controller on every seed; return `(N, len(seeds))`."""
        jobs = [(row, seed, None) for row in parameters for seed in seeds]
        results = np.zeros(len(jobs))
        with progress(total=len(jobs), desc="game") as bar:
            for job, _, total in play(self.workers, self._agents, jobs):
                results[job] = total
                bar.update()
                stop_signal.check()
        return results.reshape(len(parameters), len(seeds))

    def open_loop_returns(self, policy: str, seeds: list[int]) -> np.ndarray:
        """Play a policy that does not look on every seed: `(len(seeds),)`."""
        results = dict(self._played(policy, seeds))
        return np.array([results[seed] for seed in seeds])

    def _played(self, policy: str, seeds: list[int]) -> Iterator[tuple[int, float]]:
        for (seed, _), (_, total) in self.workers.map("play", [(s, policy) for s in seeds]):
            stop_signal.check()
            yield seed, total


def dream_lengths(dream: "Dream", policy: str, seeds: list[int]) -> np.ndarray:
    """Dream along the actions of a policy that does not look; return the lengths."""
    import gymnasium

    space = gymnasium.spaces.Box(-1.0, 1.0, (dream.rnn.action_size,), np.float32)
    steps = dream.options.time_steps
    actions = np.stack([open_loop_actions(policy, seed, steps, space) for seed in seeds])
    return dream.play_actions(actions, seeds[0])[1]


SURVIVAL_EPISODES = 40  # of each policy; the mean length is then known to a tenth


def compare_survival(
    scorer: GameScorer, dream: "Dream", seeds: list[int], limit: float
) -> dict[str, dict]:
    """Compare how long policies that do not look live in the dream and in the game.

    Returns:
        For each policy `dream` and `game`, summaries of lengths, and their `ratio`.
    """
    result, seeds = {}, seeds[:SURVIVAL_EPISODES]
    for policy in OPEN_LOOP:
        dreamt = summary(dream_lengths(dream, policy, seeds), limit)
        played = summary(scorer.open_loop_returns(policy, seeds), limit)
        ratio = dreamt["mean"] / played["mean"]
        result[policy] = {"dream": dreamt, "game": played, "ratio": ratio}
    return result
