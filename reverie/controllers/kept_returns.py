"""Returns of episodes that are played, kept on disk until all of them are there."""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from reverie.artifacts import write_json

SAVE_EVERY = 30.0  # seconds


class KeptReturns:
    """What the episodes of some controllers gave so far, so that a stop loses none of it.

    Args:
        path: a JSON file; what it holds counts only if its identity is the same.
        settings: what decides the returns beside parameters and seeds, in JSON's types.
        parameters: of the controllers, `(N, P)`.
        seeds: of the episodes that each of them plays.
    """

    def __init__(
        self, path: Path, settings: dict, parameters: np.ndarray, seeds: list[int]
    ) -> None:
        self.path = Path(path)
        self._identity = _identity(settings, parameters, seeds)
        self._found = self._read()
        self._saved = time.monotonic()

    def _read(self) -> dict[int, float]:
        try:
            content = json.loads(self.path.read_text())
            if content["identity"] == self._identity:
                return {int(job): float(value) for job, value in content["returns"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # there is none, or none of ours: the episodes are played
        return {}

    def __len__(self) -> int:
        return len(self._found)

    def items(self) -> Iterable[tuple[int, float]]:
        """Return the number of each episode, counted over controllers and seeds, and its return."""
        return self._found.items()

    def add(self, job: int, value: float, save: bool = False) -> None:
        """Keep the return of an episode; all are written every half minute, or at once."""
        self._found[job] = value
        if save or time.monotonic() - self._saved > SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write them, atomically."""
        write_json(self.path, {"identity": self._identity, "returns": self._found})
        self._saved = time.monotonic()


def _identity(settings: dict, parameters: np.ndarray, seeds: list[int]) -> str:
    digest = hashlib.sha256(json.dumps([settings, seeds], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(parameters, float).tobytes())
    return digest.hexdigest()[:16]
