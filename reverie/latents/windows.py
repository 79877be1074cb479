"""Encoded episodes in windows that follow each other, for training the MDN-RNN."""

import heapq
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

    Every row follows episodes one after the other, without a gap: after the T steps of an episode
    comes one, masked, that leads from its last frame to the first of the next. So no episode is too
    short, and only the end of a row is padded.

    Args:
        latents: encoded episodes.
        episodes: numbers of those to take.
        sequence_length: steps of a window L.
        batch_size: windows a batch, its rows B; a row that has run out of episodes is masked.
        passes: how often an epoch goes through all episodes.
        seed: decides the order of each epoch; None for one order, the same in all.
    """

    def __init__(
        self,
        latents: Latents,
        episodes: list[int],
        sequence_length: int,
        batch_size: int,
        passes: int = 1,
        seed: int | None = 0,
    ) -> None:
        self.latents, self.length, self.batch_size = latents, sequence_length, batch_size
        self.passes, self.seed = passes, seed
        self.episodes = sorted(episodes)
        self.rows = self._deal()
        longest = max(self._starts(row)[-1] for row in self.rows) - 1
        self.steps_per_epoch = int(-(-longest // sequence_length))

    def _deal(self) -> list[np.ndarray]:
        """Give the rows all episodes of an epoch, so that the rows are equally long."""
        rows: list[list[int]] = [[] for _ in range(self.batch_size)]
        load = [(0, row) for row in range(self.batch_size)]
        for episode in sorted(self.episodes, key=lambda e: -self.latents.lengths[e]):
            for _ in range(self.passes):
                steps, row = heapq.heappop(load)
                rows[row].append(episode)
                heapq.heappush(load, (steps + int(self.latents.lengths[episode]) + 1, row))
        return [np.array(row, int) for row in rows]

    def _starts(self, row: np.ndarray) -> np.ndarray:
        """Return where in a row its episodes begin, and where it ends."""
        return np.concatenate([[0], np.cumsum(self.latents.lengths[row] + 1)])

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, as `MDNRNN` takes them, in an order of its own."""
        rows = self.rows
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, epoch])
            rows = [rng.permutation(row) for row in rows]
        starts = [self._starts(row) for row in rows]
        for number in range(self.steps_per_epoch):
            place = number * self.length + np.arange(self.length + 1)
            cuts = [_cut(*row, place) for row in zip(rows, starts)]
            yield self.gather(*map(np.stack, zip(*cuts)))

    def weight(self, batch: Batch) -> float:
        """Return the number of steps in a batch that were played."""
        return float(batch[1]["mask"].sum())

    def gather(self, episodes: np.ndarray, steps: np.ndarray) -> Batch:
        """Return inputs and targets of windows.

        Args:
            episodes: what their frames are of, `(B, L + 1)`; `NOBODY` for padding.
            steps: which of its frames each is; the last one may be repeated.

        Returns:
            `mu` and `logvar` `(B, L + 1, Z)`, `actions`, as codes, `(B, L, A)` and `begins`
            `(B, L)`, 1 where an episode begins; `reward`, `termination` and `mask` `(B, L)`, 1
            where a step was played; all float32.
        """
        somebody, episodes = episodes != NOBODY, np.maximum(episodes, 0)
        arrays, lengths = self.latents.arrays, self.latents.lengths[episodes]
        frames = self.latents.frame_starts[episodes] + np.minimum(steps, lengths)
        mask = ((steps < lengths) & somebody)[:, :-1]
        played = self.latents.step_starts[episodes] + np.minimum(steps, lengths - 1)
        played = played[:, :-1]
        x = {
            "mu": arrays["mu"][frames],
            "logvar": arrays["logvar"][frames],
            "actions": self.latents.code.encode(arrays["actions"][played]),
            "begins": ((steps == 0) & somebody)[:, :-1],
        }
        y = {
            "reward": arrays["rewards"][played],
            "termination": arrays["terminations"][played] & mask,
            "mask": mask,
        }
        return tuple({k: v.astype(np.float32) for k, v in part.items()} for part in (x, y))


def _cut(row: np.ndarray, starts: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which episode is at these places of a row, and which step of it."""
    index = np.searchsorted(starts, place, "right") - 1
    known = np.append(row, NOBODY)
    return known[index], place - starts[index]


def whole_episodes(latents: Latents, episodes: list[int], batch_size: int) -> Iterator[Batch]:
    """Yield batches in which every row is an episode, padded to the length of the longest.

    Args:
        latents: encoded episodes.
        episodes: numbers of those to take, in their order.
        batch_size: rows of a batch; those of the last one that have no episode are masked.
    """
    stream = EpisodeStream(latents, list(episodes), 1, batch_size)
    shape = batch_size, int(latents.lengths[episodes].max()) + 1
    for start in range(0, len(episodes), batch_size):
        rows = np.full(batch_size, NOBODY)
        some = episodes[start : start + batch_size]
        rows[: len(some)] = some
        steps = np.broadcast_to(np.arange(shape[1]), shape)
        yield stream.gather(np.broadcast_to(rows[:, None], shape), steps)


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
