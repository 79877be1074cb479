"""Policies by name: most do not look, their actions are drawn ahead for the game or the dream."""

from collections.abc import Callable

import gymnasium
import numpy as np

from reverie.games.actions import ActionCode
from reverie.rollouts.random_networks import RandomNetworks

MEAN_HOLD = 200  # steps; TakeCover is crossed in about 120
MAX_HOLD = 10  # steps; the article's random policy holds an action for 1 to 10


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
}
LOOKING: dict[str, Callable] = {"random_networks": RandomNetworks}
POLICIES = (*OPEN_LOOP, *LOOKING)
REFERENCES = ("held_random", "constant")  # what controllers are scored beside
CONTROLLER = "controller:"  # and the hash of its file: a policy that was evolved


def blind_policy(policy: str) -> str:
    """Return a policy that does not look by its name, and `held_random` in the place of others."""
    return policy if policy in OPEN_LOOP else "held_random"


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
    return code.decode(OPEN_LOOP[policy](np.random.default_rng([seed, 1]), steps, outputs))


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
    """Return a function `(step, frame) -> action` for an episode under a policy by name."""
    if policy in OPEN_LOOP:
        actions = open_loop_actions(policy, seed, steps, space)
        return lambda step, _: actions[step]
    networks = LOOKING[policy](np.random.default_rng([seed, 1]), ActionCode.from_space(space))
    return lambda _, frame: networks.act(frame)
