"""Actions of a game as the networks see them: numbers in [-1, 1], or choices one-hot."""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from reverie.artifacts import InputError

SLACK = 1e-3  # of the range: actions are rounded to single precision
MEND = "wrap the game so that its actions are a bounded Box, Discrete, MultiDiscrete or MultiBinary"


@dataclass(frozen=True)
class ActionCode:
    """How the actions of a space are written for the MDN-RNN and read from the controller.

    A code is `size` numbers. Those of a `Box` run from -1 to 1 between its bounds; those of a
    `Discrete`, `MultiDiscrete` or `MultiBinary` space are one-hot for each of its numbers.

    Attributes:
        size: numbers in a code.
        choices: of each number of a discrete space; empty for a `Box`.
        scalar: whether an action is one bare number, as those of `Discrete` are.
        binary: whether the numbers are switches, as those of `MultiBinary` are.
        start: smallest value of each discrete number.
        low: lower bound of each number of a `Box`.
        high: upper bound of each number of a `Box`.
    """

    size: int
    choices: tuple[int, ...] = ()
    scalar: bool = False
    binary: bool = False
    start: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @classmethod
    def from_space(cls, space: gymnasium.Space) -> "ActionCode":
        """Return the code of a space.

        Raises:
            InputError: the space is not supported.
        """
        spaces = gymnasium.spaces
        if isinstance(space, spaces.Discrete):
            return cls(int(space.n), (int(space.n),), scalar=True, start=(int(space.start),))
        if isinstance(space, spaces.MultiBinary) and len(space.shape) == 1:
            count = space.shape[0]
            return cls(2 * count, (2,) * count, binary=True, start=(0,) * count)
        if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
            choices = tuple(map(int, space.nvec))
            return cls(sum(choices), choices, start=tuple(map(int, space.start)))
        if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
            low, high = (tuple(map(float, bound)) for bound in (space.low, space.high))
            return cls(space.shape[0], low=low, high=high)
        raise InputError(f"action space {space} is not supported; {MEND}")

    @classmethod
    def from_description(cls, description: dict) -> "ActionCode":
        """Return the code of a space that `describe_space` described."""
        return cls.from_space(space_of(description))

    @property
    def space(self) -> gymnasium.Space:
        """The space that the actions lie in."""
        spaces = gymnasium.spaces
        if self.scalar:
            return spaces.Discrete(self.choices[0], start=self.start[0])
        if self.binary:
            return spaces.MultiBinary(len(self.choices))
        if self.choices:
            return spaces.MultiDiscrete(np.array(self.choices), start=np.array(self.start))
        return spaces.Box(np.float32(self.low), np.float32(self.high))

    def encode(self, actions: np.ndarray) -> np.ndarray:
        """Write actions `(..., A)`, or `(...)` of a `Discrete` space, as codes `(..., size)`."""
        if not self.choices:
            low, high = np.float32(self.low), np.float32(self.high)
            return (np.asarray(actions, np.float32) - (high + low) / 2) / ((high - low) / 2)
        numbers = np.asarray(actions)[..., None] if self.scalar else np.asarray(actions)
        parts = [
            np.eye(count, dtype=np.float32)[numbers[..., index] - self.start[index]]
            for index, count in enumerate(self.choices)
        ]
        return np.concatenate(parts, axis=-1)

    def fault(self, actions: np.ndarray) -> str | None:
        """Return why recorded actions are none of this space, None if they are.

        Args:
            actions: `(N, A)`, or `(N,)` of a `Discrete` space.
        """
        numbers = len(self.choices or self.low)
        shape = () if self.scalar else (numbers,)
        if actions.shape[1:] != shape:
            return f"actions of shape {actions.shape[1:]}, expected {shape}"
        if self.choices and actions.dtype.kind not in "iu":
            return f"actions of {actions.dtype} where whole numbers choose"
        first = np.array(self.start if self.choices else self.low)
        last = first + np.array(self.choices) - 1 if self.choices else np.array(self.high)
        slack = SLACK * (last - first)
        if (actions < first - slack).any() or (actions > last + slack).any():
            return f"actions beyond {first.tolist()} to {last.tolist()}"
        return None

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Read actions from codes, or from what a controller put out, of shape `(..., size)`."""
        if not self.choices:
            low, high = np.float32(self.low), np.float32(self.high)
            return (high + low) / 2 + (high - low) / 2 * np.asarray(codes, np.float32)
        chosen = [part.argmax(axis=-1) for part in np.split(codes, self._cuts, axis=-1)]
        numbers = np.stack(chosen, axis=-1) + np.array(self.start)
        return numbers[..., 0] if self.scalar else numbers

    def choose(self, outputs: Any) -> Any:
        """Turn a controller's outputs `(B, size)` in [-1, 1] into codes; in tensors."""
        if not self.choices:
            return outputs
        from keras import ops

        parts = ops.split(outputs, self._cuts, axis=-1) if self._cuts else [outputs]
        one_hot = [
            ops.one_hot(ops.argmax(part, axis=-1), count, dtype="float32")
            for part, count in zip(parts, self.choices)
        ]
        return ops.concatenate(one_hot, axis=-1)

    @property
    def _cuts(self) -> list[int]:
        return np.cumsum(self.choices)[:-1].tolist()


def describe_space(space: gymnasium.Space) -> dict:
    """Describe a space in plain values; the bounds of a `Box` as one number if they all agree."""
    kind = type(space).__name__
    description = {"type": kind, "shape": list(space.shape)}
    if kind == "Box":
        description |= {"low": _bound(space.low), "high": _bound(space.high)}
    elif kind == "Discrete":
        description |= {"n": int(space.n), "start": int(space.start)}
    elif kind == "MultiDiscrete":
        description |= {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
    return description | {"dtype": str(space.dtype)}


def _bound(values: np.ndarray) -> float | list[float]:
    return float(values.flat[0]) if (values == values.flat[0]).all() else values.tolist()


def space_of(description: dict) -> gymnasium.Space:
    """Rebuild a space from its description.

    Raises:
        InputError: it is not one that `describe_space` writes.
    """
    dtype, shape = np.dtype(description["dtype"]), tuple(description["shape"])
    kind, spaces = description["type"], gymnasium.spaces
    if kind == "Discrete":
        return spaces.Discrete(description["n"], start=description["start"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(shape[0])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(
            np.array(description["nvec"]), dtype=dtype, start=description["start"]
        )
    if kind == "Box":
        low, high = (np.broadcast_to(description[key], shape) for key in ("low", "high"))
        return spaces.Box(low.astype(dtype), high.astype(dtype), shape, dtype)
    raise InputError(f"action space {kind} is not supported; {MEND}")
