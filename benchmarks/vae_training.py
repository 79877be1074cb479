"""Stage 2's training from files on the disk against `fit` on frames in memory."""

import numpy as np

from benchmarks.rows import Row, compare
from benchmarks.workplace import GAME, Workplace, leave_cache, stage
from reverie import flags
from reverie.backend import start_backend
from reverie.headers import WeightsHeader
from reverie.rollouts.frames import FrameStream
from reverie.rollouts.storage import episode_lengths

NOTE = "`model.fit`, frames in memory as one NumPy array; goal 0.9"


def measure(place: Workplace) -> list[Row]:
    """Measure frames a second of both architectures."""
    start_backend()
    paths = place.rollouts()
    episodes = list(range(len(episode_lengths(paths))))
    some = episodes[: place.size(4, 2)]  # the article's network is slow, fewer frames tell as much
    return [_compare(place, "patch", episodes), _compare(place, "article", some)]


def _compare(place: Workplace, architecture: str, episodes: list[int]) -> Row:
    paths = place.rollouts()
    from benchmarks.training import epoch_seconds
    from reverie.latents.vae_task import CLIPNORM, VAEOptions, build
    from reverie.training.task import Task

    args = stage("02_train_vae").parse_args(["--architecture", architecture])
    stream = FrameStream(paths, episodes, args.batch_size)
    frames = np.concatenate([batch for (batch,) in stream.batches(0)])
    task = Task(
        name=architecture,
        weights="weights.h5",
        build=lambda: build(flags.filled(VAEOptions, args), frames[::10]),
        train=stream,
        held_out=stream,
        identity={},
        header=WeightsHeader(GAME),
        clipnorm=CLIPNORM,
    )
    durations = epoch_seconds(
        task,
        place.folder / f"train_{architecture}",
        args.learning_rate,
        (frames,),
        place.size(3, 1),
        lambda: leave_cache(paths),
    )
    rates = (len(frames) / duration for duration in durations)
    return compare(f"VAE training, {architecture}", *rates, "frames/s", NOTE)
