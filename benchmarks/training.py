"""An epoch of a training run against an epoch of a bare `fit` of Keras."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from benchmarks.rows import alternate
from reverie.training.checkpoint import Progress
from reverie.training.fit import Run
from reverie.training.steps import Step
from reverie.training.task import Task, TrainingOptions


def epoch_seconds(
    task: Task,
    folder: Path,
    learning_rate: float,
    in_memory: tuple,
    rounds: int,
    before: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """Train two equal networks on the same data in turns.

    Args:
        task: the network, and the data as the stage reads them.
        folder: of the run.
        learning_rate: the highest.
        in_memory: the same data as arrays, what Keras takes first.
        rounds: epochs that count.
        before: called before each epoch of the run.

    Returns:
        Seconds of an epoch of ours and of Keras, without validation and checkpoint.
    """
    run = Run(task, folder, TrainingOptions(epochs=rounds + 1, learning_rate=learning_rate))
    run.start()
    reference = Step(task.build(), learning_rate, task.clipnorm).model
    watch = Stopwatch()

    def ours(index: int) -> float:
        before()
        run.progress = Progress(epoch=index)
        return run.train_batches()["seconds"]

    def theirs(_: int) -> float:
        size = task.train.batch_size
        reference.fit(*in_memory, batch_size=size, verbose=0, callbacks=[watch], shuffle=True)
        return watch.seconds

    return alternate(rounds, ours, theirs)


class Stopwatch(keras.callbacks.Callback):
    """Times an epoch of Keras alone, not what it prepares for it."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> Any:
        """Stop."""
        self.seconds = time.perf_counter() - self.start
