"""An epoch of `Trainer` against an epoch of a bare `fit`."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.rows import alternate

if TYPE_CHECKING:
    import keras

    from reverie.latents.windows import EpisodeStream
    from reverie.rollouts.frames import FrameStream


def epoch_seconds(
    networks: "list[keras.Model]",
    stream: "FrameStream | EpisodeStream",
    folder: Path,
    in_memory: tuple,
    rounds: int,
    before: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """Train two equal networks on the same data in turns.

    Args:
        networks: two, compiled; the first is trained by `Trainer`, the second by `fit`.
        stream: the data as the stage reads them.
        folder: for the checkpoints of `Trainer`.
        in_memory: the same data as arrays, what `fit` takes first.
        rounds: epochs that count.
        before: called before each epoch of `Trainer`.

    Returns:
        Seconds of an epoch of ours and of `fit`, without validation and checkpoint.
    """
    train = _trainer(networks[0], stream, folder)
    watch = _stopwatch()

    def ours(index: int) -> float:
        before()
        train.run(index + 1, lambda row: None)
        return train.progress.history[-1]["seconds"]

    def reference(_: int) -> float:
        networks[1].fit(
            *in_memory, batch_size=stream.batch_size, verbose=0, callbacks=[watch], shuffle=True
        )
        return watch.seconds

    return alternate(rounds, ours, reference)


def _trainer(model: "keras.Model", stream: Any, folder: Path) -> Any:
    from reverie.training.trainer import Trainer

    def first() -> Iterable[tuple]:
        return [next(iter(stream.batches(0)))]

    rate = float(np.array(model.optimizer.learning_rate))
    return Trainer(model, folder, stream.batches, first, lambda _: rate, stream.steps_per_epoch)


def _stopwatch() -> Any:
    """Return a callback of `fit` that times the epoch alone, not what `fit` prepares for it."""
    import time

    import keras

    class Stopwatch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            self.seconds = time.perf_counter() - self.start

    return Stopwatch()
