"""A user's environment whose answers are checked, and whose errors become one line."""

import os
import sysconfig
import traceback
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from reverie.artifacts import InputError

LARGEST = float(np.finfo(np.float32).max)  # of rewards, which are recorded in single precision
LIBRARIES = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), os.path.dirname(__file__))
OLD = "it is of an old style; wrap it so that it follows gymnasium.Env"


class Checked(gymnasium.Wrapper):
    """Checks observations, rewards and ends of an environment at every step.

    Args:
        env: its observations are a `Box`.
        name: what it is called in messages.

    Raises:
        InputError: by `reset` and `step`: the environment returned something that is not in its
            spaces, or raised an error. The message names environment, episode, step and field.
    """

    def __init__(self, env: gymnasium.Env, name: str) -> None:
        super().__init__(env)
        self._name, self._space = name, env.observation_space
        self._steps, self._seed = 0, None

    def reset(self, **options: Any) -> tuple[np.ndarray, dict]:
        """Start an episode."""
        self._steps, self._seed = 0, options.get("seed")
        answer = self._call(self.env.reset, **options)
        if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict)):
            raise self._refusal(f"reset returned {_kind(answer)}, not (observation, info); {OLD}")
        return self._observation(answer[0]), answer[1]

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Play one step."""
        self._steps += 1
        answer = self._call(self.env.step, action)
        if not (isinstance(answer, tuple) and len(answer) == 5):
            expected = "(observation, reward, terminated, truncated, info)"
            raise self._refusal(f"step returned {_kind(answer)}, not {expected}; {OLD}")
        observation, reward, terminated, truncated, info = answer
        ends = self._end("terminated", terminated), self._end("truncated", truncated)
        return self._observation(observation), self._reward(reward), *ends, info

    def _call(self, function: Callable, *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except MemoryError:  # not the code's fault
            raise
        except Exception as error:
            raise failure(self._where(), error) from error

    def _where(self) -> str:
        episode = "" if self._seed is None else f" of the episode with seed {self._seed}"
        return f"{self._name}: {f'step {self._steps}' if self._steps else 'reset'}{episode}"

    def _refusal(self, fault: str) -> InputError:
        return InputError(f"{self._where()}: {fault}")

    def _observation(self, value: Any) -> np.ndarray:
        shape, dtype = self._space.shape, self._space.dtype
        if isinstance(value, np.ndarray) and value.dtype == dtype and value.shape == shape:
            return value
        if not isinstance(value, np.ndarray):
            raise self._refusal(f"the observation is {_kind(value)}, not an array of {dtype}")
        found = f"{value.dtype} of shape {value.shape}"
        if value.dtype.kind == "f" and value.size:
            found += f" from {value.min():.3g} to {value.max():.3g}"
        raise self._refusal(
            f"the observation is {found}, but its observation_space says {dtype} of shape {shape}; "
            "make the environment return what it declares"
        )

    def _reward(self, value: Any) -> float:
        try:
            reward = float(np.asarray(value, float).reshape(()))
        except (TypeError, ValueError):
            raise self._refusal(f"the reward is {_kind(value)}, not a number") from None
        if not abs(reward) <= LARGEST:  # NaN neither
            raise self._refusal(
                f"the reward is {reward}; rewards must be finite, and recording again gives the "
                "same: mend the environment"
            )
        return reward

    def _end(self, field: str, value: Any) -> bool:
        try:
            return bool(np.asarray(value, bool).reshape(()))
        except (TypeError, ValueError):
            raise self._refusal(f"{field} is {_kind(value)}, not true or false") from None


def failure(what: str, error: Exception) -> InputError:
    """Return one line about an error of a user's code: what failed, how, and where."""
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return InputError(f"{what} raised {message} ({_place(error)})")


def _place(error: Exception) -> str:
    """Return file and line where the user's own code, as far as there is some, was left."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*LIBRARIES, "<"))]
    frame = (own or frames)[-1]
    return f"{frame.filename}, line {frame.lineno}"


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__}"
