"""Stage 4's training on windows of latents on the disk against `fit` on windows in memory."""

import numpy as np

from benchmarks.rows import Row, compare
from benchmarks.workplace import Workplace, leave_cache, stage
from reverie import flags
from reverie.backend import start_backend
from reverie.latents.storage import Latents
from reverie.latents.windows import EpisodeStream

NOTE = "`model.fit`, windows in memory as NumPy arrays; goal 0.9"


def measure(place: Workplace) -> list[Row]:
    """Measure batches a second at stage 4's own sizes."""
    start_backend()
    path = place.latents()
    numbers = ["--units", str(place.size(512, 32)), "--skip_ahead", "60", "--batch_size", "64"]
    from benchmarks.training import epoch_seconds
    from reverie.dreams.rnn_task import RNNOptions, rnn_task

    args, folder = stage("04_train_rnn").parse_args(numbers), place.folder / "train_rnn"
    task = rnn_task(Latents(path), flags.filled(RNNOptions, args), folder)
    stream, rounds = task.train, place.size(3, 1)
    durations = epoch_seconds(
        task, folder, args.learning_rate, _gather(stream), rounds, lambda: leave_cache([path])
    )
    rates = (stream.steps_per_epoch / duration for duration in durations)
    what = f"MDN-RNN training, {stream.batch_size} windows of {stream.length} steps"
    return [compare(what, *rates, "batches/s", NOTE)]


def _gather(stream: EpisodeStream) -> tuple[dict, dict]:
    parts = zip(*stream.batches(0))
    return tuple({k: np.concatenate([b[k] for b in part]) for k in part[0]} for part in parts)
