"""Types of command-line flags: numbers are checked where they enter.

Each is a `type=` of argparse, which ends with exit code 2 and the message given here.
"""

import argparse
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reverie.runs import PRETRAINED

LARGEST_RATE = 1.0  # no optimiser here learns with larger steps


def int_from(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type of whole numbers from `least` to `most`, both included."""
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number {limits}")
        return value

    return whole_number


def float_from(least: float, most: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """Return a type of finite numbers from `least` to `most`, both included.

    Args:
        least: the smallest.
        most: the largest.
        above: leave `least` itself out.
    """
    limits = f"above {least:g}" if above else f"of at least {least:g}"
    limits += f" and at most {most:g}" if math.isfinite(most) else ""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        too_small = value < least or (above and value == least)
        if not math.isfinite(value) or too_small or value > most:
            raise argparse.ArgumentTypeError(f"{text!r} is no finite number {limits}")
        return value

    return number


def artifact(text: str) -> Path:
    """Return a path; `pretrained/...` is what comes with Reverie where the folder has none."""
    path = Path(text)
    if path.parts[:1] == (PRETRAINED.name,) and not path.exists():
        return PRETRAINED.joinpath(*path.parts[1:])
    return path


def share(text: str) -> tuple[int, int]:
    """Return `I/N` as two numbers, share I of N, counted from 0."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no share I/N with I from 0 to N - 1")
    return int(number), int(count)


def true_or_false(text: str) -> bool:
    """Return what `true` or `false` says."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def json_object(text: str) -> dict:
    """Parse a JSON object, as in `--env_kwargs '{"continuous": false}'`."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON object, as '{{\"name\": 1}}' is one")
    return value


def _finite(text: str) -> float:
    """Return a number of JSON, which has no NaN and no infinity, though Python's reader has."""
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> float:
    raise ValueError(text)


positive_int = int_from(1)
non_negative_int = int_from(0)
positive_float = float_from(0.0, above=True)
non_negative_float = float_from(0.0)
learning_rate = float_from(0.0, LARGEST_RATE, above=True)
seed = non_negative_int  # of any size, see `reverie.seeds`


def filled(kind: type, args: argparse.Namespace, **others: Any) -> Any:
    """Return options of a dataclass with the values of the flags that have the names of its fields.

    Args:
        kind: the dataclass.
        args: parsed flags.
        others: fields that are no flags.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    values = {name: value for name, value in vars(args).items() if name in names}
    return kind(**values | others)
