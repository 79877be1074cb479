"""Stage 4's training on windows of latents on the disk against `fit` on windows in memory."""

import numpy as np

from benchmarks.rows import Row, compare
from benchmarks.training import epoch_seconds
from benchmarks.workplace import Workplace, leave_cache, stage
from reverie.backend import start_backend
from reverie.latents import Latents
from reverie.sequences import WindowStream

NOTE = "`model.fit`, windows in memory as NumPy arrays; goal 0.9"


def measure(place: Workplace) -> list[Row]:
    """Measure batches a second at stage 4's own sizes."""
    start_backend()
    path = place.latents()
    args = stage("04_train_rnn").parse_args(["--units", str(place.size(512, 32))])
    latents = Latents(path)
    stream = _few_batches(stage("04_train_rnn").streams(args, latents)[0], place.size(8, 2))
    networks = [stage("04_train_rnn").build(args, latents) for _ in range(2)]
    folder, rounds = place.folder / "train_rnn", place.size(3, 1)
    durations = epoch_seconds(
        networks, stream, folder, _gather(stream), rounds, lambda: leave_cache([path])
    )
    rates = (stream.steps_per_epoch / duration for duration in durations)
    what = f"MDN-RNN training, {stream.batch_size} windows of {stream.length} steps"
    return [compare(what, *rates, "batches/s", NOTE)]


def _few_batches(stream: WindowStream, count: int) -> WindowStream:
    """Thin the windows of a stream out to `count` batches, drawn from all its episodes."""
    size = min(count * stream.batch_size, len(stream.starts))
    size -= size % stream.batch_size if size > stream.batch_size else 0
    kept = np.linspace(0, len(stream.starts) - 1, size).astype(int)
    stream.starts, stream.episodes = stream.starts[kept], stream.episodes[kept]
    return stream


def _gather(stream: WindowStream) -> tuple[dict, dict]:
    return stream.gather(np.arange(len(stream.starts)))
