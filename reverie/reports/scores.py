"""What a list of episode scores says."""

import numpy as np

RESAMPLES = 10_000
EPISODE_RESAMPLES = 1000


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


def mean_over_episodes(
    values: np.ndarray, weights: np.ndarray | None = None, episodes: np.ndarray | None = None
) -> dict:
    """Return a mean with an interval that knows that the rows of an episode resemble each other.

    Args:
        values: `(N,)`; sums over what `weights` count, where they are given.
        weights: `(N,)`.
        episodes: of each row, `(N,)`; a row is an episode by default.

    Returns:
        `value` and its 95 % bootstrap `interval` over episodes.
    """
    values = np.asarray(values, float)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, float)
    episodes = np.arange(len(values)) if episodes is None else episodes
    sums = sums_by_episode(np.stack([values, weights], axis=1), episodes)
    draws = draw_episodes(len(sums)) @ sums
    low, high = np.percentile(draws[:, 0] / np.maximum(draws[:, 1], 1e-12), [2.5, 97.5])
    total = sums.sum(axis=0)
    return {"value": float(total[0] / total[1]), "interval": [float(low), float(high)]}


def sums_by_episode(values: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Return the sums of the rows `(N, K)` of each episode: `(E, K)`.

    Args:
        values: the rows.
        episodes: of each row, `(N,)`.
    """
    index = np.unique(episodes, return_inverse=True)[1]
    sums = np.zeros((index.max() + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def draw_episodes(count: int) -> np.ndarray:
    """Return how often each of E episodes comes in draws of a bootstrap over episodes: `(R, E)`."""
    shares = np.full(count, 1.0 / count)
    return np.random.default_rng(0).multinomial(count, shares, size=EPISODE_RESAMPLES)


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
