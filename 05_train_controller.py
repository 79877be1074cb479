"""Stage 5: evolve a controller with CMA-ES, in the dream or in the game, and score it in the game.

Writes `<output_folder>/controller.h5` (the mean of the search), `scores.json`, `metrics.jsonl`,
`scores.png` and `film.mp4`. The same command again continues; `--new_model` starts afresh.

    # a minute's try
    python 05_train_controller.py doomrnn --train_in dream --population 8 --rollouts 4 \\
        --generations 3 --eval_episodes 4 --vae_weights tiny/final_full_vae_weights.h5 \\
        --rnn_weights tiny/rnn/run_1/final_rnn_weights.h5 --output_folder tiny/controller

    # the full search in the dream
    python 05_train_controller.py doomrnn --train_in dream --generations 200 \\
        --vae_weights trained_models_folder/final_full_vae_weights.h5 \\
        --rnn_weights trained_rnn_models/run_1/final_rnn_weights.h5 --output_folder controller/

    # go on from an earlier controller, here in the game from what was learned in the dream
    python 05_train_controller.py doomrnn --train_in game --generations 50 \\
        --initial_controller controller/controller.h5 --output_folder awake/ \\
        --vae_weights trained_models_folder/final_full_vae_weights.h5 \\
        --rnn_weights trained_rnn_models/run_1/final_rnn_weights.h5

    # in the game, on a cluster's node
    python 05_train_controller.py doomrnn --train_in game --workers 64 --generations 1800 \\
        --vae_weights $SCRATCH/vae.h5 --rnn_weights $SCRATCH/rnn.h5 --output_folder $SCRATCH/c
"""

import argparse
import sys
from pathlib import Path

from reverie.artifacts import write_config
from reverie.controllers.controller import FEATURES, load_controller
from reverie.cores import usable_cores
from reverie.games import add_game_flags, game_class, game_options
from reverie.headers import WeightsHeader, open_header, open_networks
from reverie.locks import owned
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CONTROLLER_FOLDER, SCORES
from reverie.stage import conduct, progress, stop_signal


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("game", help="the game, e.g. doomrnn")
    files = parser.add_argument_group("files")
    files.add_argument("--vae_weights", type=Path, required=True)
    files.add_argument("--rnn_weights", type=Path, required=True)
    files.add_argument("--output_folder", type=Path, default=CONTROLLER_FOLDER)
    search = parser.add_argument_group("search")
    search.add_argument("--train_in", choices=("dream", "game"), default="dream")
    search.add_argument("--population", type=int, default=64)
    search.add_argument("--rollouts", type=int, default=16, help="episodes of a candidate")
    search.add_argument("--generations", type=int, default=200, help="0 only scores the beginning")
    search.add_argument("--sigma_init", type=float, default=0.1)
    search.add_argument("--features", choices=FEATURES, default="zh")
    search.add_argument("--seed", type=int, default=0)
    search.add_argument("--initial_controller", type=Path, help="an earlier one to go on from")
    search.add_argument("--new_model", action="store_true", help="start afresh")
    dream = parser.add_argument_group("dream and game")
    dream.add_argument("--temperature", type=float, default=1.15)
    dream.add_argument(
        "--sigma_temperature", type=float, help="of the spread inside a component alone"
    )
    dream.add_argument("--threshold_ends", action="store_true", help="end dreams as the article")
    dream.add_argument("--time_steps", type=int, help="longest episode; default: the game's own")
    score = parser.add_argument_group("score")
    score.add_argument("--eval_every", type=int, default=25, help="generations")
    score.add_argument("--eval_episodes", type=int, default=100, help="of the real game")
    score.add_argument(
        "--workers", type=int, default=min(32, 4 * usable_cores()), help="games at a time"
    )
    add_game_flags(parser)
    args = parser.parse_args(argv)
    for name in ("generations", "rollouts", "time_steps", "eval_every", "workers"):
        least = 0 if name == "generations" else 1
        if getattr(args, name) is not None and getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}")
    if args.population < 4 or args.eval_episodes < 2:
        parser.error("--population must be at least 4, --eval_episodes at least 2")
    for name in ("temperature", "sigma_temperature", "sigma_init"):
        if getattr(args, name) is not None and getattr(args, name) <= 0:
            parser.error(f"--{name} must be positive")
    return args


@conduct
def main(argv: list[str] | None = None) -> None:
    """Evolve until all generations are done, then score and film the mean of the search."""
    args = parse_args(argv)
    vae = open_header(args.vae_weights, WeightsHeader, network="VAE")
    options = game_options(args, vae.frame_shape)
    args.time_steps = options["time_steps"]
    preprocessing = game_class(args.game, options).preprocessing
    networks = args.vae_weights, args.rnn_weights
    open_networks(*networks, game=args.game, preprocessing=preprocessing)
    if args.initial_controller:
        load_controller(args.initial_controller)
    with owned(args.output_folder):
        run(args, options)


def run(args: argparse.Namespace, options: dict) -> None:
    """Search and score; the output folder is ours alone."""
    result, state = args.output_folder / SCORES, args.output_folder / "evolution.h5"
    if args.new_model:
        for path in (state, result):
            path.unlink(missing_ok=True)
    from reverie.controllers.search import Search, check_dream, finish

    with GameWorkers(args.game, options, args.workers) as workers:
        search = Search(args, workers, options)
        search.resume()
        if result.exists() and search.evolution.generation >= args.generations:
            print(f"nothing to do: {args.generations} generations are done, scores in {result}")
            return
        result.unlink(missing_ok=True)  # written last: says that the stage is finished
        inputs = {"vae": args.vae_weights, "rnn": args.rnn_weights}
        if args.initial_controller:
            inputs["initial_controller"] = args.initial_controller
        write_config(args.output_folder, vars(args), inputs)
        print(f"controller of {search.controller.size} parameters")
        survival = check_dream(search) if args.train_in == "dream" else {}
        generations = range(search.evolution.generation, args.generations)
        for _ in progress(generations, desc="generations"):
            search.generation()
            row = search.history[-1]
            print(
                f"generation {row['generation']}: {args.train_in} mean {row['mean']:.1f}, best "
                f"{row['best']:.1f}, sigma {row['sigma']:.3f}, {row['seconds']:.1f} s"
            )
            stop_signal.check()
        finish(search, survival)


if __name__ == "__main__":
    sys.exit(main())
