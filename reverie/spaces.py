"""Descriptions of spaces in plain values, as artifacts hold them: are they sound, and how large?

`reverie.games.actions` writes them and turns them into spaces of gymnasium.
"""

import math

import numpy as np

SPACES = ("Box", "Discrete", "MultiDiscrete", "MultiBinary")


def space_fault(space: dict) -> str | None:
    """Return what is wrong with the description of a space, see `describe_space`; or None."""
    kind, shape = space.get("type"), space.get("shape")
    if kind not in SPACES:
        return f"is of type {kind!r}, not one of {', '.join(SPACES)}"
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
        return f"has shape {shape!r}, which is no list of positive whole numbers"
    if type(space.get("levels", 0)) is not int or space.get("levels", 0) < 0:
        return f"has {space['levels']!r} levels"
    try:
        np.dtype(space["dtype"])
    except (KeyError, TypeError):
        return f"has dtype {space.get('dtype')!r}"
    return FAULTS[kind](space)


def _box_fault(space: dict) -> str | None:
    try:
        low, high = (np.array(space[key], np.float64) for key in ("low", "high"))
        below = (np.broadcast_to(low, space["shape"]) < np.broadcast_to(high, space["shape"])).all()
    except (KeyError, TypeError, ValueError):
        return "has bounds that do not fit its shape"
    return None if below else "has a lower bound that is not below the upper one"


def _discrete_fault(space: dict) -> str | None:
    n, start = space.get("n"), space.get("start", 0)
    return None if type(n) is type(start) is int and n > 0 else f"has {n!r} choices from {start!r}"


def _choices_fault(space: dict) -> str | None:
    choices, start = space.get("nvec"), space.get("start")
    for numbers, least in ((choices, 1), (start, -(2**31))):
        if not isinstance(numbers, list) or [len(numbers)] != space["shape"]:
            return f"has choices {choices!r} from {start!r}"
        if not all(type(number) is int and number >= least for number in numbers):
            return f"has choices {choices!r} from {start!r}"
    return None


def _switches_fault(space: dict) -> str | None:
    return None if len(space["shape"]) == 1 else f"has shape {space['shape']}, not one dimension"


FAULTS = {
    "Box": _box_fault,
    "Discrete": _discrete_fault,
    "MultiDiscrete": _choices_fault,
    "MultiBinary": _switches_fault,
}


def code_size(space: dict) -> int:
    """Return how many numbers the code of an action has, see `ActionCode`."""
    if space["type"] == "Discrete":
        return space["n"]
    if space["type"] == "MultiBinary":
        return 2 * space["shape"][0]
    return sum(space["nvec"]) if space["type"] == "MultiDiscrete" else math.prod(space["shape"])
