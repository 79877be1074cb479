"""Stage 4: teach an MDN-RNN to predict the next latent, the reward and the end.

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
from typing import TYPE_CHECKING

from reverie.artifacts import InputError, file_hash, write_config, write_json
from reverie.backend import start_backend, trains_with_xla
from reverie.dreams.calibration import calibration, save_calibration
from reverie.headers import Recorded, WeightsHeader, open_header
from reverie.latents.storage import Latents
from reverie.latents.windows import EpisodeStream, persistence_nats
from reverie.reports.plots import save_curves
from reverie.rollouts.frames import split_episodes
from reverie.runs import LATENTS, RNN_FOLDER, RNN_WEIGHTS, SCORES, VAE_FOLDER
from reverie.stage import conduct
from reverie.training.schedule import warm_cosine
from reverie.training.trainer import NotANumber, Trainer
from reverie.training.weights import check_initial, load_weights, save_weights

if TYPE_CHECKING:
    from reverie.models.mdn_rnn import MDNRNN

SETTINGS = (
    "units",
    "num_mixtures",
    "mixture",
    "sequence_length",
    "skip_ahead",
    "data_size",
    "data_scaling_factor",
    "batch_size",
    "learning_rate",
    "seed",
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data")
    data.add_argument("--training_data_file", type=Path, default=VAE_FOLDER / LATENTS)
    data.add_argument("--upper_level_folder_name", type=Path, default=RNN_FOLDER)
    data.add_argument("--output_folder_name", default="run_1")
    data.add_argument("--data_size", type=int, default=-1, help="episodes to use, -1 for all")
    data.add_argument("--data_scaling_factor", type=float, default=1.0, help="of the latents")
    data.add_argument("--sequence_length", type=int, default=60, help="steps of a window")
    data.add_argument(
        "--skip_ahead",
        type=int,
        default=5,
        help="steps from window to window: an epoch goes sequence_length / skip_ahead times "
        "through every episode",
    )
    network = parser.add_argument_group("network")
    network.add_argument("--units", type=int, default=512, help="of the LSTM")
    network.add_argument("--num_mixtures", type=int, default=5)
    network.add_argument("--mixture", choices=("joint", "per_dim"), default="joint")
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=100)
    training.add_argument("--batch_size", type=int, default=256, help="windows")
    training.add_argument("--learning_rate", type=float, default=1e-3)
    training.add_argument("--patience", type=int, default=20, help="epochs without improvement")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--initial_weights", type=Path, help="an earlier MDN-RNN to go on from")
    training.add_argument("--new_model", action="store_true", help="start afresh")
    args = parser.parse_args(argv)
    for name in ("sequence_length", "skip_ahead", "units", "num_mixtures", "epochs", "batch_size"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if args.data_scaling_factor <= 0:
        parser.error("--data_scaling_factor must be positive")
    return args


def build(args: argparse.Namespace, latents: Latents, rows: int) -> "MDNRNN":
    """Build and compile the network, for batches of so many rows."""
    start_backend()
    import keras

    from reverie.models.mdn_rnn import MDNRNN

    keras.utils.set_random_seed(args.seed)
    rnn = MDNRNN(
        latent_size=latents.latent_size,
        action_size=latents.action_size,
        reward_scale=latents.reward_scale(),
        action_levels=latents.header.action_space.get("levels", 0),
        units=args.units,
        num_mixtures=args.num_mixtures,
        mixture=args.mixture,
        latent_scale=args.data_scaling_factor,
        memory_rows=rows,
        seed=args.seed,
    )
    rnn.expect_ends(latents.end_rate())
    if args.initial_weights:
        load_weights(args.initial_weights, rnn)
    optimizer = keras.optimizers.Adam(args.learning_rate, global_clipnorm=1.0)
    optimizer.build(rnn.trainable_variables)
    rnn.compile(optimizer=optimizer, jit_compile=trains_with_xla())
    print(f"MDN-RNN, {args.mixture} mixture, {rnn.count_params():,} parameters")
    return rnn


def check_beginning(args: argparse.Namespace, latents: Latents) -> None:
    """Check that the earlier MDN-RNN is one of this game, and of the size that is asked for."""
    game = latents.header.game
    config = open_header(args.initial_weights, WeightsHeader, network="MDNRNN", game=game).config
    expected = {name: getattr(args, name) for name in ("units", "num_mixtures", "mixture")}
    expected |= {"latent_size": latents.latent_size, "action_size": latents.action_size}
    check_initial(args.initial_weights, config, expected)


def streams(args: argparse.Namespace, latents: Latents) -> tuple[EpisodeStream, EpisodeStream]:
    """Return the episodes to train on and the held-out ones."""
    count = len(latents.lengths)
    if args.data_size != -1:
        count = min(count, args.data_size)
    train, held_out = split_episodes(count)
    rows = min(args.batch_size, len(train))
    passes = max(1, round(args.sequence_length / args.skip_ahead))
    return (
        EpisodeStream(latents, train, args.sequence_length, rows, passes, args.seed),
        EpisodeStream(latents, held_out, args.sequence_length, rows),
    )


def weights_header(latents: Latents, digest: str) -> WeightsHeader:
    """Return what the weights say of the latents that they come from, and of their file's hash."""
    said = latents.header
    recorded = Recorded(
        said.policies,
        tuple(latents.policy_index.tolist()),
        tuple(latents.lengths.tolist()),
        said.options,
    )
    return WeightsHeader(
        said.game,
        said.preprocessing,
        vae=said.vae,
        action_space=said.action_space,
        recorded=recorded,
        notes={"latents": digest},
    )


