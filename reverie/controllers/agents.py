"""Agents in the real game: what a VAE sees of it, what an LSTM remembers, what a controller does.

Axes: B agents, Z latent dimensions, H LSTM units, A numbers in the code of an action.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from reverie.backend import compiled
from reverie.controllers.controller import Controller, load_controller
from reverie.dreams.features import join_features
from reverie.dreams.recorded import Played
from reverie.lineage import find_networks
from reverie.models.mdn_rnn import MDNRNN
from reverie.models.vae import VAE
from reverie.rollouts.lockstep import play_in_lockstep
from reverie.rollouts.players import Player
from reverie.rollouts.policies import MAX_HOLD
from reverie.rollouts.workers import GameWorkers
from reverie.training.weights import load_network

Job = tuple[np.ndarray, int, Path | None]  # parameters (P,), seed of the episode, where to record


class Agents:
    """A batch of agents that see with one VAE and remember with one LSTM.

    Args:
        vae: a trained VAE.
        rnn: the MDN-RNN that was trained on its latents.
        count: agents B.
    """

    def __init__(self, vae: VAE, rnn: MDNRNN, count: int) -> None:
        self.vae, self.rnn, self.count = vae, rnn, count
        self.latents = np.zeros((count, rnn.latent_size), np.float32)
        self.hidden = np.zeros((count, rnn.units), np.float32)
        self.cell = np.zeros((count, rnn.units), np.float32)
        self._see = compiled(self.draw_latents, xla=True)
        self._follow = compiled(self._remember_and_see, xla=True)

    def begin(self, agent: int) -> None:
        """Let one agent forget what was before its episode."""
        self.hidden, self.cell = np.array(self.hidden), np.array(self.cell)
        self.hidden[agent] = self.cell[agent] = 0.0

    def draw_latents(self, frames: Any, noise: Any) -> Any:
        """Draw the latents of frames `(B, rows, columns, 3)` with noise `(B, Z)`; in tensors."""
        mu, logvar = self.vae.encode(frames)
        return mu + ops.exp(0.5 * logvar) * noise

    def see(self, frames: np.ndarray, noise: np.ndarray) -> None:
        """Look at frames `(B, rows, columns, 3)` uint8; `latents` are then drawn with the noise."""
        self.latents = np.asarray(self._see(frames, noise.astype(np.float32)))

    def follow(self, codes: np.ndarray, frames: np.ndarray, noise: np.ndarray) -> None:
        """Remember what was seen last and the codes `(B, A)` of the actions after it, then see."""
        known = codes.astype(np.float32), self.latents, self.hidden, self.cell
        results = self._follow(frames, noise.astype(np.float32), *known)
        latents, self.hidden, self.cell = results  # the state stays where it was computed
        self.latents = np.asarray(latents)

    def _remember_and_see(
        self, frames: Any, noise: Any, codes: Any, latents: Any, hidden: Any, cell: Any
    ) -> tuple:
        state = self.rnn.step(latents, codes, [hidden, cell])
        return self.draw_latents(frames, noise), *state

    def observe(self, features: str) -> np.ndarray:
        """Return latents and, by `features`, the LSTM's state, see `reverie.dreams.features`."""
        state = np.asarray(self.hidden), np.asarray(self.cell)
        return join_features(features, self.latents, *state)


