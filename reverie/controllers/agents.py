"""Agents in the real game: VAE, LSTM state and controller, many at a time in one batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reverie.backend import compiled
from reverie.controllers.controller import Controller, load_controller
from reverie.headers import find_networks
from reverie.rollouts.lockstep import play_in_lockstep
from reverie.rollouts.workers import GameWorkers
from reverie.training.weights import load_network

if TYPE_CHECKING:
    from reverie.models.mdn_rnn import MDNRNN
    from reverie.models.vae import VAE
    from reverie.rollouts.recording import Player

Job = tuple[np.ndarray, int, Path | None]  # parameters (P,), seed of the episode, where to record


class Agents:
    """A batch of agents that see with one VAE and remember with one LSTM.

    Each has a controller, an LSTM state and a source of noise of its own, so what an agent does
    depends on its episode's seed and not on who plays beside it.

    Args:
        vae: a trained VAE.
        rnn: the MDN-RNN that was trained on its latents.
        controller: the shape of all controllers.
        count: agents B.
    """

    def __init__(self, vae: "VAE", rnn: "MDNRNN", controller: Controller, count: int) -> None:
        self.vae, self.rnn, self.controller = vae, rnn, controller
        self.parameters = np.zeros((count, controller.size), np.float32)
        self.hidden = np.zeros((count, rnn.units), np.float32)
        self.cell = np.zeros((count, rnn.units), np.float32)
        self.noise = [np.random.default_rng(0) for _ in range(count)]
        self._decide = compiled(self._perceive_and_act)

    def begin(self, agent: int, parameters: np.ndarray, seed: int) -> None:
        """Start an episode of one agent."""
        self.parameters[agent] = parameters
        self.hidden[agent] = self.cell[agent] = 0.0
        self.noise[agent] = np.random.default_rng([seed, 2])

    def act(self, frames: np.ndarray) -> np.ndarray:
        """See `(B, rows, columns, 3)` uint8 and return actions as the game takes them."""
        noise = [rng.standard_normal(self.rnn.latent_size, np.float32) for rng in self.noise]
        actions, self.latents, hidden, cell = self._decide(
            frames, np.stack(noise), self.parameters, self.hidden, self.cell
        )
        self.hidden, self.cell = np.array(hidden), np.array(cell)
        return self.controller.code.decode(np.asarray(actions))

    def _perceive_and_act(
        self, frames: Any, noise: Any, parameters: Any, hidden: Any, cell: Any
    ) -> tuple:
        from keras import ops

        mu, logvar = self.vae.encode(frames)
        latents = mu + ops.exp(0.5 * logvar) * noise
        actions = self.controller.act(parameters, latents, hidden, cell)
        hidden, cell = self.rnn.step(latents, actions, [hidden, cell])
        return actions, latents, hidden, cell


def play(workers: GameWorkers, agents: Agents, jobs: list[Job]) -> Iterator[tuple[int, int, float]]:
    """Play episodes in the real game, a game to each agent, until all jobs are done.

    Args:
        workers: as many as there are agents.
        agents: the players.
        jobs: which parameters play which episode, and where it is recorded.

    Yields:
        Number of the job, length of its episode, return.
    """

    def begin(agent: int, job: int) -> None:
        parameters, seed, _ = jobs[job]
        agents.begin(agent, parameters, seed)

    episodes = [(seed, path) for _, seed, path in jobs]
    yield from play_in_lockstep(workers, episodes, begin, agents.act)


def agent_player(
    path: Path, game: str, vae_weights: Path | None = None, rnn_weights: Path | None = None
) -> "Player":
    """Return a player for `Recorder` that records episodes of a trained controller.

    Args:
        path: the controller.
        game: which it shall play.
        vae_weights: its VAE, where it is not at the place that the controller names.
        rnn_weights: its MDN-RNN, likewise.

    Raises:
        InputError: one of the files cannot be used, or they do not belong together.
    """
    controller, parameters, header = load_controller(path, game)
    networks = find_networks(path, header, vae_weights, rnn_weights)
    vae, rnn = load_network(networks[0], "VAE"), load_network(networks[1], "MDNRNN")

    def record(workers: GameWorkers, jobs: list[tuple[int, Path]]) -> Iterator[int]:
        agents = Agents(vae, rnn, controller, len(workers))
        for _, steps, _ in play(workers, agents, [(parameters, seed, p) for seed, p in jobs]):
            yield steps

    return record
