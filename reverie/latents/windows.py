"""Encoded episodes in windows that follow each other, for training the MDN-RNN."""

from collections.abc import Iterator

import numpy as np

from reverie.artifacts import InputError
from reverie.latents.storage import Latents

Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
NOBODY = -1  # in place of an episode, where a row has none left
ENOUGH = 200_000  # steps, to fit a Gaussian to


class EpisodeStream:
    """Batches of windows in which every row goes on where it stood in the batch before.

    So an LSTM can carry its memory from window to window through a whole episode (truncated
    backpropagation through time). Windows that began anywhere with an empty memory would show it
    that nobody can know what happened before: how often a player was hit, how long nobody came.

    Every row follows episodes of its own, one after the other. An episode is cut into windows from
    its first step on; the last one is masked behind the episode's end, so no episode is too short.

    Args:
        latents: encoded episodes.
        episodes: numbers of those to take.
        sequence_length: steps of a window L.
        batch_size: windows a batch, its rows B; a row that has run out of episodes is masked.
        passes: how often an epoch goes through all episodes.
        seed: decides the order.
    """

    def __init__(
        self,
        latents: Latents,
        episodes: list[int],
        sequence_length: int,
        batch_size: int,
        passes: int = 1,
        seed: int = 0,
    ) -> None:
        self.latents, self.length, self.batch_size = latents, sequence_length, batch_size
        self.passes, self.seed = passes, seed
        self.windows = -(-np.asarray(latents.lengths) // sequence_length)  # of each episode
        self.rows: list[list[int]] = [[] for _ in range(batch_size)]
        load = np.zeros(batch_size, int)
        for episode in sorted(episodes, key=lambda e: -self.windows[e]):
            row = int(load.argmin())
            self.rows[row].append(episode)
            load[row] += self.windows[episode]
        self.batches_per_pass = int(load.max())

    @property
    def episodes(self) -> list[int]:
        """Numbers of the episodes that it goes through, in order."""
        return sorted(episode for row in self.rows for episode in row)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.passes * self.batches_per_pass

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, as `MDNRNN` takes them, in an order of its own."""
        rng = np.random.default_rng([self.seed, epoch])
        for _ in range(self.passes):
            yield from self._pass([rng.permutation(row) for row in self.rows])

    def in_order(self) -> Iterator[Batch]:
        """Yield the batches of one pass, the same ones every time."""
        yield from self._pass(self.rows)

    def weight(self, batch: Batch) -> float:
        """Return the number of steps in a batch that were played."""
        return float(batch[1]["mask"].sum())

    def _pass(self, rows: list) -> Iterator[Batch]:
        episodes = np.full((len(rows), self.batches_per_pass), NOBODY)
        starts = np.zeros_like(episodes)
        for number, row in enumerate(rows):
            each = [np.arange(self.windows[episode]) for episode in row]
            followed = np.repeat(np.asarray(row, int), [len(windows) for windows in each])
            episodes[number, : len(followed)] = followed
            starts[number, : len(followed)] = np.concatenate([[], *each]) * self.length
        for column in range(self.batches_per_pass):
            yield self.gather(episodes[:, column], starts[:, column])

    def gather(self, episodes: np.ndarray, starts: np.ndarray) -> Batch:
        """Return inputs and targets of the windows at these steps `(B,)` of these episodes `(B,)`.

        Returns:
            `mu` and `logvar` `(B, L + 1, Z)`, `actions`, as codes, `(B, L, A)` and `begins` `(B,)`,
            1 where an episode begins; `reward`, `termination` and `mask` `(B, L)`, all float32.
        """
        somebody, episodes = (episodes != NOBODY)[:, None], np.maximum(episodes, 0)
        arrays, lengths = self.latents.arrays, self.latents.lengths[episodes, None]
        step = starts[:, None] + np.arange(self.length)
        mask = (step < lengths) & somebody
        steps = self.latents.step_starts[episodes, None] + np.minimum(step, lengths - 1)
        frame = starts[:, None] + np.arange(self.length + 1)
        frames = self.latents.frame_starts[episodes, None] + np.minimum(frame, lengths)
        x = {
            "mu": arrays["mu"][frames],
            "logvar": arrays["logvar"][frames],
            "actions": self.latents.code.encode(arrays["actions"][steps]),
            "begins": starts == 0,
        }
        y = {
            "reward": arrays["rewards"][steps],
            "termination": arrays["terminations"][steps] & mask,
            "mask": mask,
        }
        return tuple({k: v.astype(np.float32) for k, v in part.items()} for part in (x, y))


class OrderedStream:
    """One pass through the windows of a stream as an epoch, in the same order every time.

    Args:
        stream: the windows.
    """

    def __init__(self, stream: EpisodeStream) -> None:
        self.stream = stream
        self.steps_per_epoch = stream.batches_per_pass
        self.weight = stream.weight

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of the pass."""
        return self.stream.in_order()


def persistence_nats(train: EpisodeStream, held_out: EpisodeStream) -> float:
    """Return the nats per frame of the persistence baseline.

    Differences between neighbouring drawn latents are taken as independent Gaussians, fitted on the
    training episodes and scored on the held-out ones.
    """
    rng = np.random.default_rng(0)

    def differences(stream: EpisodeStream) -> np.ndarray:
        found, steps = [], 0
        for x, y in stream.batches(0):
            z = x["mu"] + np.exp(0.5 * x["logvar"]) * rng.standard_normal(x["mu"].shape)
            scored = (y["mask"] * (1.0 - y["termination"])).astype(bool)
            found.append((z[:, 1:] - z[:, :-1])[scored])
            steps += len(found[-1])
            if steps > ENOUGH:
                break
        return np.concatenate(found)

    fitted, scored = differences(train), differences(held_out)
    if len(fitted) < 2 or len(scored) == 0:
        raise InputError("too few steps to compare with; record more episodes")
    mean, variance = fitted.mean(axis=0), fitted.var(axis=0) + 1e-8
    nats = 0.5 * (np.log(2.0 * np.pi * variance) + (scored - mean) ** 2 / variance)
    return float(nats.sum(axis=-1).mean())
