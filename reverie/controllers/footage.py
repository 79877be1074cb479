"""Frames of an agent in the real game, what its VAE saw of them, and frames of its dream."""

from pathlib import Path

import numpy as np

from reverie.backend import compiled
from reverie.controllers.agents import ControlledAgents
from reverie.controllers.controller import Controller
from reverie.dreams.dream import Dream
from reverie.latents.encoding import decode
from reverie.models.vae import VAE
from reverie.reports.films import save_film, save_strip
from reverie.rollouts.lockstep import play_in_lockstep
from reverie.rollouts.workers import GameWorkers

STEPS = 700  # of the film that stage 5 leaves, 20 seconds at Doom's 35 tics


def game_footage(
    workers: GameWorkers, agents: ControlledAgents, parameters: np.ndarray, seed: int, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Play with one agent; return frames `(T, rows, columns, 3)` and what its VAE saw of them."""
    frames: list[np.ndarray] = []
    seen: list[np.ndarray] = []

    def begin(agent: int, _: int) -> None:
        agents.begin(agent, parameters, seed)
        frames.clear()
        seen.clear()

    def act(observations: np.ndarray) -> np.ndarray:
        actions = agents.act(observations)
        frames.append(observations[0].copy())
        seen.append(agents.agents.latents[0])
        return actions

    list(play_in_lockstep(workers, [(seed, None)], begin, act, longest))
    return np.stack(frames), decode(agents.agents.vae, np.stack(seen))


def dream_footage(
    dream: Dream, vae: VAE, controller: Controller, parameters: np.ndarray, seed: int, longest: int
) -> np.ndarray:
    """Let a controller dream once; return the frames `(T, rows, columns, 3)`."""
    state = dream.first_state(1, np.random.default_rng(seed))
    act, step = compiled(controller.act), compiled(dream.step)
    latents, ended = [], False
    while not ended and len(latents) < longest:
        latents.append(np.asarray(state["z"])[0])
        actions = act(parameters[None].astype(np.float32), state["z"], state["h"], state["c"])
        state, _, ends = step(state, actions, dream.noise((1,), seed, len(latents)))
        ended = bool(np.asarray(ends)[0])
    return decode(vae, np.stack(latents))


def film_agent(
    path: Path,
    workers: GameWorkers,
    agents: ControlledAgents,
    dream: Dream,
    parameters: np.ndarray,
    *,
    seed: int,
    fps: int,
    longest: int = STEPS,
) -> None:
    """Write a film and, beside it, a strip of its frames as PNG: game, what the VAE saw, a dream.

    Args:
        path: of the film, an MP4.
        workers: the real game.
        agents: as many as there are workers; the first one is filmed.
        dream: where it dreams.
        parameters: of its controller, `(P,)`.
        seed: of the episode and of the dream.
        fps: frames a second.
        longest: frames, at most.
    """
    played, seen = game_footage(workers, agents, parameters, seed, longest)
    vae, controller = agents.agents.vae, agents.controller
    dreamt = dream_footage(dream, vae, controller, parameters, seed, longest)
    films = {"game": played, "seen by the VAE": seen, "dream": dreamt}
    save_film(path, films, fps)
    save_strip(path.with_suffix(".png"), films)
