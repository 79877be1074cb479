"""Controllers evaluated on a Ray cluster: parameters and seeds travel, never frames."""

from pathlib import Path

import numpy as np

from reverie.controllers.agents import Agents, ControlledAgents, play
from reverie.controllers.controller import Controller
from reverie.rollouts.shares import Evaluator
from reverie.training.weights import load_network


class ControllerEvaluator(Evaluator):
    """Games, networks and agents of one share of a node.

    Args:
        game: the game's name.
        options: what its class takes.
        networks: weights of VAE and MDN-RNN, on a file system that all nodes share.
        controller: the shape of all controllers.
        workers: games at a time.
    """

    def __init__(
        self,
        game: str,
        options: dict,
        networks: tuple[Path, Path],
        controller: Controller,
        workers: int,
    ) -> None:
        super().__init__(game, options, workers)
        vae, rnn = (load_network(path, name) for path, name in zip(networks, ("VAE", "MDNRNN")))
        self.agents = ControlledAgents(Agents(vae, rnn, workers), controller)

    def returns(self, jobs: list[tuple[np.ndarray, int]]) -> list[float]:
        """Return the returns of episodes: parameters `(P,)` and seed of each."""
        results = [0.0] * len(jobs)
        played = [(parameters, seed, None) for parameters, seed in jobs]
        for number, _, total in play(self.workers, self.agents, played):
            results[number] = total
        return results
