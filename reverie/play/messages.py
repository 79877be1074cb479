"""What a page says to the server: text that is parsed once, at the edge, into one of these types.

A message is a JSON object with its `type` and the fields of that type. What does not fit is refused
with a sentence that the page shows; it never reaches the game.
"""

import json
from dataclasses import dataclass, fields
from typing import Any

LARGEST = 1 << 14  # characters of a message
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 0.0)  # 0 is as fast as it goes
VIEWS = ("both", "game", "dream")


class MessageError(Exception):
    """A message that cannot be understood; its text is shown on the page."""


@dataclass(frozen=True)
class Keys:
    """The keys that are held now."""

    held: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.held) > 32 or not all(isinstance(k, str) and len(k) < 32 for k in self.held):
            raise MessageError("keys: held must list codes of keys")


@dataclass(frozen=True)
class Reset:
    """Begin anew, with this seed or with the next one."""

    seed: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None and not 0 <= self.seed < 2**31:
            raise MessageError(f"seed {self.seed}: choose a whole number from 0 to {2**31 - 1}")


@dataclass(frozen=True)
class Run:
    """Play on, or pause."""

    on: bool


@dataclass(frozen=True)
class Step:
    """Play one step and pause."""


@dataclass(frozen=True)
class Speed:
    """How many times as fast as the game; 0 as fast as it goes."""

    factor: float

    def __post_init__(self) -> None:
        if self.factor not in SPEEDS:
            raise MessageError(f"speed {self.factor}: choose one of {SPEEDS}")


@dataclass(frozen=True)
class Knobs:
    """How the dream goes on.

    Attributes:
        temperature: of the choice of component, and of the spread where that has none of its own.
        spread: temperature of the spread inside a component; 0 takes its mean.
        component: the one that is always chosen, of a joint mixture.
        endless: let the dream go on where the network says that it ends.
    """

    temperature: float = 1.0
    spread: float | None = None
    component: int | None = None
    endless: bool = False

    def __post_init__(self) -> None:
        if not 0.05 <= self.temperature <= 5.0:
            raise MessageError(f"temperature {self.temperature}: choose 0.05 to 5")
        if self.spread is not None and not 0.0 <= self.spread <= 5.0:
            raise MessageError(f"spread {self.spread}: choose 0 to 5")
        if self.component is not None and self.component < 0:
            raise MessageError(f"component {self.component}: they are counted from 0")


@dataclass(frozen=True)
class Choose:
    """Who plays: `person`, `controller` or a policy."""

    player: str


@dataclass(frozen=True)
class View:
    """What is played: the game, the dream, or both."""

    show: str

    def __post_init__(self) -> None:
        if self.show not in VIEWS:
            raise MessageError(f"view {self.show!r}: choose one of {', '.join(VIEWS)}")


@dataclass(frozen=True)
class Look:
    """Show an earlier moment; nothing changes."""

    moment: int


@dataclass(frozen=True)
class GoBack:
    """Go back to an earlier moment and play on from there."""

    moment: int


@dataclass(frozen=True)
class Follow:
    """Let the dream go on from what the game shows now."""


@dataclass(frozen=True)
class Record:
    """Keep the episodes that are played, or stop."""

    on: bool


@dataclass(frozen=True)
class Seen:
    """The page has drawn a picture and can take another."""


@dataclass(frozen=True)
class Bye:
    """The page is closed."""


Message = (
    *(Keys, Reset, Run, Step, Speed, Knobs, Choose, View, Look, GoBack, Follow, Record, Seen, Bye),
)
TYPES = {kind.__name__.lower(): kind for kind in Message}


def parse(text: Any) -> Any:
    """Turn what a page sent into a message.

    Raises:
        MessageError: it is not one.
    """
    if not isinstance(text, str) or len(text) > LARGEST:
        raise MessageError("a message must be a short text")
    try:
        values = json.loads(text)
    except ValueError as error:
        raise MessageError("a message must be JSON") from error
    if not isinstance(values, dict) or values.get("type") not in TYPES:
        raise MessageError(f"a message must have a type, one of {', '.join(TYPES)}")
    kind = TYPES[values.pop("type")]
    known = {field.name: field for field in fields(kind)}
    if unknown := values.keys() - known:
        raise MessageError(f"{kind.__name__.lower()}: no field {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: _value(known[name].type, name, v) for name, v in values.items()})
    except TypeError as error:
        raise MessageError(f"{kind.__name__.lower()}: a field is missing") from error


def _value(wanted: Any, name: str, value: Any) -> Any:
    """Return a value of a field's type; JSON knows neither tuples nor whole floats."""
    if wanted == tuple[str, ...] and isinstance(value, list):
        return tuple(value)
    if wanted in (float, float | None) and type(value) is int:
        return float(value)
    kinds = {float | None: (float, type(None)), int | None: (int, type(None))}
    if type(value) not in kinds.get(wanted, (wanted,)):
        raise MessageError(f"{name}: {value!r} is of the wrong type")
    return value
