"""Do dreams that run free end as often as the game, and reward as much?

From states of recorded play the network dreams on, along the recorded actions or with a controller
that acts in the dream, and what it predicts is compared with what was recorded. On recorded latents
the predictions may be right and in dreams wrong, since there every step builds on the network's own
draws, and a controller meets what its own actions lead to.

Axes: N states, T steps, E episodes, R draws of episodes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reverie.dreams.dream import Dream, Policy, State
from reverie.dreams.recorded import HORIZONS, Recorded, recorded_states
from reverie.latents.storage import Latents
from reverie.reports.plots import evenly
from reverie.reports.scores import draw_episodes, sums_by_episode
from reverie.stage import progress, stop_signal

STATES = 1000  # at most
COPIES = 4  # dreams of each state
BATCH = 16  # states whose dreams are drawn together
TRUSTED = 1.5  # dreams may end, or reward, so many times more or less than the game


@dataclass(frozen=True)
class Actor:
    """A controller that acts in dreams.

    Attributes:
        policy: its shape.
        parameters: `(P,)`.
    """

    policy: Policy
    parameters: np.ndarray


def free_running(dream: Dream, latents: Latents, episodes: list[int], seed: int = 0) -> dict:
    """Compare dreams along recorded actions with the recording, from every hundredth step of it.

    Args:
        dream: of the network; its temperatures count.
        latents: the recording, which training must not have seen.
        episodes: numbers of the episodes to take.
        seed: decides drawn latents and dreams.

    Returns:
        See `compare`.
    """
    state, recorded = recorded_states(dream.rnn, latents, episodes, np.random.default_rng(seed))
    return compare(dream, state, recorded, seed)


def compare(
    dream: Dream, state: State, recorded: Recorded, seed: int = 0, actor: Actor | None = None
) -> dict:
    """Compare dreams that go on from recorded states with what was recorded after them.

    Along recorded actions a dream counts as long as its recording lasts, weighted with the
    probability that it has not ended, so that dreams and recordings are censored alike. With an
    actor a dream counts to the last of the steps, or to the one at which time was up in the
    recording.

    Args:
        dream: of the network; its temperatures count.
        state: of N recorded states, see `recorded_states`.
        recorded: what came next.
        seed: decides the dreams.
        actor: acts in the dreams; the recorded actions by default. It should be who has played.

    Returns:
        `states`, how many there are, and by the number of steps, as text: `game`, the ends that
        were recorded; `latents` and `dreams`, the ends that the network expects on recorded
        latents and in dreams, as multiples of `game`; `game_reward` and `dream_reward`, means of a
        step (with an actor of every step, those behind an end are 0), and `reward`, the second as a
        multiple of the first. Multiples have a 95 % bootstrap `_interval` over episodes; they are
        None where nothing ended or nothing was rewarded.
    """
    chosen = evenly(np.arange(len(recorded.episodes)), STATES)
    state = {name: values[chosen] for name, values in state.items()}
    recorded = recorded.rows(chosen)
    columns = _dreamt(dream, state, recorded, seed, actor)
    columns["counted"] = recorded.alive if actor is None else _until_time_is_up(recorded)
    result: dict[str, Any] = {"states": len(chosen)}
    for steps in HORIZONS:
        result[str(steps)] = _compared(recorded, columns, steps, censored=actor is None)
    return result


def _until_time_is_up(recorded: Recorded) -> np.ndarray:
    """Return 1 for the steps that were played and those after the game's end, `(N, T)`."""
    ended = np.cumsum(recorded.ends, axis=1) > 0
    return np.maximum(recorded.alive, ended)


