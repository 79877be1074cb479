"""Stage 2: train a VAE or another autoencoder on the frames of the game.

Reads the rollouts of stage 1 and writes `<savefolder>/final_full_vae_weights.h5`, reconstructions
of the same held-out frames after every epoch in `reconstructions/`, `metrics.jsonl`, TensorBoard
logs, and at the end layers, times and a film in `evaluation/`. The same command again continues;
`--new_model` starts afresh.

    # a minute's try
    python 02_train_vae.py --savefolder tiny/ --input_data_folder tiny/ --epochs 2

    # the full training, on the first ten batches
    python 02_train_vae.py --savefolder trained_models_folder/ \\
        --input_data_folder training_data_folder/ --epochs 10 --start_batch 0 --max_batch 9 \\
        --new_model

    # a second round: go on with more data
    python 02_train_vae.py --savefolder second_round/ --input_data_folder training_data_folder/ \\
        --initial_weights trained_models_folder/final_full_vae_weights.h5

    # a published autoencoder with its hyperparameters
    python 02_train_vae.py --config configs/conv_unpool.yaml --environment_name heist \\
        --input_data_folder data/heist_balanced --savefolder heist/conv_unpool

    # the article's network on a cluster, saving every epoch
    python 02_train_vae.py --architecture article --epochs 10 --save_interval 1 \\
        --savefolder $SCRATCH/vae/ --input_data_folder $SCRATCH/data/
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.headers import RolloutsHeader, WeightsHeader, open_header
from reverie.latents.perceptual import PERCEPTUAL, read_perceptual
from reverie.lineage import check_frames
from reverie.models.architectures import ARCHITECTURES
from reverie.networks import NETWORKS, code_fault, frame_fault
from reverie.rollouts.storage import find_batches, recorded_game
from reverie.runs import EVALUATION_FOLDER, ROLLOUTS_FOLDER, VAE_FOLDER, VAE_WEIGHTS
from reverie.stage import conduct
from reverie.training.weights import check_initial


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags; sizes and losses default to those of the architecture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("data").add_argument
    add("--input_data_folder", type=Path, default=ROLLOUTS_FOLDER)
    add("--environment_name", default="doomrnn", help="the game that was recorded")
    add("--start_batch", type=flags.non_negative_int, default=0, help="first batch to use")
    add("--max_batch", type=flags.non_negative_int, help="last batch to use; default: all")
    add("--savefolder", type=Path, default=VAE_FOLDER)
    few = "train on so many frames that show what there is to see; default: all"
    add("--diverse", type=flags.positive_int, help=few)
    add = parser.add_argument_group("network").add_argument
    add("--architecture", choices=list(ARCHITECTURES), default="patch")
    add("--latent_size", type=flags.positive_int, help="default: that of the architecture")
    add("--reconstruction_weight", type=flags.positive_float, help="of the squared error")
    add("--detail_weight", type=flags.non_negative_float, help="of pixels unlike the mean frame")
    add("--free_bits", type=flags.non_negative_float, help="nats of KL per latent that are free")
    add("--kl_weight", type=flags.non_negative_float, help="of the KL, for each number of a frame")
    add(
        "--beta", type=flags.non_negative_float, help="of the KL in the end, of --architecture beta"
    )
    add("--warmup", type=flags.non_negative_int, help="batches over which it rises")
    published = "as published: conv_unpool decodes with the encoder's indices, vae_alex without KL"
    add("--published", action="store_const", const=True, help=published)
    fixed = "fixed network of vae_alex's loss; default: ours, trained on Procgen"
    add("--perceptual_weights", type=flags.artifact, help=fixed)
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=flags.positive_int, default=10)
    without = "epochs without a better held-out loss to stop after, and keep the best weights"
    add("--patience", type=flags.positive_int, help=without)
    add("--batch_size", type=flags.positive_int, default=100)
    add("--learning_rate", type=flags.learning_rate)
    add("--precision", choices=("auto", "float32", "bfloat16", "float16"), default="auto")
    add("--devices", type=flags.positive_int, help="to split batches over; default: all there are")
    add("--seed", type=flags.seed, default=0)
    add("--initial_weights", type=Path, help="an earlier VAE to go on from")
    add("--new_model", action="store_true", help="start afresh")
    judged = "at the end, errors inside things, recall and probes: see docs/encoders.md"
    add("--evaluate", action="store_true", help=judged)
    add("--save_interval", type=flags.non_negative_int, default=0, help="keep every n-th epoch")
    args = flags.parsed(parser, argv)
    fill_settings(args)
    return args


def fill_settings(args: argparse.Namespace) -> None:
    """Give flags that were left away the defaults of the architecture.

    Raises:
        InputError: a flag sets what the architecture does not have.
    """
    known = ARCHITECTURES[args.architecture]
    defaults = dict.fromkeys(NETWORKS["VAE"].settings) | known.settings
    defaults |= {"learning_rate": known.learning_rate, "patience": known.patience}
    if known.size:
        defaults["latent_size"] = None  # `check` knows the frames
    if known.perceptual:
        args.perceptual_weights = args.perceptual_weights or PERCEPTUAL
    elif args.perceptual_weights:
        raise InputError(f"--perceptual_weights: {args.architecture} has none; leave it away")
    for name in {*defaults} & {*vars(args)}:
        if getattr(args, name) is None:
            setattr(args, name, defaults[name])
        elif name in NETWORKS["VAE"].settings and name not in ("architecture", *known.settings):
            raise InputError(f"--{name}: {args.architecture} has none; leave it away")


def check(args: argparse.Namespace) -> list[Path]:
    """Check everything that is read; return the rollouts."""
    batches = args.start_batch, args.max_batch
    paths = find_batches(args.input_data_folder, args.environment_name, *batches)
    header, game = open_header(paths[0], RolloutsHeader), recorded_game(paths)
    preprocessing = game.preprocessing
    if args.evaluate and not game.objects:
        raise InputError(f"--evaluate: {header.game} does not say what is in view; leave it away")
    shape = header.frame_shape
    if fault := frame_fault(args.architecture, shape):
        raise InputError(
            f"{paths[0]}: {fault}; choose --architecture patch, or record with "
            "01_generate_data.py --frame_size"
        )
    if size := ARCHITECTURES[args.architecture].size:
        args.latent_size = args.latent_size or size(shape)
    if fault := code_fault(args.architecture, args.latent_size, shape):
        raise InputError(f"--latent_size {args.latent_size}: {fault}; leave it away")
    if args.perceptual_weights:
        read_perceptual(args.perceptual_weights)
    if args.initial_weights:
        same = {"game": args.environment_name, "preprocessing": preprocessing}
        header = open_header(args.initial_weights, WeightsHeader, network="VAE", **same)
        expected = {name: getattr(args, name) for name in ("architecture", "latent_size")}
        check_initial(args.initial_weights, header.config, expected)
        check_frames(paths[0], shape, args.initial_weights, header)
    return paths


@conduct
def main(argv: list[str] | None = None) -> None:
    """Train until all epochs are done, then write the weights."""
    args = parse_args(argv)
    paths = check(args)
    start_backend()
    from reverie.encoders.evaluation import evaluate_once
    from reverie.encoders.report import report_training
    from reverie.latents.vae_task import VAEOptions, vae_task
    from reverie.training.fit import fit
    from reverie.training.task import TrainingOptions

    network = flags.filled(VAEOptions, args, keep="best" if args.patience else "last")
    options = flags.filled(TrainingOptions, args, arguments=vars(args))
    fit(vae_task(paths, args.environment_name, network, args.savefolder), args.savefolder, options)
    weights = args.savefolder / VAE_WEIGHTS
    if args.evaluate:
        evaluate_once(weights, args.input_data_folder, args.savefolder / EVALUATION_FOLDER)
    else:
        report_training(weights, paths)
    print(f"evaluation in {args.savefolder / EVALUATION_FOLDER}")


if __name__ == "__main__":
    sys.exit(main())
