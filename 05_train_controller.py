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

    # in the dreams of three MDN-RNNs that take turns
    python 05_train_controller.py doomrnn --vae_weights trained_models_folder/vae.h5 \\
        --rnn_weights trained_rnn_models/run_1/final_rnn_weights.h5 --output_folder three/ \\
        --other_rnn_weights trained_rnn_models/run_2/final_rnn_weights.h5 \\
        trained_rnn_models/run_3/final_rnn_weights.h5

    # in the game, on a cluster's node
    python 05_train_controller.py doomrnn --train_in game --workers 64 --generations 1800 \\
        --vae_weights $SCRATCH/vae.h5 --rnn_weights $SCRATCH/rnn.h5 --output_folder $SCRATCH/c

    # in the game, on all nodes of a Ray cluster, 16 games in each evaluator
    python 05_train_controller.py doomrnn --train_in game --engine ray --workers 16 \\
        --vae_weights $SCRATCH/vae.h5 --rnn_weights $SCRATCH/rnn.h5 --output_folder $SCRATCH/c
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError, write_config
from reverie.backend import start_backend
from reverie.controllers.controller import load_controller
from reverie.controllers.options import EvaluationOptions, SearchFiles, SearchOptions
from reverie.cores import usable_cores
from reverie.dreams.features import FEATURES
from reverie.dreams.options import DreamOptions
from reverie.games import add_game_flags, game_class, game_family, game_options
from reverie.headers import WeightsHeader, open_header
from reverie.lineage import open_networks
from reverie.locks import owned
from reverie.rollouts.shares import EngineOptions, add_engine_flags
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CONTROLLER_FOLDER, SCORES
from reverie.stage import conduct, progress, stop_signal


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    count = flags.positive_int
    parser.add_argument("game", help="the game, e.g. doomrnn")
    files = parser.add_argument_group("files")
    files.add_argument("--vae_weights", type=Path, required=True)
    files.add_argument("--rnn_weights", type=Path, required=True)
    files.add_argument(
        "--other_rnn_weights",
        type=Path,
        nargs="+",
        default=[],
        help="of further MDN-RNNs on the same VAE, which dream in turn with the first",
    )
    files.add_argument("--output_folder", type=Path, default=CONTROLLER_FOLDER)
    search = parser.add_argument_group("search")
    search.add_argument("--train_in", choices=("dream", "game"), default="dream")
    search.add_argument("--population", type=flags.int_from(4), default=64)
    search.add_argument("--rollouts", type=count, default=16, help="episodes of a candidate")
    search.add_argument(
        "--generations", type=flags.non_negative_int, default=200, help="0: no search, only scores"
    )
    search.add_argument("--sigma_init", type=flags.positive_float, default=0.1)
    search.add_argument("--features", choices=FEATURES, default="zh")
    search.add_argument("--seed", type=flags.seed, default=0)
    search.add_argument("--initial_controller", type=Path, help="an earlier one to go on from")
    search.add_argument("--new_model", action="store_true", help="start afresh")
    dream = parser.add_argument_group("dream and game")
    dream.add_argument(
        "--temperature",
        type=flags.non_negative_float,
        default=1.15,
        help="0: the mean of the likeliest component",
    )
    dream.add_argument(
        "--sigma_temperature",
        type=flags.non_negative_float,
        help="of the spread inside a component alone; 0: its mean",
    )
    dream.add_argument("--threshold_ends", action="store_true", help="end dreams as the article")
    dream.add_argument("--time_steps", type=count, help="longest episode; default: the game's own")
    score = parser.add_argument_group("score")
    score.add_argument("--eval_every", type=count, default=25, help="generations")
    score.add_argument(
        "--eval_episodes", type=flags.int_from(2), default=100, help="of the real game"
    )
    score.add_argument(
        "--workers", type=count, default=min(32, 4 * usable_cores()), help="games at a time"
    )
    add_engine_flags(parser)
    add_game_flags(parser)
    return flags.parsed(parser, argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Evolve until all generations are done, then score and film the mean of the search."""
    args = parse_args(argv)
    game_family(args.game)  # a game that nobody knows is named before files that are missing
    vae = open_header(args.vae_weights, WeightsHeader, network="VAE")
    options = game_options(args, vae.frame_shape)
    args.time_steps = options["time_steps"]
    preprocessing = game_class(args.game, options).preprocessing
    for rnn in (args.rnn_weights, *args.other_rnn_weights):
        open_networks(args.vae_weights, rnn, game=args.game, preprocessing=preprocessing)
    if args.initial_controller:
        load_controller(args.initial_controller)
    if args.engine == "ray" and args.train_in == "dream":
        raise InputError("--engine ray: a dream stays in its process; add --train_in game")
    if args.other_rnn_weights and args.train_in == "game":
        raise InputError("--other_rnn_weights: they dream; leave the flag or --train_in game away")
    with owned(args.output_folder):
        run(args, options)


def run(args: argparse.Namespace, game_options: dict) -> None:
    """Search and score; the output folder is ours alone."""
    files = flags.filled(SearchFiles, args, folder=args.output_folder)
    result, state = files.folder / SCORES, files.folder / "evolution.h5"
    if args.new_model:
        for path in (state, result):
            path.unlink(missing_ok=True)
    start_backend()
    from reverie.controllers.results import check_dream, finish
    from reverie.controllers.search import Search

    options = typed_options(args)
    with (
        GameWorkers(args.game, game_options, args.workers) as workers,
        Search(args.game, files, workers, game_options, **options) as search,
    ):
        search.resume()
        if result.exists() and search.cma_es.generation >= args.generations:
            print(f"nothing to do: {args.generations} generations are done, scores in {result}")
            return
        result.unlink(missing_ok=True)  # written last: says that the stage is finished
        write_config(files.folder, vars(args), files.inputs)
        print(f"controller of {search.controller.size} parameters")
        survival = check_dream(search) if args.train_in == "dream" else {}
        for _ in progress(range(search.cma_es.generation, args.generations), desc="generations"):
            row = search.generation()
            print(
                f"generation {row['generation']}: {args.train_in} mean {row['mean']:.1f}, best "
                f"{row['best']:.1f}, sigma {row['sigma']:.3f}, {row['seconds']:.1f} s"
            )
            stop_signal.check()
        finish(search, survival)


def typed_options(args: argparse.Namespace) -> dict:
    """Return the options of search, dream and evaluation that the flags ask for."""
    kinds = {"search": SearchOptions, "dream": DreamOptions, "evaluation": EvaluationOptions}
    kinds |= {"engine": EngineOptions}
    return {name: flags.filled(kind, args) for name, kind in kinds.items()}


if __name__ == "__main__":
    sys.exit(main())
