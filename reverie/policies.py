"""Policies that do not look: whole action sequences drawn ahead, for the game and for the dream."""

from collections.abc import Callable

import gymnasium
import numpy as np

MAX_STRIDE = 100  # steps; TakeCover is crossed in about 120
MAX_HOLD = 10  # steps; the article's random policy holds an action for 1 to 10


def held_random(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Draw uniform actions, each held for 1 to 10 steps.

    Returns:
        `(steps, A)` float32.
    """
    holds = rng.integers(1, MAX_HOLD + 1, size=steps)
    draws = rng.uniform(space.low, space.high, size=(steps, *space.shape))
    return np.repeat(draws, holds, axis=0)[:steps].astype(np.float32)


def strided_random(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Draw uniform actions, each held for 1 to 100 steps, short and long spells alike.

    The logarithm of a spell is uniform, so play goes from dithering to crossing the whole room: a
    dream learned from it knows the walls, where short holds hardly ever lead.

    Returns:
        `(steps, A)` float32.
    """
    holds = np.exp(rng.uniform(0.0, np.log(MAX_STRIDE), size=steps)).astype(int)
    draws = rng.uniform(space.low, space.high, size=(steps, *space.shape))
    return np.repeat(draws, holds, axis=0)[:steps].astype(np.float32)


def fresh_random(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Draw a uniform action at every step: `(steps, A)` float32."""
    return rng.uniform(space.low, space.high, size=(steps, *space.shape)).astype(np.float32)


def motionless(rng: np.random.Generator, steps: int, space: gymnasium.spaces.Box) -> np.ndarray:
    """Do nothing: zeros `(steps, A)` float32."""
    return np.zeros((steps, *space.shape), np.float32)


OPEN_LOOP: dict[str, Callable] = {
    "held_random": held_random,
    "strided_random": strided_random,
    "fresh_random": fresh_random,
    "motionless": motionless,
}


PURPOSES = ("record", "evolve", "evaluate", "score")


def episode_seeds(seed: int, start: int, count: int, purpose: str = "record") -> list[int]:
    """Return the seeds of episodes `start` to `start + count - 1` of a run, each in [0, 2**31).

    Each depends on the run's seed and the episode's own number alone, so that neither the number of
    workers nor the split into batches changes the data. Episodes of different purposes never share
    one: what a controller evolved on is not what it is scored on.
    """
    keys = ([seed, index, PURPOSES.index(purpose)] for index in range(start, start + count))
    return [int(np.random.SeedSequence(key).generate_state(1)[0] & 0x7FFFFFFF) for key in keys]


def open_loop_actions(
    policy: str, seed: int, steps: int, space: gymnasium.spaces.Box
) -> np.ndarray:
    """Return the actions `(steps, A)` of an episode under a policy that does not look."""
    return OPEN_LOOP[policy](np.random.default_rng([seed, 1]), steps, space)
