"""Evaluate a world model on held-out episodes, and say whether its dreams can be trusted.

Writes `evaluation.json`, `evaluation.html` and plots. It needs what stages 1 to 4 wrote and uses
what stage 5 left. The same command again does nothing.

    # what `make run` wrote
    python -m reverie.evaluate runs/doom

    # a look at few episodes
    python -m reverie.evaluate runs/doom --episodes 8 --states 20 --output_folder tiny/evaluation

    # other networks on the same episodes, here those of the package; stage 3 encodes for them
    python 03_generate_rnn_data.py --obs_folder runs/doom/rollouts \\
        --loaded_vae_weights pretrained/doom_vae.h5 --savefolder runs/doom/pretrained
    python -m reverie.evaluate runs/doom --vae_weights pretrained/doom_vae.h5 \\
        --rnn_weights pretrained/doom_rnn_joint.h5 --game_episodes 20 --controllers \\
        --latents runs/doom/pretrained/rnn_format_data/rnn_training_data.npz \\
        --output_folder runs/doom/pretrained/evaluation
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError, file_hash, read_json
from reverie.backend import start_backend
from reverie.cores import usable_cores
from reverie.evaluate.held_out import HeldOut, held_out_episodes
from reverie.evaluate.options import EvaluationFiles, EvaluationSize
from reverie.headers import RolloutsHeader, open_header
from reverie.latents.storage import Latents
from reverie.lineage import check_frames, check_same_vae, open_networks
from reverie.locks import owned
from reverie.rollouts.storage import find_batches, recorded_game
from reverie.runs import CONFIG, SCORES, RunFolder
from reverie.stage import conduct


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder of a run, with those of its stages")
    where = "where it is not the run's"
    parser.add_argument("--vae_weights", type=flags.artifact, help=f"a VAE, {where}")
    parser.add_argument("--rnn_weights", type=flags.artifact, help=f"its MDN-RNN, {where}")
    parser.add_argument("--latents", type=Path, help=f"what stage 3 wrote with the VAE, {where}")
    parser.add_argument("--rollouts", type=Path, help="what was encoded, where it is not the run's")
    parser.add_argument(
        "--controllers",
        type=Path,
        nargs="*",
        help="folders of stage 5 with this MDN-RNN, where they are not the run's; none: no folder",
    )
    parser.add_argument("--output_folder", type=Path, help="default: evaluation/ in the run")
    count = flags.int_from(2)
    parser.add_argument("--episodes", type=count, default=100, help="held-out ones, at most")
    parser.add_argument("--states", type=count, default=300, help="of open-loop dreams, at most")
    parser.add_argument(
        "--game_episodes",
        type=flags.non_negative_int,
        default=0,
        help="of each policy that does not look, where stage 5 has played none",
    )
    parser.add_argument("--temperature", type=flags.non_negative_float, default=1.0)
    parser.add_argument("--workers", type=flags.positive_int, default=4 * usable_cores())
    parser.add_argument("--seed", type=flags.seed, default=0)
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Check what there is, then evaluate it unless that is done."""
    args = parse_args(argv)
    files, size = evaluation_files(args), flags.filled(EvaluationSize, args)
    held_out = checked(files, size)
    with owned(files.folder):
        start_backend()
        from reverie.evaluate.evaluation import evaluate, identity

        if files.result.exists():
            mend = "remove it"
            found = read_json(files.result, mend, "identity", "verdict")
            if found["identity"] == identity(files, size):
                print(f"nothing to do: {found['verdict']['line']}; see {files.page}")
                return
        result = evaluate(files, size, held_out, args.workers)
    print(f"numbers in {files.result}, page in {files.page}")
    print(result["verdict"]["line"])


def evaluation_files(args: argparse.Namespace) -> EvaluationFiles:
    """Return the files of the run, but for those that flags name."""
    run = RunFolder(args.run)
    if not args.run.is_dir():
        raise InputError(f"{args.run}: no folder of a run; make one with: make run")
    usual = [run.search] if (run.search / SCORES).exists() else []
    controllers = usual if args.controllers is None else args.controllers
    return EvaluationFiles(
        args.vae_weights or run.vae_weights,
        args.rnn_weights or run.rnn_weights,
        args.latents or run.latents,
        args.rollouts or run.rollouts,
        tuple(controllers),
        args.output_folder or args.run / "evaluation",
    )


def checked(files: EvaluationFiles, size: EvaluationSize) -> HeldOut:
    """Check that everything belongs together; return the held-out episodes.

    Raises:
        InputError: something is missing, damaged or of another world model.
    """
    vae, rnn = open_networks(files.vae_weights, files.rnn_weights)
    latents = Latents(files.latents)
    check_same_vae(files.latents, latents.header, files.vae_weights)
    batches = find_batches(files.rollouts, vae.game)
    shape = open_header(batches[0], RolloutsHeader).frame_shape
    check_frames(batches[0], shape, files.vae_weights, vae)
    for folder in files.controllers:
        _check_controller(folder, files)
    game = recorded_game(batches)
    return held_out_episodes(latents, files.rollouts, rnn, game.preprocessing, size.episodes)


def _check_controller(folder: Path, files: EvaluationFiles) -> None:
    """Check that a folder of stage 5 is finished, and of this MDN-RNN."""
    mend = "let stage 5 end: python 05_train_controller.py"
    if not (folder / SCORES).exists():
        raise InputError(f"{folder}: no {SCORES} of stage 5 there; {mend}")
    inputs = read_json(folder / CONFIG, mend, "inputs")["inputs"]
    if inputs["rnn"]["hash"] != file_hash(files.rnn_weights):
        raise InputError(
            f"{folder}: its controller was evolved with another MDN-RNN than {files.rnn_weights}; "
            "name folders of this one with --controllers, or none"
        )


if __name__ == "__main__":
    sys.exit(main())
