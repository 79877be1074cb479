"""Keys of the keyboard as actions: a map for every space of actions that the toolkit knows."""

import re
from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from reverie.games.actions import ActionCode

# Codes of a browser's KeyboardEvent. Shortcuts of the page are left out: P, Backspace and Period.
PAIRS = (
    *(("ArrowLeft", "ArrowRight"), ("ArrowDown", "ArrowUp"), ("KeyA", "KeyD"), ("KeyS", "KeyW")),
    *(("KeyF", "KeyH"), ("KeyG", "KeyT"), ("KeyJ", "KeyL"), ("KeyK", "KeyI")),
)
SINGLES = ("ArrowUp", "ArrowDown", "Space", "KeyE", "KeyQ", "KeyR", "KeyU", "KeyO")
CHOICES = (*(f"Digit{(number + 1) % 10}" for number in range(10)), *map("Key{}".format, "ZXCVBNM"))
WORDS = {
    **{"left": "ArrowLeft", "right": "ArrowRight", "up": "ArrowUp", "down": "ArrowDown"},
    **{"forward": "ArrowUp", "back": "ArrowDown"},
    **dict.fromkeys(("fire", "shoot", "jump", "do"), "Space"),
}
TOKENS = re.compile("|".join(sorted(WORDS, key=len, reverse=True)))
FILLERS = re.compile(r"\b(move|turn|go|and|steer|ward)\b|[\s_+,-]")


@dataclass(frozen=True)
class Binding:
    """Keys that are held together, and what they do.

    Attributes:
        label: what people read.
        keys: codes of the keys.
        value: what the number of the action becomes.
        index: which number of the action.
    """

    label: str
    keys: tuple[str, ...]
    value: float
    index: int = 0


@dataclass(frozen=True)
class KeyMap:
    """All keys of a game.

    Attributes:
        code: the game's actions.
        bindings: what each key does.
        rest: the numbers of the action where no key is held.
    """

    code: ActionCode
    bindings: tuple[Binding, ...]
    rest: tuple[float, ...]

    def action(self, held: Set[str]) -> np.ndarray:
        """Return the action that the held keys mean, as the game takes it."""
        values = [self._number(index, held) for index in range(len(self.rest))]
        if not self.code.choices:
            return np.clip(values, self.code.low, self.code.high).astype(np.float32)
        numbers = np.array(values, np.int64)
        return numbers[0] if self.code.scalar else numbers

    def _number(self, index: int, held: Set[str]) -> float:
        """Return one number: opposite keys of a `Box` cancel, of choices the longest chord wins."""
        rest = self.rest[index]
        meant = [b for b in self.bindings if b.index == index and held.issuperset(b.keys)]
        if not self.code.choices:
            return rest + sum(binding.value - rest for binding in meant)
        return max(meant, key=lambda b: len(b.keys)).value if meant else rest


def key_map(code: ActionCode, names: tuple[str, ...] = (), idle: tuple[float, ...] = ()) -> KeyMap:
    """Return the keys of a space of actions.

    Args:
        code: the space.
        names: `Game.action_names`.
        idle: `Game.idle`.
    """
    if not code.choices:
        return _of_numbers(code, names, idle)
    rest = idle or tuple(map(float, code.start))
    if len(code.choices) == 1:
        bindings = _of_choices(code.choices[0], code.start[0], names, rest[0])
    else:
        bindings = _of_many_choices(code, rest)
    return KeyMap(code, tuple(bindings), rest)


def _of_numbers(code: ActionCode, names: tuple[str, ...], idle: tuple[float, ...]) -> KeyMap:
    rest = idle or tuple((low + high) / 2 for low, high in zip(code.low, code.high))
    pairs, singles, bindings = list(PAIRS), list(SINGLES), []
    for index, (low, high) in enumerate(zip(code.low, code.high)):
        name = names[index] if index < len(names) else f"number {index + 1}"
        ends = [end for end in (low, high) if end != rest[index]]
        keys = _take(pairs if len(ends) == 2 else singles, bindings)
        labels = name.split("|") if "|" in name else [f"{name} {s}" for s in "-+"]
        labels = labels if len(ends) == 2 else [name]
        bindings += [Binding(*row, index) for row in zip(labels, keys, ends)]
    return KeyMap(code, tuple(bindings), rest)


def _take(keys: list, bindings: list[Binding]) -> list[tuple[str, ...]]:
    """Take the first keys of a list that nothing is bound to; none if all are taken."""
    taken = {key for binding in bindings for key in binding.keys}
    while keys:
        first = keys.pop(0)
        first = (first,) if isinstance(first, str) else first
        if not taken & set(first):
            return [(key,) for key in first]
    return []


def _of_choices(count: int, start: int, names: tuple[str, ...], rest: float) -> list[Binding]:
    """Return a key for every choice: arrows and space by its name, digits and letters otherwise."""
    free, bindings, taken = list(CHOICES), [], set()
    for number in range(count):
        name = names[number].lower() if number < len(names) else f"choice {number}"
        if number + start == rest:
            continue
        keys = _named_keys(name)
        if not keys or keys in taken:
            keys = (free.pop(0),) if free else ()
        if keys:
            taken.add(keys)
            bindings.append(Binding(name, keys, number + start))
    return bindings


def _named_keys(name: str) -> tuple[str, ...]:
    """Return the keys that a name speaks of, none if it says anything else beside them."""
    if re.fullmatch("[a-z]", name):
        return (f"Key{name.upper()}",)
    if FILLERS.sub("", TOKENS.sub("", name)):
        return ()
    return tuple(WORDS[word] for word in TOKENS.findall(name))


def _of_many_choices(code: ActionCode, rest: tuple[float, ...]) -> list[Binding]:
    """Return a key for every choice of every number but its rest."""
    pairs, free = list(PAIRS), [*SINGLES, *CHOICES]
    bindings: list[Binding] = []
    for index, (count, start) in enumerate(zip(code.choices, code.start)):
        values = [value for value in range(start, start + count) if value != rest[index]]
        two = len(values) == 2
        keys = _take(pairs, bindings) if two else [k for _ in values for k in _take(free, bindings)]
        bindings += [Binding(f"{index + 1}: {v}", k, v, index) for v, k in zip(values, keys)]
    return bindings
