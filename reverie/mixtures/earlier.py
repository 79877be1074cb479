"""The test of the earlier study, kept for comparison: it finds components where there are none.

Per dream it takes the component that is most common in a label's frames and compares its share
there with its share in all labelled frames. As the component is chosen on the frames it is measured
on, its share there is too high also when components and labels have nothing to do with each other.
`reverie.mixtures.associations` is the test to believe.
"""

import math

import numpy as np

from reverie.mixtures.associations import Labels


def earlier_test(components: list[np.ndarray], labels: list[Labels], count: int) -> dict[str, dict]:
    """Apply the biased test of arXiv 1901.07859 to a family of labels.

    Args:
        components: the most probable component of every frame of each dream, `(T,)` int.
        labels: of the same frames, `(T,)` bool by name.
        count: components K.

    Returns:
        By label: quartiles over dreams of the main component's share of the label's frames,
        `current`, and of all labelled frames, `any`, and `biased_p` of a two-sided Mann-Whitney U
        test between them. A label that no dream holds is left out.
    """
    result = {}
    for name in labels[0]:
        pairs = [_shares(c, dream, name, count) for c, dream in zip(components, labels)]
        pairs = [pair for pair in pairs if pair is not None]
        if pairs:
            current, anyone = np.transpose(pairs)
            result[name] = {
                "current": np.percentile(current, [25, 50, 75]).tolist(),
                "any": np.percentile(anyone, [25, 50, 75]).tolist(),
                "biased_p": mann_whitney(current, anyone),
            }
    return result


def _shares(
    components: np.ndarray, labels: Labels, name: str, count: int
) -> tuple[float, float] | None:
    if not labels[name].any():
        return None
    current = np.bincount(components[labels[name]], minlength=count)
    anyone = sum(np.bincount(components[frames], minlength=count) for frames in labels.values())
    main = current.argmax()
    return current[main] / current.sum(), anyone[main] / anyone.sum()


def mann_whitney(one: np.ndarray, other: np.ndarray) -> float:
    """Return the two-sided p of the Mann-Whitney U test, by the normal approximation with ties."""
    both = np.concatenate([one, other])
    _, inverse, times = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2.0)[inverse]
    n, m = len(one), len(other)
    excess = ranks[:n].sum() - n * (n + m + 1) / 2.0
    ties = (times**3 - times).sum() / max(1, (n + m) * (n + m - 1))
    variance = n * m / 12.0 * (n + m + 1 - ties)
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(excess) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2.0))
