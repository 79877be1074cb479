"""The training tasks of stage 6: two critics, the critic-VAE, guided masks, and their upper bound.

The supervised upper bound, `ceiling`, is trained by exact masks, which no other network sees.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from reverie.artifacts import InputError, file_hash, write_text
from reverie.backend import predict
from reverie.headers import WeightsHeader, header_table, open_header
from reverie.masks.labelled_frames import PARTS, FrameBatches, LabelledFrames
from reverie.masks.measures import area_under_curve, balanced_accuracy, best_cut
from reverie.masks.methods import in_batches
from reverie.masks.networks import load_run, weights_path
from reverie.masks.pictures import reconstruction_strip
from reverie.models.critic import Critic, LocalCritic
from reverie.models.critic_vae import CriticVAE
from reverie.models.guided_mask_net import GuidedMaskNet
from reverie.models.mask_net import UNet
from reverie.networks import STAGE_6
from reverie.reports.plots import evenly, save_picture, tile
from reverie.seeds import seed_32
from reverie.training.fit import fit
from reverie.training.task import History, Task, TrainingOptions

LEAST = 4  # frames in a batch: two of high and two of low value
CLIPNORM = 10.0
EVALUATED = 2000  # frames that the critic's numbers are measured on after every epoch
FASTER = 4.0  # the local critic is small and normalised
COLUMNS = {  # of the critic's log, by the metric that they hold
    "epoch": "epoch",
    "train_loss": "loss",
    "val_loss": "val_loss",
    "train_auc": "train_auc",
    "val_auc": "val_auc",
    "train_balanced_accuracy": "train_balanced_accuracy",
    "val_balanced_accuracy": "val_balanced_accuracy",
}


@dataclass(frozen=True)
class MaskOptions:
    """How the networks of stage 6 are trained.

    Attributes:
        critic_epochs: of each critic, at most.
        vae_epochs: of the critic-VAE.
        mask_epochs: of the mask networks.
        patience: epochs of a critic without a better validation loss after which it ends.
        batch_size: frames.
        learning_rate: the highest; the local critic's is four times as high.
        kl_weight: of the critic-VAE's divergence.
        sparsity: price of marking a whole frame.
        live: train the critic on with the mask network.
        seed: decides weights, noise and order.
    """

    critic_epochs: int
    vae_epochs: int
    mask_epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    kl_weight: float
    sparsity: float
    live: bool
    seed: int


def train(
    run: str,
    savefolder: Path,
    labelled: LabelledFrames,
    options: MaskOptions,
    new_model: bool = False,
    arguments: dict | None = None,
    devices: int | None = None,
) -> None:
    """Train one network in a run folder of its own.

    Args:
        run: `critic`, `local`, `vae`, `masks` or `ceiling`.
        savefolder: of the stage; the run folder is `<savefolder>/<run>`.
        labelled: the frames and their values.
        options: how.
        new_model: forget an earlier run.
        arguments: flags of the stage, for `config.json`.
        devices: how many to train on; None for all that are visible.

    Raises:
        InputError: see `fit`; or the critic that is needed is missing or of other frames.
    """
    critics = run in ("critic", "local")
    epochs = options.vae_epochs if run == "vae" else options.mask_epochs
    training = TrainingOptions(
        epochs=options.critic_epochs if critics else epochs,
        learning_rate=options.learning_rate * (FASTER if run == "local" else 1.0),
        patience=options.patience if critics else None,
        new_model=new_model,
        devices=devices,
        arguments=arguments or {},
    )
    folder = savefolder / run
    fit(TASKS[run](folder, labelled, options), folder, training)


def critic_task(folder: Path, labelled: LabelledFrames, options: MaskOptions) -> Task:
    """Return the training of the critic that sees the frame as a whole."""
    seed = seed_32(options.seed)
    return _value_task(folder, labelled, options, lambda: Critic(*labelled.choice.shape, seed=seed))


def local_task(folder: Path, labelled: LabelledFrames, options: MaskOptions) -> Task:
    """Return the training of the critic that sees one place at a time."""
    return _value_task(folder, labelled, options, lambda: LocalCritic(*labelled.choice.shape))


def _value_task(
    folder: Path, labelled: LabelledFrames, options: MaskOptions, network: Callable[[], keras.Model]
) -> Task:
    """Return the training of a critic, which keeps `<game>_critic_training_log.csv`.

    The log holds the loss, the area under the ROC curve and the balanced accuracy of frames near to
    a reward against the others, all for training and validation worlds. The accuracy's threshold
    is chosen on training frames.
    """
    log = folder / f"{labelled.choice.game}_critic_training_log.csv"
    return replace(
        _task(folder, labelled, options, _seeded(network, options.seed)),
        judge=_value_evaluation(labelled),
        paint=lambda critic, history: write_log(log, history),
    )


def _value_evaluation(
    labelled: LabelledFrames,
) -> Callable[[keras.Model, History], dict[str, float]]:
    """Return what measures how well a critic tells frames near to a reward from the others."""
    parts = {"train": "train", "val": "validation"}
    frames = {name: labelled.read(part, "frames", 0, EVALUATED) for name, part in parts.items()}
    near = {name: labelled.read(part, "values", 0, EVALUATED) > 0 for name, part in parts.items()}

    def evaluate(critic: keras.Model, _: History) -> dict[str, float]:
        logits = in_batches(lambda frames: predict(critic, frames))
        scores = {name: 1.0 / (1.0 + np.exp(-logits(frames[name]))) for name in parts}
        cut = best_cut(scores["train"], near["train"])
        row = {f"{name}_auc": area_under_curve(scores[name], near[name]) for name in parts}
        for name in parts:
            row[f"{name}_balanced_accuracy"] = balanced_accuracy(scores[name], near[name], cut)
        return row

    return evaluate


def write_log(path: Path, history: History) -> None:
    """Write what the critic's epochs came to as a CSV, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({column: row[metric] for column, metric in COLUMNS.items()})
    write_text(path, text.getvalue())


