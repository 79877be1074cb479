"""What a benchmark returns, and how two things are timed beside each other."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure beside its reference.

    Attributes:
        what: what was measured; names the row.
        ours: the toolkit's figure.
        reference: the figure of what it is compared with.
        unit: of both.
        ratio: ours / reference.
        note: what the reference is, and the goal where there is one.
    """

    what: str
    ours: float
    reference: float
    unit: str
    ratio: float
    note: str


def compare(what: str, ours: float, reference: float, unit: str, note: str) -> Row:
    """Return a row; its ratio is ours / reference."""
    return Row(what, ours, reference, unit, ours / reference, note)


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call took."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def processor_seconds(function: Callable[[], Any]) -> float:
    """Return what a call took of all processors, which what else runs on the machine hardly moves.

    Processes that the call starts and waits for are included.
    """
    before = sum(os.times()[:4])
    function()
    return sum(os.times()[:4]) - before


def alternate(rounds: int, *measures: Callable[[int], float]) -> tuple[float, ...]:
    """Measure some things in turns, so that what else the machine does falls on all of them.

    Args:
        rounds: how often; one more before them warms up and does not count.
        measures: each returns a figure for the number of the round.

    Returns:
        The median of each.
    """
    figures = [[measure(index) for measure in measures] for index in range(rounds + 1)]
    return tuple(statistics.median(column) for column in zip(*figures[1:]))
