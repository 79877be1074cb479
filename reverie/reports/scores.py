"""What a list of episode scores says."""

import numpy as np

RESAMPLES = 10_000


def bootstrap_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean (Efron, 1979)."""
    values = np.asarray(values, float)
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    return tuple(float(edge) for edge in np.percentile(means, [2.5, 97.5]))


def summary(values: np.ndarray, limit: float | None = None) -> dict:
    """Summarise the scores of n episodes.

    Args:
        values: one score an episode.
        limit: the highest score there is, if there is one.

    Returns:
        `mean`, `std`, `median`, `episodes`, `interval` (95 %, of the mean) and, with a
        limit, `at_limit`, the share that reached it.
    """
    values = np.asarray(values, float)
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "median": float(np.median(values)),
        "episodes": len(values),
        "interval": bootstrap_interval(values),
    } | ({} if limit is None else {"at_limit": float((values >= limit).mean())})


def difference(values: np.ndarray, others: np.ndarray) -> dict:
    """Compare scores on the same episodes.

    Returns:
        `mean` of the differences, `values` minus `others`, and its 95 % `interval`.
    """
    apart = np.asarray(values, float) - np.asarray(others, float)
    return {"mean": float(apart.mean()), "interval": bootstrap_interval(apart)}


def sentence(result: dict) -> str:
    """Write a summary as one line."""
    low, high = result["interval"]
    digits = 0 if max(abs(low), abs(high)) >= 20 else 1
    text = (
        f"{result['mean']:.{digits}f} ± {result['std']:.{digits}f} (n {result['episodes']}, 95 % "
        f"interval {low:.{digits}f} to {high:.{digits}f}, median {result['median']:.{digits}f}"
    )
    if "at_limit" in result:
        text += f", {100 * result['at_limit']:.0f} % reach the limit"
    return text + ")"
