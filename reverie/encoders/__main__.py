"""Evaluate autoencoders on rollouts with truth, on levels that no training sees.

Works for every game that says what is in view, see docs/encoders.md.

    # errors inside things, recall, probes, a picture and a film; by default beside the weights
    python -m reverie.encoders evaluate --weights vae/final_full_vae_weights.h5 \\
        --rollouts data/heist_balanced

    # a row for each of several evaluations
    python -m reverie.encoders table --runs heist/conv_unpool heist/vae_alex
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.artifacts import read_json
from reverie.backend import start_backend
from reverie.encoders.tables import comparison
from reverie.headers import WeightsHeader, open_header
from reverie.rollouts.storage import find_batches
from reverie.runs import EVALUATION_FOLDER
from reverie.stage import conduct


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.encoders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("evaluate", help="evaluate one autoencoder").add_argument
    add("--weights", type=flags.artifact, required=True, help="what stage 2 wrote")
    add("--rollouts", type=Path, required=True, help="folder of rollouts of the same game")
    add("--output_folder", type=Path, help="default: evaluation/ beside the weights")
    add("--frames", type=flags.int_from(100), default=6000, help="of training and of held out")
    add("--errors_only", action="store_true", help="neither probes nor recall")
    add = commands.add_parser("table", help="compare evaluations").add_argument
    add("--runs", type=Path, nargs="+", required=True, help="folders with evaluation/")
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Do what the command says."""
    args = parse_args(argv)
    if args.command == "table":
        mend = "write it with: python -m reverie.encoders evaluate"
        paths = {run.name: run / EVALUATION_FOLDER / "evaluation.json" for run in args.runs}
        tables = {name: read_json(path, mend, "mse") for name, path in paths.items()}
        return print(comparison(tables))
    header = open_header(args.weights, WeightsHeader, network="VAE")
    find_batches(args.rollouts, header.game)
    start_backend()
    from reverie.encoders.evaluation import EvaluationOptions, evaluate
    from reverie.encoders.tables import evaluation_table

    folder = args.output_folder or args.weights.parent / EVALUATION_FOLDER
    options = EvaluationOptions(args.frames, not args.errors_only)
    print(evaluation_table(evaluate(args.weights, args.rollouts, folder, options)))
    print(f"table, pictures and film in {folder}")


if __name__ == "__main__":
    sys.exit(main())
