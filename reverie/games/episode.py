"""An episode of a game as arrays."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Episode:
    """One whole episode of T steps.

    Attributes:
        seed: what the game was started with.
        observations: `(T + 1, rows, columns, 3)` uint8, the final frame included.
        actions: `(T, A)` float32, or integers; `(T,)` of a `Discrete` space.
        rewards: `(T,)` float32.
        terminations: `(T,)` bool, true where the game ended by itself.
        truncations: `(T,)` bool, true where the time was up.
        infos: ground truth of each frame, arrays of `T + 1`.
        notes: numbers that are kept with it, beside its seed.
    """

    seed: int
    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray
    infos: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)
