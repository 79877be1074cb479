"""Policies by name: most do not look, their actions are drawn ahead for the game or the dream."""

import functools
from collections.abc import Callable

import gymnasium
import numpy as np

from reverie.games.actions import ActionCode
from reverie.rollouts.random_networks import RandomNetworks

MEAN_HOLD = 200  # steps; TakeCover is crossed in about 120
MAX_HOLD = 10  # steps; the article's random policy holds an action for 1 to 10
PERIODS = (10, 250)  # steps in one direction; TakeCover's best blind players turn every 120


def held_random(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Draw uniform actions, each held for 1 to 10 steps.

    Returns:
        `(steps, A)` float32.
    """
    holds = rng.integers(1, MAX_HOLD + 1, size=steps)
    draws = rng.uniform(space.low, space.high, size=(steps, *space.shape))
    return np.repeat(draws, holds, axis=0)[:steps].astype(np.float32)


def wandering(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Draw held actions whose pace and side are drawn anew for every episode.

    An action is held for 1 to 200 steps on average, the logarithm of that mean uniform, and leans
    to one side, in most episodes a little, by at most half the space. Some episodes dither, some
    cross the whole room, some stand at a wall: a dream learned from them knows what becomes of
    each.

    Returns:
        `(steps, A)` float32.
    """
    mean_hold = np.exp(rng.uniform(0.0, np.log(MEAN_HOLD)))
    holds = rng.geometric(1.0 / mean_hold, size=steps)
    lean = rng.uniform(-0.5, 0.5, size=space.shape) * rng.uniform(size=space.shape)
    draws = np.clip(lean + rng.uniform(-0.5, 0.5, size=(steps, *space.shape)), -0.5, 0.5)
    draws = (space.high + space.low) / 2 + (space.high - space.low) * draws
    return np.repeat(draws, holds, axis=0)[:steps].astype(np.float32)


def fresh_random(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Draw a uniform action at every step: `(steps, A)` float32."""
    return rng.uniform(space.low, space.high, size=(steps, *space.shape)).astype(np.float32)


def constant(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Put out zeros `(steps, A)` float32: the middle of every range, the first of all choices."""
    return np.zeros((steps, *space.shape), np.float32)


def one_action(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Draw one uniform action and hold it to the end.

    Returns:
        `(steps, A)` float32.
    """
    draw = rng.uniform(space.low, space.high)
    return np.tile(draw, (steps, 1)).astype(np.float32)


def turning(
    rng: np.random.Generator,
    steps: int,
    space: gymnasium.spaces.Box,
    period: int | None = None,
) -> np.ndarray:
    """Go to one side for a period, then to the other, and so on.

    The side is drawn, and so is the period of the episode where none is given: 10 to 250 steps,
    its logarithm uniform, and then each stretch lasts 0.8 to 1.25 times as long.

    Args:
        rng: decides the episode.
        steps: how many to draw.
        space: of the actions.
        period: steps of every stretch.

    Returns:
        `(steps, A)` float32.
    """
    side = rng.uniform(-1.0, 1.0, size=space.shape)
    side /= np.abs(side).max()
    if period is None:
        period = np.exp(rng.uniform(*np.log(PERIODS)))
        stretches = period * np.exp(rng.uniform(-np.log(1.25), np.log(1.25), size=steps))
    else:
        stretches = np.full(steps, period)
    turns = np.searchsorted(np.cumsum(stretches), np.arange(steps), side="right")
    draws = side * np.where(turns % 2, -1.0, 1.0)[:, None]
    return ((space.high + space.low) / 2 + (space.high - space.low) / 2 * draws).astype(np.float32)


def brownian(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Walk at random through the space, by 0.14 of its half width a step; stop at its edges.

    The steps' size is that of Tallec, Blier and Kalainathan (2018) for CarRacing.

    Returns:
        `(steps, A)` float32.
    """
    stride = (space.high - space.low) / 2 * np.sqrt(1 / 50)
    walk = stride * rng.standard_normal((steps, *space.shape))
    place = np.zeros(space.shape)
    for step in walk:
        place = step[...] = np.clip(place + step, space.low, space.high)
    return walk.astype(np.float32)


OPEN_LOOP: dict[str, Callable] = {
    "held_random": held_random,
    "wandering": wandering,
    "brownian": brownian,
    "fresh_random": fresh_random,
    "constant": constant,
    "one_action": one_action,
    "turning": turning,
}
TURNING = "turning_"  # and the steps of a stretch: `turning_120` turns every 120 steps
HABITS = (*OPEN_LOOP, *(f"{TURNING}{period}" for period in (40, 80, 120)))  # sought in the data
SURVEYED = HABITS[:5]  # dreams and games are compared in these; a game may add some of the others
LOOKING: dict[str, Callable] = {"random_networks": RandomNetworks}
POLICIES = (*OPEN_LOOP, *LOOKING)
REFERENCES = ("held_random", "constant")  # what controllers are scored beside
CONTROLLER = "controller:"  # and the hash of its file: a policy that was evolved
MIX = "mix:"  # and its members: `mix:wandering=3,turning` draws one of them for every episode


def open_loop(policy: str) -> Callable | None:
    """Return the function behind the name of a policy that does not look, None for others."""
    period = policy.removeprefix(TURNING)
    if period != policy and period.isdecimal() and int(period) > 0:
        return functools.partial(turning, period=int(period))
    return OPEN_LOOP.get(policy)


def shares_of(policy: str) -> dict[str, float]:
    """Return the share of the episodes that each member of a mix plays; of others all are its own.

    Raises:
        ValueError: a share is no number above 0, or a member comes twice.
    """
    if not policy.startswith(MIX):
        return {policy: 1.0}
    members = [member.partition("=") for member in policy.removeprefix(MIX).split(",")]
    shares = {name: float(share or 1.0) for name, _, share in members}
    if len(shares) < len(members) or not all(0.0 < share < np.inf for share in shares.values()):
        raise ValueError(policy)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def played_by(policy: str, seed: int) -> str:
    """Return the policy that plays an episode: a member of a mix, by the seed, or itself."""
    shares = shares_of(policy)
    if len(shares) == 1:
        return next(iter(shares))
    chosen = np.random.default_rng([seed, 3]).choice(len(shares), p=list(shares.values()))
    return list(shares)[chosen]


def is_blind(policy: str) -> bool:
    """Tell whether a policy, or every member of a mix, is one that does not look."""
    return all(open_loop(member) for member in shares_of(policy))


def is_named(policy: str, own: tuple[str, ...] = ()) -> bool:
    """Tell whether a policy, or every member of a mix, has a name that is known.

    Args:
        policy: what may be one.
        own: policies of the game alone.
    """
    try:
        members = shares_of(policy)
    except ValueError:
        return False
    return all(open_loop(name) or name in LOOKING or name in own for name in members)


def blind_policy(policy: str) -> str:
    """Return a policy that does not look by its name, and `held_random` in the place of others."""
    return policy if is_blind(policy) else "held_random"


PURPOSES = ("record", "evolve", "evaluate", "score")


def episode_seeds(seed: int, start: int, count: int, purpose: str = "record") -> list[int]:
    """Return the seeds of episodes `start` to `start + count - 1` of a run, each in [0, 2**31).

    Each depends on the run's seed and the episode's own number alone, so that neither the number of
    workers nor the split into batches changes the data. Episodes of different purposes never share
    one: what a controller evolved on is not what it is scored on.
    """
    keys = ([seed, index, PURPOSES.index(purpose)] for index in range(start, start + count))
    return [int(np.random.SeedSequence(key).generate_state(1)[0] & 0x7FFFFFFF) for key in keys]


def open_loop_actions(policy: str, seed: int, steps: int, space: gymnasium.Space) -> np.ndarray:
    """Return the actions `(steps, ...)` of an episode under a policy that does not look.

    A policy draws what a controller might put out, numbers in [-1, 1], and the space says what
    they mean: so all policies are there for all spaces.
    """
    code = ActionCode.from_space(space)
    outputs = gymnasium.spaces.Box(-1.0, 1.0, (code.size,), np.float32)
    policy = open_loop(played_by(policy, seed))
    return code.decode(policy(np.random.default_rng([seed, 1]), steps, outputs))


def open_loop_codes(policy: str, seeds: list[int], steps: int, code: ActionCode) -> np.ndarray:
    """Return the codes of the actions of a policy that does not look: `(R, steps, A)`.

    Args:
        policy: its name.
        seeds: of R episodes.
        steps: of each.
        code: of the game's actions.
    """
    actions = [open_loop_actions(policy, seed, steps, code.space) for seed in seeds]
    return code.encode(np.stack(actions))


def chooser(policy: str, seed: int, steps: int, space: gymnasium.Space) -> Callable:
    """Return a function `(step, frame) -> action` for an episode under a policy by name, no mix."""
    if is_blind(policy):
        actions = open_loop_actions(policy, seed, steps, space)
        return lambda step, _: actions[step]
    networks = LOOKING[policy](np.random.default_rng([seed, 1]), ActionCode.from_space(space))
    return lambda _, frame: networks.act(frame)