def _dreamt(
    dream: Dream, state: State, recorded: Recorded, seed: int, actor: Actor | None
) -> dict[str, np.ndarray]:
    """Dream on; return the chance of getting to each step, of ending there, and reward: `(N, T)`.

    The last two are weighted with the first.
    """
    found = []
    for start in progress(range(0, len(recorded.episodes), BATCH), desc="free-running dreams"):
        part = slice(start, start + BATCH)
        begin = {name: np.repeat(values[part], COPIES, axis=0) for name, values in state.items()}
        actions = np.repeat(recorded.actions[part], COPIES, axis=0)
        if actor is None:
            dreams = dream.onward(begin, actions, seed + start)
        else:
            steps = actions.shape[1]
            dreams = dream.acted(begin, actor.policy, actor.parameters, steps, seed + start)
        survived = np.cumprod(1.0 - dreams.ends, axis=1)
        survived = np.pad(survived[:, :-1], ((0, 0), (1, 0)), constant_values=1.0)
        rows = survived, survived * dreams.ends, survived * dreams.rewards
        shape = (-1, COPIES, actions.shape[1])
        found.append([values.reshape(shape).mean(axis=1) for values in rows])
        stop_signal.check()
    names = "survived", "ends", "rewards"
    return {name: np.concatenate(column) for name, column in zip(names, zip(*found))}


def _compared(recorded: Recorded, columns: dict, steps: int, censored: bool) -> dict:
    """Compare the first steps of dreams and recordings; see `compare`."""
    counted = columns["counted"][:, :steps]
    columns = columns | {
        "game": recorded.ends,
        "game_rewards": recorded.rewards,
        "latents": recorded.predicted * recorded.alive,
    }
    episodes = recorded.episodes
    sums = {n: sums_by_episode(v[:, :steps] * counted, episodes) for n, v in columns.items()}
    everyone, draws = np.ones((1, len(sums["game"]))), draw_episodes(len(sums["game"]))
    once, many = (_multiples(sums, each, censored) for each in (everyone, draws))
    played, dreamt = sums["counted"].sum(), _expected(sums, "rewards", everyone, censored)
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


def _expected(
    sums: dict[str, np.ndarray], name: str, draws: np.ndarray, censored: bool
) -> np.ndarray:
    """Return what dreams predict, for draws of episodes: `(R,)`.

    Censored, it is for the steps that were played: the rate of those dreams that get there.
    """
    predicted = draws @ sums[name]
    if censored:
        rate = predicted / np.maximum(draws @ sums["survived"], 1e-9)
        predicted = (draws @ sums["counted"]) * rate
    return predicted.sum(axis=1)


def _multiples(
    sums: dict[str, np.ndarray], draws: np.ndarray, censored: bool
) -> dict[str, np.ndarray]:
    """Return what is expected as multiples of the game's, for draws of episodes: `(R,)` each."""
    game, rewards = ((draws @ sums[name]).sum(axis=1) for name in ("game", "game_rewards"))
    game, rewards = (np.where(values != 0, values, np.nan) for values in (game, rewards))
    return {
        "latents": (draws @ sums["latents"]).sum(axis=1) / game,
        "dreams": _expected(sums, "ends", draws, censored) / game,
        "reward": _expected(sums, "rewards", draws, censored) / rewards,
    }


def far_from_game(result: dict) -> str:
    """Say how far dreams are from the game where that is too far, else nothing.

    Ends decide where there are any; else rewards do, where their interval leaves no doubt.
    """
    row = result[str(HORIZONS[-1])]
    ends, reward = row["dreams"], row["reward"]
    if ends is not None:
        return "" if _trusted(ends) else f"end {ends:.2f} times as often as the game"
    if reward is None or any(map(_trusted, (reward, *row["reward_interval"]))):
        return ""
    return f"reward {reward:.2f} times as much as the game"


def _trusted(multiple: float) -> bool:
    return 1 / TRUSTED <= multiple <= TRUSTED


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
    if far := far_from_game(result):
        lines.append(
            f"warning: dreams {far}; a controller evolved in them may be worthless. Record more "
            "kinds of play (01) or train longer (04)"
        )
    return "\n".join(lines)


def _cell(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "nothing ended"
    return f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"