def vae_task(folder: Path, labelled: LabelledFrames, options: MaskOptions) -> Task:
    """Return the training of the critic-VAE; it paints the same validation frames every time."""
    critic_folder = _critic_folder(folder, labelled, "local", "LocalCritic")

    def build() -> CriticVAE:
        critic, _ = load_run(critic_folder, "LocalCritic", "train-local")
        seed = seed_32(options.seed)
        keras.utils.set_random_seed(seed)
        vae = CriticVAE(critic.get_config(), kl_weight=options.kl_weight, seed=seed)
        vae.critic.set_weights(critic.get_weights())
        return vae

    shown = evenly(labelled.read("thresholds"))

    def paint(vae: CriticVAE, history: History) -> None:
        path = folder / "reconstructions" / f"epoch_{history[-1]['epoch']:03d}.png"
        save_picture(path, tile(reconstruction_strip(vae)(shown)))

    task = _task(folder, labelled, options, build)
    identity = {"kl_weight": options.kl_weight, "critic": file_hash(weights_path(critic_folder))}
    return replace(task, paint=paint, identity=task.identity | identity)


def masks_task(folder: Path, labelled: LabelledFrames, options: MaskOptions) -> Task:
    """Return the training of the mask network by the critic."""
    critic_folder = _critic_folder(folder, labelled, "critic", "Critic")

    def build() -> GuidedMaskNet:
        critic, _ = load_run(critic_folder, "Critic", "train-critic")
        seed = seed_32(options.seed)
        keras.utils.set_random_seed(seed)
        rows, columns = labelled.choice.shape
        net = {"rows": rows, "columns": columns}
        guided = GuidedMaskNet(net, critic.get_config(), options.sparsity, options.live, seed=seed)
        guided.critic.set_weights(critic.get_weights())
        return guided

    task = _task(folder, labelled, options, build)
    identity = {name: getattr(options, name) for name in ("sparsity", "live")}
    identity["critic"] = file_hash(weights_path(critic_folder))
    return replace(task, identity=task.identity | identity)


def upper_bound_task(folder: Path, labelled: LabelledFrames, options: MaskOptions) -> Task:
    """Return the training of a U-Net by the exact masks.

    Raises:
        InputError: the rollouts have no truth.
    """
    labelled.require_truth()
    build = _seeded(lambda: UNet(*labelled.choice.shape), options.seed)
    return _task(folder, labelled, options, build, "truth")


TASKS = {
    "critic": critic_task,
    "local": local_task,
    "vae": vae_task,
    "masks": masks_task,
    "ceiling": upper_bound_task,
}


def _task(
    folder: Path,
    labelled: LabelledFrames,
    options: MaskOptions,
    build: Callable[[], keras.Model],
    targets: str = "values",
) -> Task:
    """Return what all trainings of the stage have in common."""
    sizes = _batch_sizes(labelled, options.batch_size)
    streams = [
        FrameBatches(labelled, part, size, targets, seed)
        for part, size, seed in zip(PARTS, sizes, (options.seed, 0))
    ]
    return Task(
        name=folder.name,
        weights=weights_path(folder).name,
        build=build,
        train=streams[0],
        held_out=streams[1],
        identity={
            "batch_size": options.batch_size,
            "seed": options.seed,
            "moments": header_table(labelled.header),
        },
        header=labelled.weights_header(),
        inputs={"moments": labelled.path},
        keep="best",
        clipnorm=CLIPNORM,
    )


def _seeded(network: Callable[[], keras.Model], seed: int) -> Callable[[], keras.Model]:
    """Return what builds a network with weights that depend on the seed."""

    def build() -> keras.Model:
        keras.utils.set_random_seed(seed_32(seed))
        return network()

    return build


def _batch_sizes(labelled: LabelledFrames, batch_size: int) -> list[int]:
    """Return the size of batches to train and to validate with, as far as there are frames."""
    sizes = [min(batch_size, labelled.sizes[part]) for part in PARTS]
    if min(sizes) < LEAST:
        raise InputError(
            f"{labelled.path}: {sizes[0]} frames to train and {sizes[1]} to validate are "
            f"too few, {LEAST} of each are needed; record more episodes"
        )
    return sizes


def _critic_folder(folder: Path, labelled: LabelledFrames, run: str, network: str) -> Path:
    """Return the folder of a critic beside the run.

    Raises:
        InputError: there is none, or one of another reward or other frames.
    """
    critic_folder = folder.parent / run
    path, mend = weights_path(critic_folder), f"{STAGE_6} train-{run}"
    header = open_header(path, WeightsHeader, network=network, mend=mend)
    said, expected = labelled.header, header.notes.get("rollouts")
    if (header.choice, expected) != (said.choice, said.rollouts):
        raise InputError(
            f"{critic_folder}: a critic of other frames or another reward; repeat its flags, or "
            f"train it anew with: python 06_critic_masks.py train-{run} --new_model"
        )
    return critic_folder
