"""Command-line flags: numbers are checked where they enter, a YAML file may give defaults.

A type of a flag is a `type=` of argparse, which ends with exit code 2 and the message given here.
"""

import argparse
import dataclasses
import difflib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from reverie.artifacts import InputError, require_file
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


def parsed(parser: argparse.ArgumentParser, argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags of a stage; `--config FILE.yaml` sets their defaults.

    Args:
        parser: has the flags; gets `--config`.
        argv: the command line, which wins over the file.

    Raises:
        InputError: the file is missing or no YAML, names no flag of the stage, or a value does not
            fit its flag.
    """
    config = "YAML file of defaults for these flags, by their names"
    add = {"type": Path, "metavar": "FILE.yaml", "help": config}
    for each in _commands(parser):
        each.add_argument("--config", default=argparse.SUPPRESS, **add)
    parser.add_argument("--config", **add)
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--config", type=Path)
    path = first.parse_known_args(argv)[0].config
    if path is not None:
        _set_defaults(parser, path)
    return parser.parse_args(argv)


def _set_defaults(parser: argparse.ArgumentParser, path: Path) -> None:
    parsers = [parser, *_commands(parser)]
    actions = [
        (each, action) for each in parsers for action in each._actions if _can_be_set(action)
    ]
    names = {action.dest for _, action in actions}
    for key, value in _read_yaml(path).items():
        name = str(key).replace("-", "_")
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            mend = f"did you mean {near[0]}?" if near else "--help lists them"
            raise InputError(f"{path}: {key!r} is no flag of this stage; {mend}")
        for each, action in actions:
            if action.dest == name and value is not None:
                each.set_defaults(**{name: _fitting(action, value, path)})
                action.required = False


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of a stage's commands."""
    for action in parser._actions:
        for choice in action.choices.values() if isinstance(action.choices, dict) else ():
            if isinstance(choice, argparse.ArgumentParser):
                yield choice


def _can_be_set(action: argparse.Action) -> bool:
    flag = bool(action.option_strings) or action.nargs == "?"
    return flag and action.dest not in ("help", "config")


def _read_yaml(path: Path) -> dict:
    mend = "write one line `name: value` for each flag"
    require_file(path, "configuration", mend)
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no YAML ({error}); {mend}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no names with values; {mend}")
    return values


def _fitting(action: argparse.Action, value: Any, path: Path) -> Any:
    """Return a value of YAML as the flag would have read it."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"{path}: {action.dest} is {value!r}, but can only be true or false")
        return True if value else action.default
    if isinstance(value, list) and action.nargs in ("+", "*"):
        return [_converted(action, item, path) for item in value]
    return _converted(action, value, path)


def _converted(action: argparse.Action, value: Any, path: Path) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    try:
        result = (action.type or str)(text)
    except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {action.dest}: {error or 'cannot be read'}") from error
    if action.choices is not None and result not in action.choices:
        choices = ", ".join(map(str, action.choices))
        raise InputError(f"{path}: {action.dest} is {text!r}; choose from {choices}")
    return result
