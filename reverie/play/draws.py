"""Random numbers that the server and a page without one draw alike: `dream.js` holds the same.

Each step of a session has numbers of its own, a function of the seed, of how often one went back,
and of the step. They come from Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011), which needs nothing but sums, rotations and exclusive ors
of 32 bits: in Python and in JavaScript the same few lines.
"""

import math
from typing import Any

import numpy as np

from reverie.seeds import seed_31

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
ROUNDS = 20
MASK = 0xFFFFFFFF
Size = int | tuple[int, ...]


def threefry(key: tuple[int, int], counters: np.ndarray) -> np.ndarray:
    """Scramble pairs of words by a key of two words.

    Args:
        key: two numbers below 2**32.
        counters: `(N, 2)` uint32.

    Returns:
        `(N, 2)` uint32.
    """
    keys = np.array([*key, key[0] ^ key[1] ^ PARITY], np.uint32)
    left, right = counters[:, 0] + keys[0], counters[:, 1] + keys[1]
    for number in range(ROUNDS):
        turn = ROTATIONS[number // 4 % 2][number % 4]
        left = left + right
        right = ((right << np.uint32(turn)) | (right >> np.uint32(32 - turn))) ^ left
        if number % 4 == 3:
            block = number // 4 + 1
            left = left + keys[block % 3]
            right = right + keys[(block + 1) % 3] + np.uint32(block)
    return np.stack([left, right], axis=1)


class Draws:
    """The random numbers of one step, one after the other; named as those of NumPy's generators.

    Args:
        seed: of the episode.
        stream: which of the step's streams.
        branch: how often one went back.
        step: its number.
    """

    def __init__(self, seed: int, stream: int = 0, branch: int = 0, step: int = 0) -> None:
        self._key = seed_31(seed), (branch << 8 | stream) & MASK
        self._step, self._used = step, 0

    def _uniform(self, count: int) -> np.ndarray:
        """Return numbers in (0, 1); the odd word of the last pair is left out."""
        blocks = np.arange(self._used, self._used + -(-count // 2), dtype=np.uint32)
        self._used += len(blocks)
        counters = np.stack([np.full_like(blocks, self._step), blocks], axis=1)
        words = threefry(self._key, counters).ravel()[:count]
        return (words + 0.5) / 2.0**32

    def random(self, size: Size = ()) -> np.ndarray:
        """Draw from 0 to 1."""
        return self._uniform(_count(size)).reshape(size)

    def integers(self, high: int, size: Size = ()) -> np.ndarray:
        """Draw whole numbers from 0 to `high` - 1."""
        return (self.random(size) * high).astype(np.int64)

    def gumbel(self, size: Size = ()) -> np.ndarray:
        """Draw from the standard Gumbel distribution."""
        return -np.log(-np.log(self.random(size)))

    def standard_normal(self, size: Size = (), dtype: Any = np.float64) -> np.ndarray:
        """Draw from the standard normal distribution, two numbers of two (Box and Muller, 1958)."""
        count = _count(size)
        first, second = self._uniform(2 * -(-count // 2)).reshape(-1, 2).T
        radius, angle = np.sqrt(-2.0 * np.log(first)), 2.0 * np.pi * second
        pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return pairs.ravel()[:count].reshape(size).astype(dtype)


def _count(size: Size) -> int:
    return size if isinstance(size, int) else math.prod(size)
