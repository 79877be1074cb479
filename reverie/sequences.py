"""Windows of encoded episodes, in shuffled batches, for training the MDN-RNN."""

from collections.abc import Iterator

import numpy as np

from reverie.artifacts import InputError
from reverie.latents import Latents

Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


class WindowStream:
    """Batches of windows from some episodes.

    Windows start every `skip_ahead` steps up to an episode's last one; those that reach past its
    end are masked there. So no episode is too short, and an episode's last step is in as many
    windows as any other: dropping those windows would make the dream forget death.

    Args:
        latents: encoded episodes.
        episodes: numbers of those to take.
        sequence_length: steps of a window L.
        skip_ahead: steps between the starts of neighbouring windows.
        batch_size: windows a batch B; the last batch of an epoch is dropped unless it is whole,
            or the only one.
        seed: decides the order.
    """

    def __init__(
        self,
        latents: Latents,
        episodes: list[int],
        sequence_length: int,
        skip_ahead: int,
        batch_size: int,
        seed: int = 0,
    ) -> None:
        self.latents, self.length = latents, sequence_length
        self.batch_size, self.seed = batch_size, seed
        starts = [np.arange(0, latents.lengths[e], skip_ahead) for e in episodes]
        self.starts = np.concatenate(starts)
        self.episodes = np.repeat(episodes, [len(s) for s in starts])

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return max(1, len(self.starts) // self.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the shuffled batches of an epoch, as `MDNRNN` takes them."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.starts))
        for step in range(self.steps_per_epoch):
            yield self.gather(order[step * self.batch_size : (step + 1) * self.batch_size])

    def in_order(self) -> Iterator[Batch]:
        """Yield all windows in order, the last batch smaller."""
        for start in range(0, len(self.starts), self.batch_size):
            yield self.gather(np.arange(start, min(start + self.batch_size, len(self.starts))))

    def gather(self, windows: np.ndarray) -> Batch:
        """Return inputs and targets of the windows with these numbers.

        Returns:
            `mu` and `logvar` `(B, L + 1, Z)` and `actions`, as codes, `(B, L, A)`; `reward`,
            `termination` and `mask` `(B, L)`, all float32.
        """
        episodes, starts = self.episodes[windows], self.starts[windows]
        arrays, lengths = self.latents.arrays, self.latents.lengths[episodes, None]
        step = starts[:, None] + np.arange(self.length)
        mask = step < lengths
        steps = self.latents.step_starts[episodes, None] + np.minimum(step, lengths - 1)
        frame = starts[:, None] + np.arange(self.length + 1)
        frames = self.latents.frame_starts[episodes, None] + np.minimum(frame, lengths)
        x = {
            "mu": arrays["mu"][frames],
            "logvar": arrays["logvar"][frames],
            "actions": self.latents.code.encode(arrays["actions"][steps]),
        }
        y = {
            "reward": arrays["rewards"][steps],
            "termination": arrays["terminations"][steps] & mask,
            "mask": mask,
        }
        return tuple({k: v.astype(np.float32) for k, v in part.items()} for part in (x, y))


def persistence_nats(train: WindowStream, held_out: WindowStream) -> float:
    """Return the nats per frame of "the next latent is this one", the simplest forecast.

    Differences between neighbouring drawn latents are taken as independent Gaussians, fitted on the
    training episodes and scored on the held-out ones.
    """
    rng = np.random.default_rng(0)

    def differences(stream: WindowStream) -> np.ndarray:
        count = min(len(stream.starts), 2048)
        windows = rng.choice(len(stream.starts), count, replace=False)
        x, y = stream.gather(np.sort(windows))
        z = x["mu"] + np.exp(0.5 * x["logvar"]) * rng.standard_normal(x["mu"].shape)
        scored = (y["mask"] * (1.0 - y["termination"])).astype(bool)
        return (z[:, 1:] - z[:, :-1])[scored]

    fitted, scored = differences(train), differences(held_out)
    if len(fitted) < 2 or len(scored) == 0:
        raise InputError("too few steps to compare with; record more episodes")
    mean, variance = fitted.mean(axis=0), fitted.var(axis=0) + 1e-8
    nats = 0.5 * (np.log(2.0 * np.pi * variance) + (scored - mean) ** 2 / variance)
    return float(nats.sum(axis=-1).mean())
