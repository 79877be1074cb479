"""Stage 4: train an MDN-RNN to predict the next latent, the reward and the end.

Reads the latents of stage 3 and writes `<upper_level_folder_name>/<output_folder_name>/`:
`final_rnn_weights.h5` of the epoch that was best on held-out episodes, `scores.json` with the nats
beside two baselines, the calibration of the termination head as `hazard.png`, `metrics.jsonl` and
TensorBoard logs. The same command again continues; `--new_model` starts afresh.

    # a minute's try
    python 04_train_rnn.py --upper_level_folder_name tiny/rnn --epochs 2 --units 64 \\
        --training_data_file tiny/rnn_format_data/rnn_training_data.npz

    # the full training
    python 04_train_rnn.py --upper_level_folder_name trained_rnn_models --skip_ahead 3 \\
        --epochs 1000 --num_mixtures 5 --output_folder_name run_1 \\
        --training_data_file trained_models_folder/rnn_format_data/rnn_training_data.npz

    # a second round: go on with more data
    python 04_train_rnn.py --output_folder_name run_2 \\
        --initial_weights trained_rnn_models/run_1/final_rnn_weights.h5 \\
        --training_data_file second_round/rnn_format_data/rnn_training_data.npz

    # one seed of a cluster's job array
    python 04_train_rnn.py --seed $SLURM_ARRAY_TASK_ID \\
        --output_folder_name run_$SLURM_ARRAY_TASK_ID --upper_level_folder_name $SCRATCH/rnn \\
        --training_data_file $SCRATCH/rnn_format_data/rnn_training_data.npz
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.backend import start_backend
from reverie.headers import WeightsHeader, open_header
from reverie.latents.storage import Latents
from reverie.runs import LATENTS, RNN_FOLDER, VAE_FOLDER
from reverie.stage import conduct
from reverie.training.weights import check_initial

SIZES = ("units", "num_mixtures", "mixture")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("data").add_argument
    add("--training_data_file", type=Path, default=VAE_FOLDER / LATENTS)
    add("--upper_level_folder_name", type=Path, default=RNN_FOLDER)
    add("--output_folder_name", default="run_1")
    add("--data_size", type=flags.int_from(-1), default=-1, help="episodes to use, -1 for all")
    add("--data_scaling_factor", type=flags.positive_float, default=1.0, help="of the latents")
    add("--sequence_length", type=flags.positive_int, default=60, help="steps of a window")
    add(
        "--skip_ahead",
        type=flags.positive_int,
        default=5,
        help="steps from window to window: an epoch goes sequence_length / skip_ahead times "
        "through every episode",
    )
    add = parser.add_argument_group("network").add_argument
    add("--units", type=flags.positive_int, default=512, help="of the LSTM")
    add("--num_mixtures", type=flags.positive_int, default=5)
    add("--mixture", choices=("joint", "per_dim"), default="joint")
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=flags.positive_int, default=100)
    add("--batch_size", type=flags.positive_int, default=256, help="windows")
    add("--learning_rate", type=flags.learning_rate, default=1e-3)
    add("--patience", type=flags.positive_int, default=20, help="epochs without improvement")
    add("--devices", type=flags.positive_int, help="to split batches over; default: all there are")
    add("--seed", type=flags.seed, default=0)
    add("--initial_weights", type=Path, help="an earlier MDN-RNN to go on from")
    add("--new_model", action="store_true", help="start afresh")
    return flags.parsed(parser, argv)


def check(args: argparse.Namespace) -> Latents:
    """Check everything that is read; return the latents."""
    latents = Latents(args.training_data_file)
    if args.initial_weights:
        game = latents.header.game
        header = open_header(args.initial_weights, WeightsHeader, network="MDNRNN", game=game)
        expected = {name: getattr(args, name) for name in SIZES}
        expected |= {"latent_size": latents.latent_size, "action_size": latents.action_size}
        check_initial(args.initial_weights, header.config, expected)
    return latents


@conduct
def main(argv: list[str] | None = None) -> None:
    """Train until all epochs are done or patience is out, then score the best weights."""
    args = parse_args(argv)
    latents = check(args)
    folder = args.upper_level_folder_name / args.output_folder_name
    start_backend()
    from reverie.dreams.rnn_task import RNNOptions, rnn_task
    from reverie.training.fit import fit
    from reverie.training.task import TrainingOptions

    network = flags.filled(RNNOptions, args)
    options = flags.filled(TrainingOptions, args, arguments=vars(args))
    fit(rnn_task(latents, network, folder), folder, options)


if __name__ == "__main__":
    sys.exit(main())
