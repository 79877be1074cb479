"""Dataclasses made of plain values, such as JSON and HDF5 hold, each of its field's type."""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

Fields = TypeVar("Fields")
LONG = re.compile(r"\d{19,}")  # numbers of more than 64 bits, see `reverie.headers.write_header`
WORDS = {str: "text", int: "a whole number from 0 on", float: "a number", bool: "true or false"}


def parse(kind: type[Fields], raw: dict, fail: Callable[[str], Any]) -> Fields:
    """Make a dataclass of plain values, each of the type that its field has.

    A field `notes` takes what no other field has asked for; otherwise that is passed over. Values
    that are missing are a fault, unless the class lists as `required` those that must be there.

    Args:
        kind: the dataclass.
        raw: the values by name.
        fail: is called with what is wrong, and raises.
    """
    hints, values = typing.get_type_hints(kind), {}
    fields = [each.name for each in dataclasses.fields(kind) if each.name != "notes"]
    for name in fields:
        if name in raw:
            values[name] = _typed(raw[name], hints[name], name, fail)
        elif name in getattr(kind, "required", fields):
            fail(f"it does not say its {name}")
    if "notes" in hints:
        values["notes"] = {name: raw[name] for name in raw.keys() - set(fields)}
    return kind(**values)


def _typed(value: Any, hint: Any, name: str, fail: Callable[[str], Any]) -> Any:
    """Return a value if it is of a type, lists as tuples and tables as dataclasses."""
    if isinstance(hint, types.UnionType):
        return None if value is None else _typed(value, typing.get_args(hint)[0], name, fail)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return parse(hint, value, lambda fault: fail(f"in its {name}: {fault}"))
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_typed(item, typing.get_args(hint)[0], name, fail) for item in value)
    if hint is float and type(value) is int:
        value = float(value)
    if hint is int and isinstance(value, str) and LONG.fullmatch(value):
        value = int(value)
    if (
        type(value) is not hint
        or (hint is float and not math.isfinite(value))
        or (hint is int and value < 0)
    ):
        fail(f"its {name} is {short(value)}, which is not {WORDS.get(hint, 'a table or list')}")
    return value


def short(value: Any) -> str:
    """Write a value for a message, cut off where it is long."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:56]} ..."
