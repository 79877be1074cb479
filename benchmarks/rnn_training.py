"""Stage 4's training on windows of latents on the disk against `fit` on windows in memory."""

import numpy as np

from benchmarks.rows import Row, compare
from benchmarks.training import epoch_seconds
from benchmarks.workplace import Workplace, leave_cache, stage
from reverie.backend import start_backend
from reverie.latents.storage import Latents
from reverie.latents.windows import EpisodeStream

NOTE = "`model.fit`, windows in memory as NumPy arrays; goal 0.9"


def measure(place: Workplace) -> list[Row]:
    """Measure batches a second at stage 4's own sizes."""
    start_backend()
    path = place.latents()
    flags = ["--units", str(place.size(512, 32)), "--skip_ahead", "60", "--batch_size", "64"]
    args, latents = stage("04_train_rnn").parse_args(flags), Latents(path)
    stream = stage("04_train_rnn").streams(args, latents)[0]
    build = stage("04_train_rnn").build
    networks = [build(args, latents, stream.batch_size) for _ in range(2)]
    folder, rounds = place.folder / "train_rnn", place.size(3, 1)
    durations = epoch_seconds(
        networks, stream, folder, _gather(stream), rounds, lambda: leave_cache([path])
    )
    rates = (stream.steps_per_epoch / duration for duration in durations)
    what = f"MDN-RNN training, {stream.batch_size} windows of {stream.length} steps"
    return [compare(what, *rates, "batches/s", NOTE)]


def _gather(stream: EpisodeStream) -> tuple[dict, dict]:
    parts = zip(*stream.batches(0))
    return tuple({k: np.concatenate([b[k] for b in part]) for k in part[0]} for part in parts)
