"""Train a task's network over epochs of batches, so that the same command always continues."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reverie.artifacts import InputError, read_json, write_config, write_json
from reverie.locks import owned
from reverie.runs import CHECKPOINT, SCORES
from reverie.stage import Stopped, stop_signal
from reverie.stage import progress as progress_bar
from reverie.training.checkpoint import Progress, load_checkpoint, read_progress, save_checkpoint
from reverie.training.devices import open_devices
from reverie.training.metrics import Means, log_epoch, plot_curves
from reverie.training.schedule import warm_cosine
from reverie.training.steps import Step
from reverie.training.streams import Batch
from reverie.training.task import Task, TrainingOptions
from reverie.training.weights import load_weights, save_weights

AGAIN = "delete it and run the same command again"


def fit(task: Task, folder: Path, options: TrainingOptions) -> dict:
    """Train a network, or go on with it, and leave its weights and scores in a run folder.

    The folder gets the weights, `checkpoint.h5` (what continues the run), `config.json`,
    `metrics.jsonl` (a row an epoch), TensorBoard's `logs/`, `curves.png`, and at the very end
    `scores.json`, which says that the run is done.

    Args:
        task: what is trained.
        folder: of the run.
        options: how long and how fast.

    Returns:
        What `scores.json` holds, also if an earlier start has written it.

    Raises:
        InputError: the folder holds a run of another identity, another process writes into it, or
            a loss or a weight is not finite.
        Stopped: a signal came; the checkpoint holds everything up to the last batch.
    """
    run = Run(task, Path(folder), options)
    with owned(run.folder):
        run.open()
        if run.is_finished():
            print(f"nothing to do: {task.name} is trained already, weights in {run.weights}")
            return read_json(run.scores, AGAIN)
        run.scores.unlink(missing_ok=True)
        write_config(run.folder, options.arguments, task.inputs, task.hashes)
        run.start()
        while run.epochs_left():
            run.train_epoch()
        return run.finish()


@dataclass
class Run:
    """A task at work in a folder; see `fit`, which takes its steps in their order.

    Attributes:
        task: what is trained.
        folder: of the run.
        options: how long and how fast.
        progress: where it stands.
        step: the network and its optimiser, from `start` on.
    """

    task: Task
    folder: Path
    options: TrainingOptions
    progress: Progress = field(default_factory=Progress)
    step: Step = field(init=False)

    @property
    def checkpoint(self) -> Path:
        """The file that continues the run."""
        return self.folder / CHECKPOINT

    @property
    def weights(self) -> Path:
        """The file of the weights that are kept."""
        return self.folder / self.task.weights

    @property
    def scores(self) -> Path:
        """What is written last."""
        return self.folder / SCORES

    def open(self) -> None:
        """Find out where an earlier start has come to.

        Raises:
            InputError: it was a run of another identity.
        """
        if self.options.new_model:
            self.checkpoint.unlink(missing_ok=True)
        identity = self._identity()
        self.progress = read_progress(self.checkpoint) or Progress(identity=identity)
        if self.progress.identity != identity:
            raise InputError(
                f"{self.checkpoint}: from a run with other flags or data "
                f"({', '.join(_differences(self.progress.identity, identity))}); repeat those, "
                "choose another folder, or add --new_model to start afresh"
            )

    def _identity(self) -> dict:
        identity = self.task.identity | {"learning_rate": self.options.learning_rate}
        return json.loads(json.dumps(identity))

    def is_finished(self) -> bool:
        """Tell whether an earlier start has done everything."""
        return not self.epochs_left() and self.weights.exists() and self.scores.exists()

    def epochs_left(self) -> bool:
        """Tell whether an epoch is left to train and patience is not at its end."""
        patience = self.options.patience
        tired = patience is not None and self.progress.stale >= patience
        return self.progress.epoch < self.options.epochs and not tired

    def start(self) -> None:
        """Build the network and put it where the checkpoint is, if there is one."""
        devices = open_devices(self.options.devices)
        with devices.scope():
            network = self.task.build()
        print(f"{self.task.name}: {network.count_params():,} parameters")
        rate, clipnorm = self.options.learning_rate, self.task.clipnorm
        self.step = Step(network, rate, clipnorm, self.task.carried_rows, devices)
        if self.checkpoint.exists():
            load_checkpoint(self.checkpoint, self.step.variables)

    def train_epoch(self) -> None:
        """Train an epoch to its end, judge it, and save everything."""
        progress, network = self.progress, self.step.network
        row = self.train_batches() | self._validate()
        self._require_finite(row["val_loss"], "held-out loss")
        self._require_finite_weights()
        progress.history.append(row)
        row |= self.task.judge(network, progress.history)
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}
        improved = row["val_loss"] < progress.best
        progress.best = min(row["val_loss"], progress.best)
        progress.stale = 0 if improved else progress.stale + 1
        self._keep_weights(improved)
        self.task.paint(network, progress.history)
        self._print(row)
        log_epoch(self.folder, progress.history)
        save_checkpoint(self.checkpoint, self.step.variables, progress)
        stop_signal.check()

    def train_batches(self) -> dict[str, Any]:
        """Train on the batches that are left of an epoch; return their `seconds` and metrics."""
        start = saved = time.perf_counter()
        epoch, steps = self.progress.epoch, self.task.train.steps_per_epoch
        rate, means = warm_cosine(self.options.learning_rate), Means(self.progress.sums)
        done = self.progress.batch
        with progress_bar(total=steps, initial=done, desc=f"epoch {epoch + 1}") as bar:
            for index, batch in self._remaining():
                fraction = (epoch + index / steps) / self.options.epochs
                logs = self.step.train(batch, rate(fraction))
                self._require_finite(logs["loss"], "loss")
                means.add(logs, self.task.train.weight(batch))
                self.progress.batch = index + 1
                bar.update()
                if stop_signal.requested or time.perf_counter() - saved > self.options.save_every:
                    self._save_within_epoch()
                    saved = time.perf_counter()
        return {"epoch": epoch + 1, "seconds": time.perf_counter() - start} | means.row()

    def _remaining(self) -> Iterator[tuple[int, Batch]]:
        """Yield the batches of the epoch that an earlier start has not trained on."""
        for index, batch in enumerate(self.task.train.batches(self.progress.epoch)):
            if index >= self.progress.batch:
                yield index, batch

    def _save_within_epoch(self) -> None:
        self._require_finite_weights()
        save_checkpoint(self.checkpoint, self.step.variables, self.progress)
        if stop_signal.requested:
            raise Stopped

    def _validate(self) -> dict[str, float]:
        """Return the metrics of the held-out batches, their names prefixed with `val_`."""
        means, stream = Means({}), self.task.held_out
        with self.step.validation():
            for batch in stream.batches(0):
                means.add(self.step.validate(batch), stream.weight(batch))
        return {f"val_{name}": value for name, value in means.row().items()}

    def _require_finite(self, value: float, what: str) -> None:
        if not math.isfinite(float(value)):
            raise self._failure(f"the {what} is {float(value)}")

    def _require_finite_weights(self) -> None:
        if not self.step.is_finite():
            raise self._failure("a weight is NaN or infinite")

    def _failure(self, what: str) -> InputError:
        epoch, batches = self.progress.epoch + 1, self.progress.batch
        kept = f"{self.checkpoint} holds the last good weights"
        kept = kept if self.checkpoint.exists() else "nothing was saved"
        return InputError(
            f"{self.folder}: {what} in epoch {epoch}, after {batches} batches; {kept}; lower "
            "--learning_rate and add --new_model"
        )

    def _keep_weights(self, improved: bool) -> None:
        epoch, interval = self.progress.epoch, self.options.save_interval
        if improved and self.task.keep == "best":
            self._save_weights(self.weights)
        if interval and epoch % interval == 0:
            self._save_weights(self.folder / self.task.interval_name.format(epoch=epoch))

    def _save_weights(self, path: Path) -> None:
        save_weights(path, self.step.network, self.task.header, self.task.arrays)

    def _print(self, row: dict[str, Any]) -> None:
        names = self.task.shown or [name for name in row if name not in ("epoch", "seconds")]
        numbers = ", ".join(f"{name} {row[name]:.4f}" for name in names if name in row)
        print(f"{self.task.name}, epoch {row['epoch']}: {numbers}")

    def finish(self) -> dict:
        """Put the weights that are kept into the network, plot, report, and write the scores.

        Raises:
            InputError: the best weights were removed.
        """
        network, history = self.step.network, self.progress.history
        if self.task.keep == "last":
            self._save_weights(self.weights)
        elif not self.weights.exists():
            raise InputError(
                f"{self.weights}: the best weights are gone; add --new_model to train anew"
            )
        else:
            load_weights(self.weights, network)
        plot_curves(self.folder / "curves.png", self.task.curves, history)
        scores = self.task.report(network, history) if self.task.report else self._kept_row()
        write_json(self.scores, scores)
        print(f"{self.task.name}: trained {self.progress.epoch} epochs; weights in {self.weights}")
        return read_json(self.scores, AGAIN)

    def _kept_row(self) -> dict:
        history = self.progress.history
        if self.task.keep == "last":
            return history[-1]
        return min(history, key=lambda row: row["val_loss"])


def _differences(one: dict, other: dict) -> list[str]:
    """Return the names under which two identities differ."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
