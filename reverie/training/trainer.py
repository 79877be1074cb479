"""Train a network over epochs of batches, so that the same command always continues."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reverie.artifacts import write_json_lines
from reverie.runs import METRICS
from reverie.stage import Stopped, progress, stop_signal
from reverie.training.weights import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    import keras

Batch = tuple  # of what `train_on_batch` takes: inputs, targets
VALIDATION_SEED = 20180327  # the day of arXiv 1803.10122


class NotANumber(Exception):
    """The loss became NaN; the last good weights are in the checkpoint."""


class Means:
    """Means of a network's metrics over batches, weighted with what each batch holds.

    Args:
        sums: where an earlier start of the epoch stood; changed in place.
    """

    def __init__(self, sums: dict[str, float]) -> None:
        self.sums = sums

    def add(self, logs: dict[str, Any], batch: Batch) -> None:
        """Count a batch: its steps where it has a mask, otherwise its rows."""
        targets = batch[-1]
        weight = float(targets["mask"].sum()) if isinstance(targets, dict) else len(targets)
        for name, value in [*logs.items(), ("weight", 1.0)]:
            self.sums[name] = self.sums.get(name, 0.0) + weight * float(value)

    def row(self) -> dict[str, float]:
        """Return the mean of every metric."""
        total = self.sums["weight"]
        return {name: value / total for name, value in self.sums.items() if name != "weight"}


@dataclass
class Progress:
    """Where a training run stands.

    Attributes:
        epoch: epochs that are finished.
        batch: batches of the running epoch that are finished.
        sums: metrics of those batches, see `Means`.
        best: lowest validation loss so far.
        patience: epochs since then.
        history: one row of numbers an epoch.
        settings: flags that must not change between two starts of a run.
    """

    epoch: int = 0
    batch: int = 0
    sums: dict = field(default_factory=dict)
    best: float = float("inf")
    patience: int = 0
    history: list[dict] = field(default_factory=list)
    settings: dict = field(default_factory=dict)


class Trainer:
    """Trains a compiled network and keeps a checkpoint in a run folder.

    Args:
        model: compiled and built.
        folder: holds `checkpoint.h5`, `metrics.jsonl` and TensorBoard's `logs/`.
        batches: gives the batches of an epoch by its number, the same ones every time.
        validation: gives the held-out batches, the same ones every time.
        learning_rate: gives the rate for the fraction of the run that is done, 0 to 1.
        steps_per_epoch: batches in an epoch.
        save_every: seconds between checkpoints inside a long epoch.
    """

    def __init__(
        self,
        model: "keras.Model",
        folder: Path,
        batches: Callable[[int], Iterable[Batch]],
        validation: Callable[[], Iterable[Batch]],
        learning_rate: Callable[[float], float],
        steps_per_epoch: int,
        save_every: float = 300.0,
    ) -> None:
        self.model, self.folder = model, Path(folder)
        self.batches, self.validation = batches, validation
        self.learning_rate, self.steps_per_epoch = learning_rate, steps_per_epoch
        self.save_every = save_every
        self.progress = Progress()

    @property
    def checkpoint(self) -> Path:
        """The file that continues the run."""
        return self.folder / "checkpoint.h5"

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one; tell whether there was."""
        if not self.checkpoint.exists():
            return False
        self.progress = Progress(**load_checkpoint(self.checkpoint, self.model))
        return True

    def start_afresh(self) -> None:
        """Forget what an earlier start left behind."""
        self.checkpoint.unlink(missing_ok=True)

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(self.checkpoint, self.model, asdict(self.progress))

    def run(
        self,
        epochs: int,
        after_epoch: Callable[[dict], None],
        patience: int | None = None,
    ) -> None:
        """Train up to `epochs` in all.

        Args:
            epochs: epochs of the whole run, those of earlier starts included.
            after_epoch: called with the epoch's row of numbers, before the checkpoint is written.
            patience: stop after so many epochs without a better validation loss.

        Raises:
            NotANumber: the loss is NaN; the message names epoch and batch.
            Stopped: a signal came; the checkpoint holds everything up to the last batch.
        """
        while not self.is_done(epochs, patience):
            row = self._train_epoch(self.progress.epoch, epochs) | self._validate()
            self.progress.history.append(row)
            self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0
            improved = row["val_loss"] < self.progress.best
            self.progress.best = min(self.progress.best, row["val_loss"])
            self.progress.patience = 0 if improved else self.progress.patience + 1
            after_epoch(row | {"improved": improved})
            self._log(row)
            self.save()
            stop_signal.check()

    def is_done(self, epochs: int, patience: int | None = None) -> bool:
        """Tell whether no epoch is left to train, for their number or for want of patience."""
        exhausted = patience is not None and self.progress.patience >= patience
        return self.progress.epoch >= epochs or exhausted

    def _train_epoch(self, epoch: int, epochs: int) -> dict:
        start = saved = time.perf_counter()
        done = self.progress.batch
        means = Means(self.progress.sums)
        with progress(total=self.steps_per_epoch, initial=done, desc=f"epoch {epoch + 1}") as bar:
            for index, batch in self._remaining(epoch):
                fraction = (epoch + index / self.steps_per_epoch) / epochs
                self.model.optimizer.learning_rate = self.learning_rate(fraction)
                means.add(self._train_batch(batch, epoch, index), batch)
                bar.update()
                self.progress.batch = index + 1
                if stop_signal.requested or time.perf_counter() - saved > self.save_every:
                    self.save()
                    saved = time.perf_counter()
                    if stop_signal.requested:
                        raise Stopped
        row = means.row()
        self.progress.sums = {}
        return {"epoch": epoch + 1, "seconds": time.perf_counter() - start} | row

    def _remaining(self, epoch: int) -> Iterator[tuple[int, Batch]]:
        """Yield the batches of an epoch that an earlier start has not trained on."""
        for index, batch in enumerate(self.batches(epoch)):
            if index >= self.progress.batch:
                yield index, batch

    def _train_batch(self, batch: Batch, epoch: int, index: int) -> dict:
        self.model.reset_metrics()
        logs = self.model.train_on_batch(*batch, return_dict=True)
        if not math.isfinite(float(logs["loss"])):
            raise NotANumber(
                f"the loss is {logs['loss']} at epoch {epoch + 1}, batch {index + 1}; "
                f"{self.checkpoint} holds the last good weights"
            )
        return logs

    def _validate(self) -> dict:
        """Return the metrics of the held-out batches, their names prefixed with `val_`.

        The network's source of noise is put back where it was, and starts from the same place at
        every validation, so that rows can be compared.
        """
        generator = self.model.seed_generator
        state = np.array(generator.state)
        generator.state.assign(np.array([VALIDATION_SEED, 0], state.dtype))
        means = Means({})
        for batch in self.validation():
            self.model.reset_metrics()
            means.add(self.model.test_on_batch(*batch, return_dict=True), batch)
        generator.state.assign(state)
        return {f"val_{name}": value for name, value in means.row().items()}

    def _log(self, row: dict) -> None:
        write_json_lines(self.folder / METRICS, self.progress.history)
        write_tensorboard(self.folder / "logs", row)


def write_tensorboard(folder: Path, row: dict) -> None:
    """Append an epoch's numbers to a TensorBoard log, where TensorFlow is installed."""
    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        return
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for name, value in row.items():
            if name != "epoch":
                tf.summary.scalar(name, value, step=row["epoch"])
    writer.close()
