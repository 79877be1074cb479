"""The actions that were recorded as classes: each combination that occurs is one of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reverie.artifacts import InputError
from reverie.games.actions import ActionCode
from reverie.headers import WeightsHeader

LEVELS = 5  # into which a number of a `Box` is sorted where the game does not sort it itself
RARE = 20  # steps; a class with fewer is named, as nothing can be said of it
MOST = 512  # classes


@dataclass(frozen=True)
class ActionClasses:
    """Which combinations there are, and how they are played.

    Attributes:
        space: description of the action space, see `describe_space`.
        rows: of each class the numbers that make it; of a `Box` the level of each number.
        names: of each class, in words.
    """

    space: dict
    rows: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]

    @classmethod
    def of_header(cls, header: WeightsHeader) -> "ActionClasses":
        """Return the classes of a trained clone."""
        rows = tuple(tuple(row) for row in header.notes["classes"])
        return cls(header.action_space, rows, tuple(header.notes["class_names"]))

    @classmethod
    def of_actions(
        cls, space: dict, actions: Iterable[np.ndarray], names: Sequence[str] = ()
    ) -> "ActionClasses":
        """Return the classes of recorded actions.

        Args:
            space: what they lie in.
            actions: of each episode `(T, ...)`.
            names: of the keys of a `MultiBinary` space, or of the choices of a `Discrete` one.

        Raises:
            InputError: there are more combinations than a clone can choose from.
        """
        found: set[tuple[int, ...]] = set()
        for part in actions:
            found |= set(map(tuple, np.unique(numbers(space, part), axis=0).tolist()))
        if len(found) > MOST:
            raise InputError(
                f"{len(found)} combinations of actions were played, at most {MOST} can be cloned; "
                "record with fewer keys, or a game whose actions are fewer"
            )
        rows = tuple(sorted(found))
        return cls(space, rows, tuple(_name(space, row, names) for row in rows))

    def labels(self, actions: np.ndarray) -> np.ndarray:
        """Return the class of each action `(T, ...)`: `(T,)` int16, -1 of what is no class."""
        rows, places = np.unique(numbers(self.space, actions), axis=0, return_inverse=True)
        known = {row: number for number, row in enumerate(self.rows)}
        classes = [known.get(tuple(row), -1) for row in rows.tolist()]
        return np.array(classes, np.int16)[places.reshape(-1)]

    def actions(self, labels: np.ndarray) -> np.ndarray:
        """Return what the game takes for classes `(B,)`."""
        rows = np.array(self.rows)[labels]
        if self.space["type"] == "Box":
            code = (rows + 0.5) / levels(self.space) * 2.0 - 1.0
            return ActionCode.from_description(self.space).decode(code.astype(np.float32))
        return rows[:, 0] if self.space["type"] == "Discrete" else rows


def levels(space: dict) -> int:
    """Return into how many parts each number of a `Box` is sorted."""
    return space.get("levels") or LEVELS


def numbers(space: dict, actions: np.ndarray) -> np.ndarray:
    """Write actions `(T, ...)` as rows of whole numbers `(T, K)`."""
    if space["type"] != "Box":
        return np.asarray(actions, np.int64).reshape(len(actions), -1)
    code, count = ActionCode.from_description(space).encode(actions), levels(space)
    return np.clip(np.floor((code + 1.0) / 2.0 * count), 0, count - 1).astype(np.int64)


def _name(space: dict, row: tuple[int, ...], names: Sequence[str]) -> str:
    """Say in words what a class is."""
    if space["type"] == "Box":
        return ",".join(f"{(n + 0.5) / levels(space) * 2 - 1:+.1f}" for n in row)
    if space["type"] == "MultiBinary":
        held = [names[i] if i < len(names) else f"key {i}" for i, on in enumerate(row) if on]
        return "+".join(held) or "none"
    if space["type"] == "Discrete" and row[0] < len(names):
        return names[row[0]]
    return ",".join(map(str, row))
