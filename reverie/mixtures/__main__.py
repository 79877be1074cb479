"""Ask what the mixture components dream, without a notebook: figures and one JSON of all numbers.

Needs MDN-RNNs with a joint mixture and recorded episodes with ground truth. Writes
`<output_folder>/analysis.json`, figures of every network in a folder of its own, and the detector.
The same command again skips the networks that are done.

    # a minute's try
    python -m reverie.mixtures --rollouts tiny/rollouts --episodes 4 --dreams 6 --steps 60 \\
        --vae_weights tiny/final_full_vae_weights.h5 --output_folder tiny/analysis \\
        --rnn_weights tiny/rnn/run_1/final_rnn_weights.h5

    # one network on what `make run` recorded
    python -m reverie.mixtures --rollouts runs/doom/rollouts --vae_weights pretrained/doom_vae.h5 \\
        --rnn_weights pretrained/doom_rnn_joint.h5 --output_folder runs/doom/analysis

    # several networks, on a cluster's node
    python -m reverie.mixtures --rollouts $SCRATCH/rollouts --vae_weights $SCRATCH/vae.h5 \\
        --rnn_weights $SCRATCH/rnn/*/final_rnn_weights.h5 --output_folder $SCRATCH/analysis
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.mixtures.networks import check_networks, network_name
from reverie.mixtures.recordings import find_recordings
from reverie.mixtures.results import AnalysisFiles, AnalysisOptions, are_collected, is_done
from reverie.runs import RUN_FOLDER, RunFolder
from reverie.stage import conduct, progress, stop_signal


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.mixtures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    count = flags.positive_int
    parser.add_argument("--rollouts", type=Path, default=RunFolder(RUN_FOLDER).rollouts)
    parser.add_argument("--vae_weights", type=flags.artifact, default="pretrained/doom_vae.h5")
    parser.add_argument(
        "--rnn_weights",
        type=flags.artifact,
        nargs="+",
        default=[flags.artifact("pretrained/doom_rnn_joint.h5")],
    )
    parser.add_argument("--output_folder", type=Path, default=RUN_FOLDER / "analysis")
    parser.add_argument("--episodes", type=count, default=100, help="held-out ones to look at")
    parser.add_argument("--dreams", type=flags.int_from(4), default=50, help="of each kind")
    parser.add_argument("--steps", type=count, default=1000, help="longest dream")
    parser.add_argument("--seed", type=flags.seed, default=0)
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Analyse every network that is not done yet, then write everything into one JSON."""
    args = parse_args(argv)
    files = AnalysisFiles(
        args.rollouts, args.vae_weights, tuple(args.rnn_weights), args.output_folder
    )
    options = AnalysisOptions(args.episodes, args.dreams, args.steps, args.seed)
    names = files.names
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"--rnn_weights: two networks are called {min(twice)!r}; rename a folder")
    for path in files.rnn_weights:
        check_networks(files.vae_weights, path)
    episodes = find_recordings(files.rollouts, options.episodes, held_out=True)
    waiting = [path for path in files.rnn_weights if not is_done(files, path, options)]
    if not waiting and are_collected(files):
        print(f"nothing to do: analysed already, see {files.collected}")
        return
    start_backend()
    from reverie.mixtures.analysis import Analysis, collect

    analysis = Analysis(files, options, episodes) if waiting else None
    for path in progress(waiting, desc="networks"):
        print(f"{network_name(path)}: {analysis.run(path)}")
        stop_signal.check()
    collect(files, options)
    print(f"figures and numbers in {files.folder}")


if __name__ == "__main__":
    sys.exit(main())
