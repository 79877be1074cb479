"""A film of an agent: the real game, what its VAE saw, and a dream, side by side.

# whole episodes of a trained controller, in any game
python -m reverie.controllers.film controller_folder/controller.h5 --seed 7 --output film.mp4

# where its networks lie elsewhere than it says
python -m reverie.controllers.film controller.h5 --vae_weights vae.h5 --rnn_weights rnn.h5
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.controllers.controller import load_controller
from reverie.dreams.options import DreamOptions
from reverie.games import game_class
from reverie.games.game import frame_options
from reverie.headers import WeightsHeader, open_header
from reverie.latents.storage import load_first_frames
from reverie.lineage import find_networks
from reverie.rollouts.workers import GameWorkers
from reverie.stage import conduct
from reverie.training.weights import load_network


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("controller", type=flags.artifact, help="the controller.h5 of stage 5")
    parser.add_argument("--output", type=Path, default=Path("film.mp4"))
    parser.add_argument(
        "--seed", type=flags.seed, default=0, help="of the episode and of the dream"
    )
    where = "where it is not at the place that the controller names"
    parser.add_argument("--vae_weights", type=flags.artifact, help=f"its VAE, {where}")
    parser.add_argument("--rnn_weights", type=flags.artifact, help=f"its MDN-RNN, {where}")
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
    steps, spread = options["time_steps"], header.sigma_temperature
    dreaming = DreamOptions(header.temperature, steps, sigma_temperature=spread)
    start_backend()
    from reverie.controllers.agents import Agents, ControlledAgents
    from reverie.controllers.footage import film_agent
    from reverie.dreams.dream import Dream

    vae, rnn = load_network(vae_path, "VAE"), load_network(rnn_path, "MDNRNN")
    agents = ControlledAgents(Agents(vae, rnn, 1), controller)
    dream = Dream(rnn, *load_first_frames(rnn_path), dreaming)
    times = {"seed": args.seed, "fps": game.fps, "longest": steps}
    with GameWorkers(header.game, options | game.scored_with, 1) as workers:
        film_agent(args.output, workers, agents, dream, parameters, **times)
    print(f"film in {args.output}")


if __name__ == "__main__":
    sys.exit(main())
