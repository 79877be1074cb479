"""A film of an agent: the real game, what its VAE saw, and a dream, side by side.

# whole episodes of a trained controller, in any game
python -m reverie.controllers.film controller_folder/controller.h5 --seed 7 --output film.mp4
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError
from reverie.backend import compiled
from reverie.controllers.agents import Agents
from reverie.controllers.controller import Controller, load_controller
from reverie.flags import artifact
from reverie.games import game_class
from reverie.games.game import frame_options
from reverie.headers import WeightsHeader, find_networks, open_header
from reverie.latents.storage import load_first_frames
from reverie.reports.films import save_film, save_strip
from reverie.reports.plots import as_bytes
from reverie.rollouts.lockstep import play_in_lockstep
from reverie.rollouts.workers import GameWorkers
from reverie.stage import conduct
from reverie.training.weights import load_network

if TYPE_CHECKING:
    from reverie.dreams.dream import Dream
    from reverie.models.mdn_rnn import MDNRNN
    from reverie.models.vae import VAE

STEPS = 700  # of the film that stage 5 leaves, 20 seconds at Doom's 35 tics


def film_game(
    workers: GameWorkers, agents: Agents, parameters: np.ndarray, seed: int, longest: int
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
        seen.append(np.asarray(agents.latents)[0])
        return actions

    list(play_in_lockstep(workers, [(seed, None)], begin, act, longest))
    return np.stack(frames), decode(agents.vae, np.stack(seen))


def film_dream(
    dream: "Dream",
    vae: "VAE",
    controller: Controller,
    parameters: np.ndarray,
    seed: int,
    longest: int,
) -> np.ndarray:
    """Let a controller dream once; return the frames `(T, rows, columns, 3)`."""
    rng = np.random.default_rng(seed)
    zeros = np.zeros((1, dream.rnn.units), np.float32)
    state = {"z": dream.first_latents(1, rng), "h": zeros, "c": zeros}
    act = compiled(controller.act)
    step = compiled(dream.step)
    latents, ended = [], False
    while not ended and len(latents) < longest:
        latents.append(np.asarray(state["z"])[0])
        actions = act(parameters[None].astype(np.float32), state["z"], state["h"], state["c"])
        state, _, ends = step(state, actions, dream.noise((1,), seed, len(latents)))
        ended = bool(np.asarray(ends)[0])
    return decode(vae, np.stack(latents))


def decode(vae: "VAE", latents: np.ndarray) -> np.ndarray:
    """Decode latents `(T, Z)` into `(T, rows, columns, 3)` uint8."""
    batches = [latents[start : start + 256] for start in range(0, len(latents), 256)]
    return np.concatenate([as_bytes(np.asarray(vae.decode(batch))) for batch in batches])


def film_agent(
    path: Path,
    workers: GameWorkers,
    networks: tuple["VAE", "MDNRNN"],
    dream: "Dream",
    controller: Controller,
    parameters: np.ndarray,
    seed: int,
    fps: int,
    longest: int = STEPS,
) -> None:
    """Write a film and, beside it, a strip of its frames as PNG: game, what the VAE saw, a dream.

    Args:
        path: of the film, an MP4.
        workers: the real game.
        networks: what the agent sees and remembers with.
        dream: where it dreams.
        controller: its shape.
        parameters: `(P,)`.
        seed: of the episode and of the dream.
        fps: frames a second.
        longest: frames, at most.
    """
    agents = Agents(*networks, controller, len(workers))
    played, seen = film_game(workers, agents, parameters, seed, longest)
    dreamt = film_dream(dream, networks[0], controller, parameters, seed, longest)
    films = {"game": played, "seen by the VAE": seen, "dream": dreamt}
    save_film(path, films, fps)
    save_strip(path.with_suffix(".png"), films)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("controller", type=artifact, help="the controller.h5 of stage 5")
    parser.add_argument("--output", type=Path, default=Path("film.mp4"))
    parser.add_argument("--seed", type=int, default=0, help="of the episode and of the dream")
    where = "where it is not at the place that the controller names"
    parser.add_argument("--vae_weights", type=artifact, help=f"its VAE, {where}")
    parser.add_argument("--rnn_weights", type=artifact, help=f"its MDN-RNN, {where}")
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Film an episode of the controller in its game and in its dream."""
    args = parse_args(argv)
    if args.output.suffix != ".mp4":
        raise InputError(f"--output {args.output}: films are MP4; let it end in .mp4")
    controller, parameters, header = load_controller(args.controller)
    vae_path, rnn_path = find_networks(args.controller, header, args.vae_weights, args.rnn_weights)
    game = game_class(header.game, header.options)
    seen = open_header(vae_path, WeightsHeader, network="VAE").frame_shape
    options = {"time_steps": game.time_steps} | header.options | frame_options(seen)
    steps = options["time_steps"]
    from reverie.dreams.dream import Dream, DreamOptions

    networks = load_network(vae_path, "VAE"), load_network(rnn_path, "MDNRNN")
    dreaming = DreamOptions(header.temperature, steps, sigma_temperature=header.sigma_temperature)
    dream = Dream(networks[1], *load_first_frames(rnn_path), dreaming)
    with GameWorkers(header.game, options | game.scored_with, 1) as workers:
        film_agent(
            args.output,
            workers,
            networks,
            dream,
            controller,
            parameters,
            args.seed,
            game.fps,
            steps,
        )
    print(f"film in {args.output}")


if __name__ == "__main__":
    sys.exit(main())
