"""How a dream is dreamt: options that are checked where they enter."""

import math
import numbers
from dataclasses import dataclass


@dataclass(frozen=True)
class DreamOptions:
    """How a dream is dreamt.

    Attributes:
        temperature: of the mixture, finite and not negative, see `Mixture.sample`; at 0 every step
            is the mean of the likeliest component.
        time_steps: longest dream, at least 1.
        threshold_ends: end where the probability exceeds one half, as in the article's code,
            instead of with that probability.
        sigma_temperature: of the spread inside a component; the same by default. Below 1 a dream
            keeps its place better: much of what an RNN in training calls spread is its own
            ignorance, and drawing it anew at every step lets the picture wander. At 0 every step is
            the mean of its component.

    Raises:
        ValueError: a number is out of its range.
    """

    temperature: float = 1.15
    time_steps: int = 2100
    threshold_ends: bool = False
    sigma_temperature: float | None = None

    def __post_init__(self) -> None:
        check_temperature("temperature", self.temperature)
        if self.sigma_temperature is not None:
            check_temperature("sigma_temperature", self.sigma_temperature)
        check_count("time_steps", self.time_steps)


def check_temperature(name: str, value: float) -> None:
    """Check that a temperature is a finite number and not negative.

    Raises:
        ValueError: it is not; the message names it.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0.0:
        raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}")


def check_count(name: str, value: int) -> None:
    """Check that a number of things is whole and at least 1.

    Raises:
        ValueError: it is not; the message names it.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
