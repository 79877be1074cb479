"""Do dreams that run free end as often as the game, and reward as much?

From states of recorded play the network dreams on along the recorded actions, and what it predicts
is compared with what was recorded. On recorded latents the predictions may be right and in dreams
wrong, since there every step builds on the network's own draws.

Axes: N states, T steps, B episodes, Z latent dimensions, A numbers in an action, H LSTM units.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from reverie.backend import compiled
from reverie.dreams.dream import Dream, State
from reverie.latents.storage import Latents
from reverie.models.mdn_rnn import MDNRNN
from reverie.stage import progress, stop_signal

STRIDE = 100  # steps between two states of an episode
HORIZONS = (25, 50, 100, 200)  # steps that are dreamt
STATES = 1000  # at most
COPIES = 4  # dreams of each state
BATCH = 16  # episodes that are followed together, and states whose dreams are drawn together
RESAMPLES = 1000
TRUSTED = 1.5  # dreams may end so many times more or less often than the game


@dataclass(frozen=True)
class Recorded:
    """What was recorded after N states, padded behind the ends of episodes.

    Attributes:
        episodes: of each state, `(N,)`.
        actions: codes, `(N, T, A)`.
        alive: 1 for the steps that were played, `(N, T)`.
        ends: 1 where the game ended the episode, `(N, T)`.
        rewards: `(N, T)`.
        predicted: the network's probability of ending on the recorded latents, `(N, T)`.
    """

    episodes: np.ndarray
    actions: np.ndarray
    alive: np.ndarray
    ends: np.ndarray
    rewards: np.ndarray
    predicted: np.ndarray


def free_running(dream: Dream, latents: Latents, episodes: list[int], seed: int = 0) -> dict:
    """Compare free-running dreams with recorded play, from every hundredth step of its episodes.

    A dream counts as long as its recording lasts, weighted with the probability that it has not
    ended, so that dreams and recordings are censored alike.

    Args:
        dream: of the network; its temperatures count.
        latents: the recording, which training must not have seen.
        episodes: numbers of the episodes to take.
        seed: decides drawn latents and dreams.

    Returns:
        `states`, how many there are, and by the number of steps, as text: `game`, the ends that
        were recorded; `latents` and `dreams`, the ends that the network expects on recorded
        latents and in dreams, as multiples of `game`, each with its 95 % bootstrap `_interval` over
        episodes; `game_reward` and `dream_reward`, means of a step. Multiples are None where
        nothing ended.
    """
    state, recorded = recorded_states(dream.rnn, latents, episodes, np.random.default_rng(seed))
    count = len(recorded.episodes)
    chosen = np.unique(np.linspace(0, count - 1, min(count, STATES)).astype(int))
    state = {name: values[chosen] for name, values in state.items()}
    recorded = Recorded(*(values[chosen] for values in vars(recorded).values()))
    survived, ends, rewards = _dreamt(dream, state, recorded, seed)
    result: dict[str, Any] = {"states": len(chosen)}
    for steps in HORIZONS:
        result[str(steps)] = _compared(recorded, survived, ends, rewards, steps)
    return result


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
    follow, found = compiled(_follower(rnn)), []
    for start in progress(range(0, len(episodes), BATCH), desc="recorded states"):
        rows = np.resize(episodes[start : start + BATCH], BATCH)
        known = min(BATCH, len(episodes) - start)
        found += _follow(follow, rnn, _Episodes(latents, rows, rng), known)
        stop_signal.check()
    state = {name: np.stack([row[name] for row, _ in found]) for name in ("z", "h", "c")}
    after = [np.stack(column) for column in zip(*(values for _, values in found))]
    return state, Recorded(*after)


class _Episodes:
    """B episodes as padded arrays, their latents drawn."""

    def __init__(self, latents: Latents, rows: np.ndarray, rng: np.random.Generator) -> None:
        lengths = latents.lengths[rows]
        longest = int(lengths.max())
        self.rows, self.lengths = rows, lengths
        self.steps = longest + HORIZONS[-1] + STRIDE
        step = np.minimum(np.arange(self.steps), lengths[:, None] - 1)
        frames, steps = (
            latents.frame_starts[rows, None] + step,
            latents.step_starts[rows, None] + step,
        )
        arrays = latents.arrays
        spread = np.exp(0.5 * arrays["logvar"][frames].astype(np.float32))
        noise = rng.standard_normal(spread.shape, np.float32)
        self.latents = arrays["mu"][frames].astype(np.float32) + spread * noise
        self.actions = latents.code.encode(arrays["actions"][steps]).astype(np.float32)
        self.alive = (np.arange(self.steps) < lengths[:, None]).astype(np.float32)
        self.ends = arrays["terminations"][steps] * self.alive
        self.rewards = arrays["rewards"][steps] * self.alive


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


def _follow(follow: Any, rnn: MDNRNN, batch: _Episodes, known: int) -> list[tuple[dict, tuple]]:
    """Follow a batch of episodes; return states and what came next of the first `known` rows."""
    hidden, cell = (np.zeros((BATCH, rnn.units), np.float32) for _ in range(2))
    states, predicted = [], []
    for start in range(0, batch.steps - STRIDE + 1, STRIDE):
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
            found.append((state, (batch.rows[row], *(v[row, after] for v in values))))
    return found


def _dreamt(dream: Dream, state: State, recorded: Recorded, seed: int) -> tuple[np.ndarray, ...]:
    """Dream on; return chance of getting to each step, of ending there, and reward: `(N, T)`."""
    found = []
    for start in progress(range(0, len(recorded.episodes), BATCH), desc="free-running dreams"):
        part = slice(start, start + BATCH)
        actions = np.repeat(recorded.actions[part], COPIES, axis=0)
        begin = {name: np.repeat(values[part], COPIES, axis=0) for name, values in state.items()}
        dreams = dream.onward(begin, actions, seed + start)
        survived = np.cumprod(1.0 - dreams.ends, axis=1)
        survived = np.pad(survived[:, :-1], ((0, 0), (1, 0)), constant_values=1.0)
        rows = survived, survived * dreams.ends, survived * dreams.rewards
        shape = (-1, COPIES, actions.shape[1])
        found.append([values.reshape(shape).mean(axis=1) for values in rows])
        stop_signal.check()
    return tuple(np.concatenate(column) for column in zip(*found))


def _compared(
    recorded: Recorded, survived: np.ndarray, ends: np.ndarray, rewards: np.ndarray, steps: int
) -> dict:
    """Compare the first steps of dreams and recordings; see `free_running`."""
    columns = {
        "alive": recorded.alive,
        "game": recorded.ends,
        "game_rewards": recorded.rewards,
        "latents": recorded.predicted,
        "survived": survived,
        "ends": ends,
        "rewards": rewards,
    }
    alive = recorded.alive[:, :steps]
    sums = {n: _by_episode(recorded.episodes, v[:, :steps] * alive) for n, v in columns.items()}
    episodes = len(sums["alive"])
    everyone = np.ones((1, episodes))
    shares = np.full(episodes, 1.0 / episodes)
    draws = np.random.default_rng(0).multinomial(episodes, shares, RESAMPLES)
    once, many = _multiples(sums, everyone), _multiples(sums, draws)
    played, dreamt = sums["alive"].sum(), _expected(sums, "rewards", everyone)
    row = {
        "game": int(sums["game"].sum()),
        "game_reward": float(sums["game_rewards"].sum() / played),
        "dream_reward": float(dreamt[0] / played),
    }
    for name, (multiple,) in once.items():
        found = np.isfinite(multiple)
        interval = np.nanpercentile(many[name], [2.5, 97.5]).tolist() if found else None
        row |= {name: float(multiple) if found else None, f"{name}_interval": interval}
    return row


def _by_episode(episodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum values `(N, T)` of states over those of the same episode: `(E, T)`."""
    index = np.unique(episodes, return_inverse=True)[1]
    sums = np.zeros((index.max() + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def _expected(sums: dict[str, np.ndarray], name: str, draws: np.ndarray) -> np.ndarray:
    """Return what dreams predict for the steps that were played, for draws of episodes."""
    rate = (draws @ sums[name]) / np.maximum(draws @ sums["survived"], 1e-9)
    return ((draws @ sums["alive"]) * rate).sum(axis=1)


def _multiples(sums: dict[str, np.ndarray], draws: np.ndarray) -> dict[str, np.ndarray]:
    """Return expected ends as multiples of those of the game, for draws of episodes."""
    game = (draws @ sums["game"]).sum(axis=1)
    game = np.where(game > 0, game, np.nan)
    latents = (draws @ sums["latents"]).sum(axis=1)
    return {"latents": latents / game, "dreams": _expected(sums, "ends", draws) / game}


def describe(result: dict) -> str:
    """Write the comparison as a table, with a warning where dreams are far from the game."""
    lines = [
        f"ends after {result['states']} recorded states, as multiples of the game's [95 %]",
        " steps  game  on recorded latents  in free-running dreams  reward a step: game  dreams",
    ]
    for steps in map(str, HORIZONS):
        row = result[steps]
        cells = [_cell(row[name], row[f"{name}_interval"]) for name in ("latents", "dreams")]
        rewards = f"{row['game_reward']:21.3f} {row['dream_reward']:7.3f}"
        lines.append(f"{steps:>6s} {row['game']:5d} {cells[0]:>20s} {cells[1]:>23s} {rewards}")
    multiple = result[str(HORIZONS[-1])]["dreams"]
    if multiple is not None and not 1 / TRUSTED <= multiple <= TRUSTED:
        lines.append(
            f"warning: dreams end {multiple:.2f} times as often as the game; a controller evolved "
            "in them may be worthless. Record more kinds of play (01) or train longer (04)"
        )
    return "\n".join(lines)


def _cell(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "nothing ended"
    return f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"
