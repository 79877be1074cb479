"""What a network of stage 6 is taught, and the run in which it learns it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.artifacts import InputError, write_config
from reverie.backend import trains_with_xla
from reverie.headers import WeightsHeader, header_table, open_header
from reverie.masks.labelled_frames import PARTS, Moments
from reverie.networks import STAGE_6
from reverie.reports.plots import save_curves
from reverie.training.schedule import warm_cosine
from reverie.training.trainer import NotANumber, Trainer
from reverie.training.weights import load_network, load_weights, save_weights

if TYPE_CHECKING:
    import keras

LEAST = 4  # frames in a batch: two of high and two of low value


@dataclass
class Lesson:
    """One network's training.

    Attributes:
        folder: of its run; the weights are `<folder>/<name of the folder>.h5`.
        moments: frames and values.
        targets: the dataset that a batch holds beside the frames.
        epochs: of the whole run.
        patience: epochs without a better validation loss after which it ends; None for never.
        batch_size: frames.
        learning_rate: the highest.
        seed: decides weights and order.
        after_epoch: called with the epoch's row of numbers, which it may add to.
        arguments: flags of the stage, for `config.json`.
    """

    folder: Path
    moments: Moments
    targets: str = "values"
    epochs: int = 30
    patience: int | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    seed: int = 0
    after_epoch: Callable[[dict], None] = lambda row: None
    arguments: dict = field(default_factory=dict)

    @property
    def weights(self) -> Path:
        """Where the best weights go."""
        return weights_path(self.folder)

    def trainer(self, model: "keras.Model") -> Trainer:
        """Compile a network and return what trains it."""
        import keras

        optimizer = keras.optimizers.Adam(self.learning_rate, global_clipnorm=10.0)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer, jit_compile=trains_with_xla())
        moments, sizes = self.moments, self._batch_sizes()
        return Trainer(
            model,
            self.folder,
            lambda epoch: moments.batches("train", sizes[0], self.seed + epoch, self.targets),
            lambda: moments.batches("validation", sizes[1], 0, self.targets),
            warm_cosine(self.learning_rate),
            moments.sizes["train"] // sizes[0],
        )

    def _batch_sizes(self) -> list[int]:
        """Return the size of batches to train and to validate with, as far as there are frames."""
        sizes = [min(self.batch_size, self.moments.sizes[part]) for part in PARTS]
        if min(sizes) < LEAST:
            raise InputError(
                f"{self.moments.path}: {sizes[0]} frames to train and {sizes[1]} to validate are "
                f"too few, {LEAST} of each are needed; record more episodes"
            )
        return sizes

    def settings(self, model: "keras.Model") -> dict:
        """Return what must be the same when a run continues."""
        names = ("epochs", "patience", "batch_size", "learning_rate", "seed")
        values = {name: getattr(self, name) for name in names}
        return values | {
            "network": model.get_config(),
            "moments": header_table(self.moments.header),
        }


def learn(lesson: Lesson, model: "keras.Model", afresh: bool = False) -> None:
    """Train a network, or go on with it, and leave its best weights both on disk and in it.

    Raises:
        InputError: an earlier run had other flags, or the loss is no number.
    """
    trainer, name = lesson.trainer(model), lesson.folder.name
    settings = lesson.settings(model)
    if afresh:
        trainer.start_afresh()
    if trainer.resume() and trainer.progress.settings != settings:
        raise InputError(
            f"{trainer.checkpoint}: from a run with other flags or data; repeat those, choose "
            "another --savefolder, or add --new_model to start afresh"
        )
    if trainer.is_done(lesson.epochs, lesson.patience) and lesson.weights.exists():
        print(f"{name}: trained already, weights in {lesson.weights}")
        load_weights(lesson.weights, model)
        return
    trainer.progress.settings = settings
    write_config(lesson.folder, lesson.arguments, {"moments": lesson.moments.path})
    print(f"{name}: {model.count_params():,} parameters")

    def after_epoch(row: dict) -> None:
        lesson.after_epoch(row)
        trainer.progress.history[-1] |= {k: v for k, v in row.items() if k != "improved"}
        if row["improved"]:
            save_weights(lesson.weights, model, lesson.moments.weights_header())
        numbers = ", ".join(f"{k} {v:.4f}" for k, v in row.items() if isinstance(v, float))
        print(f"{name}, epoch {row['epoch']}: {numbers}")

    try:
        trainer.run(lesson.epochs, after_epoch, lesson.patience)
    except NotANumber as error:
        raise InputError(f"{error}; lower --learning_rate") from error
    load_weights(lesson.weights, model)
    _plot(trainer)


def _plot(trainer: Trainer) -> None:
    history = trainer.progress.history
    epochs = [row["epoch"] for row in history]
    curves = {name: (epochs, [row[name] for row in history]) for name in ("loss", "val_loss")}
    save_curves(trainer.folder / "curves.png", curves, "epoch", "loss")


def weights_path(folder: Path) -> Path:
    """Return the weights of a run by its folder."""
    return folder / f"{folder.name}.h5"


def load_run(folder: Path, network: str, train: str) -> tuple["keras.Model", WeightsHeader]:
    """Rebuild a network of stage 6 and return it with the header of its file.

    Args:
        folder: of its run.
        network: the name of its class.
        train: the command of stage 6 that trains it.

    Raises:
        InputError: the weights are missing, damaged or of another network.
    """
    path, mend = weights_path(folder), f"{STAGE_6} {train}"
    header = open_header(path, WeightsHeader, network=network, mend=mend)
    return load_network(path, network, mend=mend), header
