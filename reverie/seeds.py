"""Seeds: any whole number that is not negative, of any size."""

import numpy as np

LIMIT = 2**32  # what most libraries take


def seed_32(seed: int) -> int:
    """Return a seed of 32 bits for libraries that take no larger one.

    Seeds that fit stay as they are, larger ones are mixed by `numpy.random.SeedSequence`.

    Raises:
        ValueError: the seed is negative.
    """
    if 0 <= seed < LIMIT:
        return seed
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def seed_31(seed: int) -> int:
    """Return a seed below 2**31 for signed numbers of 32 bits; those that fit stay."""
    if 0 <= seed < 2**31:
        return seed
    return int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1
