"""Stage 2: teach a VAE to see the game.

Reads the rollouts of stage 1 and writes `<savefolder>/final_full_vae_weights.h5`, reconstructions
of the same held-out frames after every epoch in `reconstructions/`, `metrics.jsonl` and TensorBoard
logs. The same command again continues; `--new_model` starts afresh.

    # a minute's try
    python 02_train_vae.py --savefolder tiny/ --input_data_folder tiny/ --epochs 2

    # the full training, on the first ten batches
    python 02_train_vae.py --savefolder trained_models_folder/ \\
        --input_data_folder training_data_folder/ --epochs 10 --start_batch 0 --max_batch 9 \\
        --new_model

    # a second round: go on with more data
    python 02_train_vae.py --savefolder second_round/ --input_data_folder training_data_folder/ \\
        --initial_weights trained_models_folder/final_full_vae_weights.h5

    # the article's network on a cluster, saving every epoch
    python 02_train_vae.py --architecture article --epochs 10 --save_interval 1 \\
        --savefolder $SCRATCH/vae/ --input_data_folder $SCRATCH/data/
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError, file_hash, write_config, write_json
from reverie.backend import set_precision, start_backend, trains_with_xla
from reverie.games import game_class
from reverie.headers import RolloutsHeader, WeightsHeader, open_header
from reverie.latents.encoding import DEFAULTS, reconstruct, reconstruction_errors
from reverie.reports.plots import evenly, save_curves, save_picture, tile
from reverie.rollouts.frames import FrameStream, split_episodes
from reverie.rollouts.storage import episode_lengths, find_batches
from reverie.runs import ROLLOUTS_FOLDER, SCORES, VAE_FOLDER, VAE_WEIGHTS
from reverie.stage import conduct
from reverie.training.schedule import warm_cosine
from reverie.training.trainer import NotANumber, Trainer
from reverie.training.weights import check_initial, load_weights, save_weights

if TYPE_CHECKING:
    from reverie.models.vae import VAE

JUDGED = 2000  # held-out frames that the errors are measured on


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags; weights of the loss default to those of the architecture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data")
    data.add_argument("--input_data_folder", type=Path, default=ROLLOUTS_FOLDER)
    data.add_argument("--environment_name", default="doomrnn", help="the game that was recorded")
    data.add_argument("--start_batch", type=int, default=0, help="first batch to use")
    data.add_argument(
        "--max_batch", type=int, help="last batch to use, the last there is by default"
    )
    data.add_argument("--savefolder", type=Path, default=VAE_FOLDER)
    network = parser.add_argument_group("network")
    network.add_argument("--architecture", choices=sorted(DEFAULTS), default="patch")
    network.add_argument("--latent_size", type=int, default=64)
    network.add_argument("--reconstruction_weight", type=float, help="of the squared error")
    network.add_argument("--detail_weight", type=float, help="of pixels unlike the mean frame")
    network.add_argument("--free_bits", type=float, help="nats of KL per latent that are free")
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=10)
    training.add_argument("--batch_size", type=int, default=100)
    training.add_argument("--learning_rate", type=float)
    training.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--initial_weights", type=Path, help="an earlier VAE to go on from")
    training.add_argument("--new_model", action="store_true", help="start afresh")
    training.add_argument(
        "--save_interval", type=int, default=0, help="keep weights every n epochs"
    )
    args = parser.parse_args(argv)
    for name, value in DEFAULTS[args.architecture].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if min(args.latent_size, args.epochs, args.batch_size) < 1:
        parser.error("--latent_size, --epochs and --batch_size must be at least 1")
    return args


def build(args: argparse.Namespace, frames: np.ndarray) -> "VAE":
    """Build and compile the network, its mean frame set to that of the data."""
    start_backend()
    import keras

    from reverie.models.vae import VAE

    keras.utils.set_random_seed(args.seed)
    precision = set_precision(args.precision)
    vae = VAE(
        architecture=args.architecture,
        latent_size=args.latent_size,
        reconstruction_weight=args.reconstruction_weight,
        detail_weight=args.detail_weight,
        free_bits=args.free_bits,
        seed=args.seed,
    )
    if args.initial_weights:
        load_weights(args.initial_weights, vae)
    vae.mean_frame.assign(frames.mean(axis=0) / 255.0)
    optimizer = keras.optimizers.Adam(args.learning_rate, global_clipnorm=1e4)
    optimizer.build(vae.trainable_variables)
    vae.compile(optimizer=optimizer, jit_compile=trains_with_xla())
    print(f"{args.architecture} VAE, {vae.count_params():,} parameters, {precision}")
    return vae


def settings(args: argparse.Namespace, stream: FrameStream) -> dict:
    """Return what must be the same when a run continues."""
    names = (
        "architecture",
        "latent_size",
        "batch_size",
        "learning_rate",
        "seed",
        *DEFAULTS["article"],
    )
    result = {name: getattr(args, name) for name in names} | {"frames": stream.frames}
    if args.initial_weights:
        result["initial_weights"] = file_hash(args.initial_weights)
    return result


@conduct
def main(argv: list[str] | None = None) -> None:
    """Train until all epochs are done, then write the weights."""
    args = parse_args(argv)
    if args.initial_weights:
        game = args.environment_name
        header = open_header(args.initial_weights, WeightsHeader, network="VAE", game=game)
        expected = {name: getattr(args, name) for name in ("architecture", "latent_size")}
        check_initial(args.initial_weights, header.config, expected)
    paths = find_batches(
        args.input_data_folder,
        args.environment_name,
        args.start_batch,
        args.max_batch,
        game_class(args.environment_name).preprocessing,
    )
    train, held_out = split_episodes(len(episode_lengths(paths)))
    stream = FrameStream(paths, train, args.batch_size, args.seed)
    held_stream = FrameStream(paths, held_out, 1)
    judged = held_stream.sample(JUDGED)
    game = game_class(args.environment_name)
    masks = None
    if game.objects:
        masks = game.object_masks(held_stream.sample(JUDGED, f"infos/{game.truth}"))
    weights = args.savefolder / VAE_WEIGHTS
    scores = args.savefolder / SCORES
    shown = evenly(judged)

    vae = build(args, stream.sample(JUDGED))
    trainer = Trainer(
        vae,
        args.savefolder,
        stream.batches,
        lambda: [(judged[i : i + 100],) for i in range(0, len(judged), 100)],
        warm_cosine(args.learning_rate),
        stream.steps_per_epoch,
    )
    recorded = open_header(paths[0], RolloutsHeader)
    header = WeightsHeader(args.environment_name, recorded.preprocessing)

    def after_epoch(row: dict) -> None:
        decoded = reconstruct(vae, judged)
        row |= reconstruction_errors(judged, decoded, masks, game.objects)
        trainer.progress.history[-1] |= row
        picture = tile([shown, reconstruct(vae, shown)])
        save_picture(args.savefolder / "reconstructions" / f"epoch_{row['epoch']:03d}.png", picture)
        if args.save_interval and row["epoch"] % args.save_interval == 0:
            save_weights(args.savefolder / f"vae_weights_{row['epoch']:03d}.h5", vae, header)
        errors = ", ".join(f"{k} {v:.4f}" for k, v in row.items() if k.startswith("mse"))
        losses = f"loss {row['loss']:.2f}, held out {row['val_loss']:.2f}"
        print(f"epoch {row['epoch']}: {losses}, {errors}")

    if args.new_model:
        trainer.start_afresh()
    if trainer.resume():
        if trainer.progress.settings != settings(args, stream):
            raise InputError(
                f"{trainer.checkpoint}: from a run with other flags or data; repeat those or add "
                "--new_model to start afresh"
            )
        if trainer.is_done(args.epochs) and scores.exists():
            print(f"nothing to do: {args.epochs} epochs are done, weights in {weights}")
            return
    scores.unlink(missing_ok=True)  # written last: says that the stage is finished
    trainer.progress.settings = settings(args, stream)
    write_config(args.savefolder, vars(args), {p.name: p for p in paths})
    try:
        trainer.run(args.epochs, after_epoch)
    except NotANumber as error:
        raise InputError(f"{error}; lower --learning_rate") from error
    save_weights(weights, vae, header)
    history = trainer.progress.history
    epochs = [row["epoch"] for row in history]
    save_curves(
        args.savefolder / "curves.png",
        {name: (epochs, [row[name] for row in history]) for name in ("loss", "val_loss")},
        "epoch",
        "loss",
    )
    write_json(scores, history[-1])
    print(f"trained {args.epochs} epochs; weights in {weights}")


if __name__ == "__main__":
    sys.exit(main())
