"""A fixed rate by absolute deadlines: what comes late does not make the next one late."""

import time
from collections.abc import Callable

SECOND = 1_000_000_000  # nanoseconds
PAUSE = 0.004  # seconds between two looks while waiting


class Ticks:
    """Deadlines a period apart.

    A deadline that has passed by more than a period is left out, so that there is no burst.

    Args:
        fps: deadlines a second.

    Attributes:
        number: of the last deadline that `wait` has returned at.
        missed: deadlines that were left out.
    """

    def __init__(self, fps: float) -> None:
        self.period = round(SECOND / fps)
        self.start()

    def start(self) -> int:
        """Begin anew, the first deadline being now; return it in monotonic nanoseconds."""
        self._zero = time.monotonic_ns()
        self.number = self.missed = 0
        return self._zero

    def wait(self, meanwhile: Callable[[], object] | None = None) -> int:
        """Wait for the next deadline.

        Args:
            meanwhile: is called every few milliseconds while there is time.

        Returns:
            The time, in monotonic nanoseconds.
        """
        now = time.monotonic_ns()
        due = max(self.number + 1, (now - self._zero) // self.period)
        self.missed += due - self.number - 1
        self.number = due
        deadline = self._zero + due * self.period
        while (left := (deadline - time.monotonic_ns()) / SECOND) > 0:
            if meanwhile is not None and left > PAUSE / 2:
                meanwhile()
                left = max((deadline - time.monotonic_ns()) / SECOND, 0.0)
            time.sleep(min(left, PAUSE) if meanwhile is not None else left)
        return time.monotonic_ns()