class ControlledAgents:
    """Agents that act by controllers, all in one compiled call.

    Each has parameters and a source of noise of its own, so what an agent does depends on its
    episode's seed and not on who plays beside it.

    Args:
        agents: who see and remember.
        controller: the shape of all controllers.
        action_noise: standard deviation of what is added to the codes of their actions, each draw
            held for 1 to 10 steps, like those of the policy `held_random`.
    """

    def __init__(self, agents: Agents, controller: Controller, action_noise: float = 0.0) -> None:
        self.agents, self.controller, self.action_noise = agents, controller, action_noise
        self.parameters = np.zeros((agents.count, controller.size), np.float32)
        self.disturbed = np.zeros((agents.count, controller.action_size), np.float32)
        self.held = np.zeros(agents.count, int)  # steps that a disturbance still lasts
        self.codes = np.zeros((agents.count, controller.action_size), np.float32)
        self.noise = [np.random.default_rng(0) for _ in range(agents.count)]
        self._given = ops.convert_to_tensor(self.parameters)
        self._decide = compiled(self._perceive_and_act, xla=True)

    def begin(self, agent: int, parameters: np.ndarray, seed: int) -> None:
        """Start an episode of one agent."""
        self.agents.begin(agent)
        self.parameters[agent] = parameters
        self._given = ops.convert_to_tensor(self.parameters)
        self.noise[agent] = np.random.default_rng([seed, 2])
        self.held[agent] = 0

    def act(self, frames: np.ndarray) -> np.ndarray:
        """See frames `(B, rows, columns, 3)` uint8 and return actions as the game takes them."""
        agents, size = self.agents, self.agents.rnn.latent_size
        noise = np.stack([rng.standard_normal(size, np.float32) for rng in self.noise])
        given = (self._disturbance(),) if self.action_noise else ()
        results = self._decide(frames, noise, self._given, agents.hidden, agents.cell, *given)
        codes, latents, agents.hidden, agents.cell = results  # where they were computed
        agents.latents, self.codes = np.asarray(latents), np.array(codes)
        return self.controller.code.decode(self.codes)

    def _disturbance(self) -> np.ndarray:
        """Return what is added to all agents' codes in this step, `(B, A)`."""
        size = self.controller.action_size
        for agent in np.flatnonzero(self.held == 0):
            rng = self.noise[agent]
            self.held[agent] = rng.integers(1, MAX_HOLD + 1)
            self.disturbed[agent] = self.action_noise * rng.standard_normal(size)
        self.held -= 1
        return self.disturbed.copy()

    def _perceive_and_act(
        self,
        frames: Any,
        noise: Any,
        parameters: Any,
        hidden: Any,
        cell: Any,
        disturbance: Any = None,
    ) -> tuple:
        latents = self.agents.draw_latents(frames, noise)
        codes = self.controller.act(parameters, latents, hidden, cell)
        if disturbance is not None:
            codes = self.controller.code.choose(ops.clip(codes + disturbance, -1.0, 1.0))
        hidden, cell = self.agents.rnn.step(latents, codes, [hidden, cell])
        return codes, latents, hidden, cell


def play(
    workers: GameWorkers,
    agents: ControlledAgents,
    jobs: list[Job],
    kept: dict[int, Played | None] | None = None,
) -> Iterator[tuple[int, int, float]]:
    """Play episodes in the real game, a game to each agent, until all jobs are done.

    Args:
        workers: as many as there are agents.
        agents: the players.
        jobs: which parameters play which episode, and where it is recorded.
        kept: what the agents saw and did in the episodes with these seeds is put there.

    Yields:
        Number of the job, length of its episode, return.
    """
    playing: dict[int, Played] = {}

    def begin(agent: int, job: int) -> None:
        parameters, seed, _ = jobs[job]
        agents.begin(agent, parameters, seed)
        playing[agent] = Played()
        if seed in (kept or ()):
            kept[seed] = playing[agent]

    def heed(agent: int, reward: float, terminated: bool) -> None:
        playing[agent].add(agents.agents.latents[agent], agents.codes[agent], reward, terminated)

    episodes = [(seed, path) for _, seed, path in jobs]
    yield from play_in_lockstep(workers, episodes, begin, agents.act, heed=heed if kept else None)


def agent_player(
    path: Path,
    game: str,
    vae_weights: Path | None = None,
    rnn_weights: Path | None = None,
    action_noise: float = 0.0,
) -> Player:
    """Return a player for `Recorder` that records episodes of a trained controller.

    Args:
        path: the controller.
        game: which it shall play.
        vae_weights: its VAE, where it is not at the place that the controller names.
        rnn_weights: its MDN-RNN, likewise.
        action_noise: see `ControlledAgents`.

    Raises:
        InputError: one of the files cannot be used, or they do not belong together.
    """
    controller, parameters, header = load_controller(path, game)
    networks = find_networks(path, header, vae_weights, rnn_weights)
    vae, rnn = load_network(networks[0], "VAE"), load_network(networks[1], "MDNRNN")

    def record(workers: GameWorkers, jobs: list[tuple[int, Path]]) -> Iterator[int]:
        agents = ControlledAgents(Agents(vae, rnn, len(workers)), controller, action_noise)
        for _, steps, _ in play(workers, agents, [(parameters, seed, p) for seed, p in jobs]):
            yield steps

    return record
