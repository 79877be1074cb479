"""Recorded play followed by an MDN-RNN: the states it is in, and what came after them.

Axes: N states, T steps, B episodes, Z latent dimensions, A numbers in an action, H LSTM units.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from reverie.backend import compiled
from reverie.dreams.dream import State
from reverie.latents.storage import Latents
from reverie.models.mdn_rnn import MDNRNN
from reverie.stage import progress, stop_signal

STRIDE = 100  # steps between two states of an episode
HORIZONS = (25, 50, 100, 200)  # steps that are looked at after a state
BATCH = 16  # episodes that are followed together


@dataclass(frozen=True)
class Recorded:
    """What was recorded after N states, padded behind the ends of episodes.

    Attributes:
        episodes: of each state, `(N,)`.
        steps: of each state in its episode, `(N,)`.
        actions: codes, `(N, T, A)`.
        alive: 1 for the steps that were played, `(N, T)`.
        ends: 1 where the game ended the episode, `(N, T)`.
        rewards: `(N, T)`.
        predicted: the network's probability of ending on the recorded latents, `(N, T)`.
    """

    episodes: np.ndarray
    steps: np.ndarray
    actions: np.ndarray
    alive: np.ndarray
    ends: np.ndarray
    rewards: np.ndarray
    predicted: np.ndarray

    def rows(self, chosen: np.ndarray) -> "Recorded":
        """Return some of the states."""
        return Recorded(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class Played:
    """An episode of an agent in the game, as it sees it: T steps, each a list's entry.

    Attributes:
        latents: that it saw, `(Z,)` each.
        actions: codes, `(A,)` each.
        rewards: of the game.
        ends: whether the game ended the episode.
    """

    latents: list[np.ndarray] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    ends: list[bool] = field(default_factory=list)

    def add(self, latents: np.ndarray, actions: np.ndarray, reward: float, end: bool) -> None:
        """Add a step."""
        for values, value in zip(vars(self).values(), (latents, actions, reward, end)):
            values.append(value)


@dataclass(frozen=True)
class Episodes:
    """B episodes as arrays of T steps, padded behind their ends.

    Attributes:
        rows: their numbers, `(B,)`.
        lengths: `(B,)`.
        latents: `(B, T, Z)`.
        actions: codes, `(B, T, A)`.
        alive: 1 for the steps that were played, `(B, T)`.
        ends: 1 where the game ended the episode, `(B, T)`.
        rewards: `(B, T)`.
    """

    rows: np.ndarray
    lengths: np.ndarray
    latents: np.ndarray
    actions: np.ndarray
    alive: np.ndarray
    ends: np.ndarray
    rewards: np.ndarray


def recorded_states(
    rnn: MDNRNN, latents: Latents, episodes: list[int], rng: np.random.Generator
) -> tuple[State, Recorded]:
    """Follow recorded episodes; return the states at every hundredth step, and what came next.

    Args:
        rnn: follows them on latents that are drawn from their posteriors.
        latents: the recording.
        episodes: numbers of those to follow.
        rng: draws latents.
    """
    return _states(rnn, episodes, lambda rows: _encoded(latents, rows, rng))


def played_states(rnn: MDNRNN, episodes: list[Played]) -> tuple[State, Recorded]:
    """Follow episodes of an agent on what it saw; return the same as `recorded_states`."""
    return _states(rnn, list(range(len(episodes))), lambda rows: _seen(episodes, rows))


def _states(
    rnn: MDNRNN, episodes: list[int], gather: Callable[[np.ndarray], Episodes]
) -> tuple[State, Recorded]:
    follow, found = compiled(_follower(rnn)), []
    for start in progress(range(0, len(episodes), BATCH), desc="recorded states"):
        rows = np.resize(episodes[start : start + BATCH], BATCH)
        known = min(BATCH, len(episodes) - start)
        found += _follow(follow, rnn, gather(rows), known)
        stop_signal.check()
    state = {name: np.stack([row[name] for row, _ in found]) for name in ("z", "h", "c")}
    after = [np.stack(column) for column in zip(*(values for _, values in found))]
    return state, Recorded(*after)


def _steps(lengths: np.ndarray) -> np.ndarray:
    """Return the steps that are followed of episodes, behind their ends the last one."""
    return np.minimum(np.arange(lengths.max() + HORIZONS[-1] + STRIDE), lengths[:, None] - 1)


def _encoded(latents: Latents, rows: np.ndarray, rng: np.random.Generator) -> Episodes:
    """Return encoded episodes, their latents drawn."""
    lengths = latents.lengths[rows]
    step = _steps(lengths)
    frames = latents.frame_starts[rows, None] + step
    steps = latents.step_starts[rows, None] + step
    arrays = latents.arrays
    spread = np.exp(0.5 * arrays["logvar"][frames].astype(np.float32))
    noise = rng.standard_normal(spread.shape, np.float32)
    alive = (np.arange(step.shape[1]) < lengths[:, None]).astype(np.float32)
    return Episodes(
        rows,
        lengths,
        arrays["mu"][frames].astype(np.float32) + spread * noise,
        latents.code.encode(arrays["actions"][steps]).astype(np.float32),
        alive,
        arrays["terminations"][steps] * alive,
        arrays["rewards"][steps] * alive,
    )


def _seen(episodes: list[Played], rows: np.ndarray) -> Episodes:
    """Return episodes as their agent saw them."""
    chosen = [episodes[row] for row in rows]
    lengths = np.array([len(episode.rewards) for episode in chosen])
    step = _steps(lengths)
    alive = (np.arange(step.shape[1]) < lengths[:, None]).astype(np.float32)

    def padded(name: str) -> np.ndarray:
        values = [np.asarray(getattr(episode, name), np.float32) for episode in chosen]
        return np.stack([value[index] for value, index in zip(values, step)])

    latents, actions = padded("latents"), padded("actions")
    ends, rewards = padded("ends") * alive, padded("rewards") * alive
    return Episodes(rows, lengths, latents, actions, alive, ends, rewards)


def _follower(rnn: MDNRNN) -> Any:
    def follow(hidden: Any, cell: Any, latents: Any, actions: Any) -> tuple:
        """Follow `(STRIDE, B, ...)`; return LSTM state and probabilities of ending."""

        def body(step: Any, carry: tuple) -> tuple:
            hidden, cell, ends = carry
            hidden, cell = rnn.step(latents[step], actions[step], [hidden, cell])
            end = ops.sigmoid(rnn.predictions(hidden)["termination"])
            return hidden, cell, ops.slice_update(ends, (step, 0), end[None])

        ends = ops.zeros((STRIDE, BATCH))
        return ops.fori_loop(0, STRIDE, body, (hidden, cell, ends))

    return follow


def _follow(follow: Any, rnn: MDNRNN, batch: Episodes, known: int) -> list[tuple[dict, tuple]]:
    """Follow a batch of episodes; return states and what came next of the first `known` rows."""
    hidden, cell = (np.zeros((BATCH, rnn.units), np.float32) for _ in range(2))
    states, predicted = [], []
    for start in range(0, batch.alive.shape[1] - STRIDE + 1, STRIDE):
        states.append((start, hidden, cell))
        part = slice(start, start + STRIDE)
        inputs = batch.latents[:, part], batch.actions[:, part]
        results = follow(hidden, cell, *(values.transpose(1, 0, 2) for values in inputs))
        hidden, cell, ends = map(np.asarray, results)
        predicted.append(ends.T)
    ends, found = np.concatenate(predicted, axis=1), []
    for start, hidden, cell in states:
        after = slice(start, start + HORIZONS[-1])
        for row in np.flatnonzero(batch.lengths[:known] > start):
            state = {"z": batch.latents[row, start], "h": hidden[row], "c": cell[row]}
            values = batch.actions, batch.alive, batch.ends, batch.rewards, ends
            found.append((state, (batch.rows[row], start, *(v[row, after] for v in values))))
    return found