@conduct
def main(argv: list[str] | None = None) -> None:
    """Train until all epochs are done or patience is out, then judge the best weights."""
    args = parse_args(argv)
    latents = Latents(args.training_data_file)
    folder = args.upper_level_folder_name / args.output_folder_name
    weights, scores = folder / RNN_WEIGHTS, folder / SCORES
    if args.initial_weights:
        check_beginning(args, latents)
    train, held_out = streams(args, latents)
    rnn = build(args, latents, train.batch_size)
    first_frames = dict(zip(("first_mu", "first_logvar"), latents.first_frames()))
    header = weights_header(latents, file_hash(args.training_data_file))
    trainer = Trainer(
        rnn,
        folder,
        train.batches,
        held_out.in_order,
        warm_cosine(args.learning_rate),
        train.steps_per_epoch,
    )

    def after_epoch(row: dict) -> None:
        if row["improved"]:
            save_weights(weights, rnn, header, first_frames)
        print(
            f"epoch {row['epoch']}: {row['nats_per_frame']:.2f} nats per frame, held out "
            f"{row['val_nats_per_frame']:.2f}, one component {row['val_gaussian']:.2f}, "
            f"termination {row['val_termination']:.4f}"
        )

    settings = {name: getattr(args, name) for name in SETTINGS} | header.notes
    if args.initial_weights:
        settings["initial_weights"] = file_hash(args.initial_weights)
    if args.new_model:
        trainer.start_afresh()
    if trainer.resume():
        if trainer.progress.settings != settings:
            raise InputError(
                f"{trainer.checkpoint}: from a run with other flags or data; repeat those, choose "
                "another --output_folder_name, or add --new_model to start afresh"
            )
        if trainer.is_done(args.epochs, args.patience) and scores.exists():
            print(f"nothing to do: trained already, weights in {weights}")
            return
    scores.unlink(missing_ok=True)  # written last: says that the stage is finished
    trainer.progress.settings = settings
    write_config(folder, vars(args), {"latents": args.training_data_file})
    try:
        trainer.run(args.epochs, after_epoch, args.patience)
    except NotANumber as error:
        raise InputError(f"{error}; lower --learning_rate") from error
    load_weights(weights, rnn)
    report(folder, rnn, trainer, train, held_out)
    print(f"trained {trainer.progress.epoch} epochs; weights in {weights}")


def report(
    folder: Path, rnn: "MDNRNN", trainer: Trainer, train: EpisodeStream, held_out: EpisodeStream
) -> None:
    """Write scores, curves and the calibration of the best weights, and print them."""
    best = min(trainer.progress.history, key=lambda row: row["val_loss"])
    size = rnn.latent_size
    nats = {
        "mixture": best["val_nats_per_frame"],
        "one component": best["val_gaussian"],
        "next latent = this latent": persistence_nats(train, held_out),
    }
    print("held-out episodes          nats per frame   per dimension")
    for name, value in nats.items():
        print(f"{name:26s} {value:14.2f} {value / size:15.3f}")
    hazards = calibration(rnn, held_out)
    print(
        f"termination: {hazards['observed_ends']} episodes ended, "
        f"{hazards['expected_ends']:.1f} expected"
    )
    save_calibration(folder / "hazard.png", hazards)
    epochs = [row["epoch"] for row in trainer.progress.history]
    curves = {
        name: (epochs, [row[key] / size for row in trainer.progress.history])
        for name, key in (("training", "nats_per_frame"), ("held out", "val_nats_per_frame"))
    }
    save_curves(folder / "curves.png", curves, "epoch", "nats per dimension")
    write_json(folder / SCORES, {"nats_per_frame": nats, "latent_size": size} | hazards)


if __name__ == "__main__":
    sys.exit(main())
