"""How well a network predicts held-out episodes step by step, and whether it uses the actions.

Axes: B episodes, T steps, Z latent dimensions, A numbers in an action.
"""

from typing import Any

import numpy as np
from keras import ops

from reverie.backend import compiled
from reverie.dreams.calibration import calibration
from reverie.dreams.dream import State
from reverie.dreams.recorded import Recorded
from reverie.evaluate.held_out import HeldOut
from reverie.latents.windows import EpisodeStream, persistence_nats, whole_episodes
from reverie.models.mdn_rnn import MDNRNN
from reverie.reports.scores import mean_over_episodes
from reverie.stage import progress, stop_signal

BATCH = 8  # whole episodes at a time
CHOICES = 5  # sequences of actions, one of them played
STEPS = 15  # of each
CERTAIN = -20.0  # logvar of latents that are drawn already
WINDOWS = 100  # steps, of the baseline's


def one_step(rnn: MDNRNN, held_out: HeldOut, seed: int) -> dict[str, Any]:
    """Score predictions of every next step from the true ones before it.

    Returns:
        `nats`: nats per frame of the mixture, of one component on the same LSTM, of the mixture
        after shuffled actions and of the next latent being this one; `shuffled_costs`, the second
        of these minus the first; `loss_ratio`, the same as a ratio where nats are positive;
        `reward_error`, squared and divided by the reward's variance; `ends`, nats per step, and
        `ends_at_constant_rate`; `calibration`. Means have 95 % intervals over episodes.
    """
    rng, sums = np.random.default_rng(seed), []
    judge = compiled(_judge(rnn))
    batches = whole_episodes(held_out.latents, held_out.test, BATCH)
    count = -(-len(held_out.test) // BATCH)
    for x, y in progress(batches, desc="one-step predictions", total=count):
        sums.append(_sums(judge, x, y, rng))
        stop_signal.check()
    columns = {name: np.concatenate([part[name] for part in sums]) for name in sums[0]}
    columns = {name: values[: len(held_out.test)] for name, values in columns.items()}
    scored, played = columns["scored"], columns["played"]
    nats = {
        name: mean_over_episodes(columns[name], scored)
        for name in ("mixture", "one component", "shuffled actions")
        if name in columns
    }
    train, test = (
        EpisodeStream(held_out.latents, rows, WINDOWS, BATCH)
        for rows in (held_out.train, held_out.test)
    )
    nats["next latent = this latent"] = {"value": persistence_nats(train, test), "interval": None}
    costs = mean_over_episodes(columns["shuffled actions"] - columns["mixture"], scored)
    before, after = nats["mixture"]["value"], nats["shuffled actions"]["value"]
    found = {
        "nats": nats,
        "shuffled_costs": costs,
        "loss_ratio": after / before if before > 0 else None,
        "ends": mean_over_episodes(columns["ends"], played),
        "ends_at_constant_rate": _constant_rate(held_out),
        "calibration": calibration(rnn, test),
    }
    variance = _variance(held_out)
    if "reward" in columns and variance > 0:
        found["reward_error"] = mean_over_episodes(columns["reward"] / variance, played)
    return found


def _judge(rnn: MDNRNN) -> Any:
    def judge(x: dict, y: dict) -> dict:
        outputs = rnn.unroll(x)[0]
        ended = y["termination"]
        scored = y["mask"] * (1.0 - ended)
        found = {
            "mixture": rnn.nats_of(rnn.mixture, outputs["mixture"], outputs["next_latent"]),
            "scored": ops.ones_like(ended),
        }
        if "gaussian" in outputs:
            nats = rnn.nats_of(rnn.gaussian, outputs["gaussian"], outputs["next_latent"])
            found["one component"] = nats
        found = {name: ops.sum(values * scored, axis=1) for name, values in found.items()}
        played = {
            "ends": ops.binary_crossentropy(ended, outputs["termination"], from_logits=True),
            "played": ops.ones_like(ended),
        }
        if "reward" in outputs:
            played["reward"] = ops.square(outputs["reward"] - y["reward"])
        return found | {n: ops.sum(v * y["mask"], axis=1) for n, v in played.items()}

    return judge


def _sums(judge: Any, x: dict, y: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return sums over the steps of each episode of a batch, `(B,)` each."""
    found = {name: np.asarray(values) for name, values in judge(x, y).items()}
    played = y["mask"].astype(bool)
    actions = x["actions"].copy()
    actions[played] = rng.permutation(actions[played])
    found["shuffled actions"] = np.asarray(judge(x | {"actions": actions}, y)["mixture"])
    return found


def _constant_rate(held_out: HeldOut) -> float:
    """Return the nats per step of the share of steps that end an episode, on the held-out ones."""
    ends = sum(int(_steps(held_out, "terminations", e).sum()) for e in held_out.test)
    steps = int(held_out.latents.lengths[held_out.test].sum())
    rate = held_out.latents.end_rate()
    return float(-(ends * np.log(rate) + (steps - ends) * np.log(1 - rate)) / steps)


def _variance(held_out: HeldOut) -> float:
    rewards = np.concatenate([_steps(held_out, "rewards", e) for e in held_out.test])
    return float(rewards.var(dtype=float))


def _steps(held_out: HeldOut, name: str, episode: int) -> np.ndarray:
    start, stop = held_out.latents.step_starts[episode : episode + 2]
    return held_out.latents.arrays[name][start:stop]


def picks(
    rnn: MDNRNN, held_out: HeldOut, state: State, recorded: Recorded, seed: int
) -> dict[str, Any]:
    """Ask which of five sequences of actions explains what came next best; one was played.

    The others were played elsewhere in the recording.

    Returns:
        `share` of the states in which the played sequence explains it best, with its interval over
        episodes, `chance`, `steps` of a sequence and `states`.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(recorded.alive[:, :STEPS].all(axis=1) & ~recorded.ends[:, :STEPS].any(1))
    if len(rows) < CHOICES:
        return {"share": None, "chance": 1 / CHOICES, "steps": STEPS, "states": len(rows)}
    following = np.stack([_following(held_out, recorded, row, rng) for row in rows])
    following = np.concatenate([state["z"][rows, None], following], axis=1)
    played = recorded.actions[rows, :STEPS]
    ask, surprises = compiled(_surprise(rnn)), []
    for choice in range(CHOICES):
        order = np.arange(len(rows)) if choice == 0 else _elsewhere(len(rows), rng)
        x = {"mu": following, "logvar": np.full_like(following, CERTAIN), "actions": played[order]}
        surprises.append(np.asarray(ask(x, state["h"][rows], state["c"][rows])))
    best = np.stack(surprises).argmin(axis=0) == 0
    share = mean_over_episodes(best.astype(float), None, recorded.episodes[rows])
    return {"share": share, "chance": 1 / CHOICES, "steps": STEPS, "states": len(rows)}


def _following(
    held_out: HeldOut, recorded: Recorded, row: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw the latents `(STEPS, Z)` that came after a state."""
    steps = recorded.steps[row] + 1 + np.arange(STEPS)
    frames = held_out.frame_index(recorded.episodes[row], steps)
    mu, logvar = (
        np.asarray(held_out.latents.arrays[k][frames], np.float32) for k in ("mu", "logvar")
    )
    return mu + np.exp(0.5 * logvar) * rng.standard_normal(mu.shape, np.float32)


def _elsewhere(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw for each of some states another one."""
    return (np.arange(count) + rng.integers(1, count, size=count)) % count


def _surprise(rnn: MDNRNN) -> Any:
    def surprise(x: dict, hidden: Any, cell: Any) -> Any:
        outputs = rnn.unroll(x, [hidden, cell])[0]
        return ops.sum(rnn.nats_of(rnn.mixture, outputs["mixture"], outputs["next_latent"]), axis=1)

    return surprise
