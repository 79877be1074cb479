"""How the learning rate goes over a training run."""

import math
from typing import Any


def warm_cosine(peak: float, warmup: float = 0.02, end: float = 0.02) -> Any:
    """Return a learning rate that rises linearly, then falls as a cosine.

    Args:
        peak: the highest rate.
        warmup: fraction of the run in which it rises.
        end: fraction of `peak` that is left at the end.
    """

    def rate(fraction: float) -> float:
        fall = end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * fraction))
        return peak * min(1.0, (fraction + 1e-3) / warmup) * fall

    return rate
