"""Linear probes: what a linear function of a code tells of what a frame shows.

Anand et al. (arXiv 1906.08226) judge frozen encoders in this way. Probes learn on frames of the
levels of training, choose the weight of their decay on a part of those, and are scored on levels
that are held out. Intervals are 95 % bootstrap intervals over episodes, as the frames of an episode
resemble each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reverie.reports.scores import draw_episodes, sums_by_episode

STEPS = 400  # of Adam
REACH = 0.5  # by which a step can move what a probe says of a frame, about
DECAYS = (1e-5, 1e-4, 1e-3, 1e-2)  # weight of the squared weights
SHARE = 5  # of so many training episodes one chooses the decay
LEAST = 10  # frames of either side without which there is no probe


@dataclass(frozen=True)
class Score:
    """A number between 0 and 1, or less for a share of variance, and its interval."""

    value: float
    low: float
    high: float

    def table(self) -> dict:
        """Return it for JSON."""
        return {"value": self.value, "interval": [self.low, self.high]}


@dataclass(frozen=True)
class Part:
    """Codes and what they shall tell.

    Attributes:
        codes: `(N, D)` float32.
        episodes: number of the episode of each, `(N,)`.
    """

    codes: np.ndarray
    episodes: np.ndarray

    def rows(self, chosen: np.ndarray) -> "Part":
        """Return some of the rows."""
        return Part(self.codes[chosen], self.episodes[chosen])


def standardised(train: Part, test: Part) -> tuple[Part, Part]:
    """Shift and scale codes by mean and deviation of the training part, to a norm of about 1."""
    mean, deviation = train.codes.mean(axis=0), train.codes.std(axis=0)
    scale = 1.0 / np.maximum(deviation, 1e-3 * max(float(deviation.max()), 1e-12))
    scale /= np.sqrt(train.codes.shape[1])
    return tuple(Part((p.codes - mean) * scale, p.episodes) for p in (train, test))


def presence_scores(
    train: tuple[Part, np.ndarray, np.ndarray], test: tuple[Part, np.ndarray, np.ndarray]
) -> list[Score | None]:
    """Score probes that say for each of K kinds whether it is in view.

    Args:
        train: standardised codes, `shown` and `clear` `(N, K)` bool.
        test: the same of held-out levels.

    Returns:
        Balanced accuracy of each kind; None where there are too few frames with or without it.
    """
    (codes, shown, clear), (test_codes, truth, certain) = train, test
    chooser = codes.episodes % SHARE == SHARE - 1
    answers = logistic(codes.codes, shown, clear & ~chooser[:, None])
    scores: list[Score | None] = []
    for kind in range(shown.shape[1]):
        used = [(~chooser & clear[:, kind], shown), (chooser & clear[:, kind], shown)]
        used.append((certain[:, kind], truth))
        if min(_fewest(labels[rows, kind]) for rows, labels in used) < LEAST:
            scores.append(None)
            continue
        rows = chooser & clear[:, kind]
        chosen = max(
            answers,
            key=lambda answer: balanced_accuracy(
                _says(codes.codes[rows], answer, kind), shown[rows, kind]
            ),
        )
        rows = certain[:, kind]
        said = _says(test_codes.codes[rows], chosen, kind)
        scores.append(_interval(said, truth[rows, kind], test_codes.episodes[rows]))
    return scores


def balanced_accuracy(said: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of the accuracies with and without a thing."""
    return 0.5 * (float(said[truth].mean()) + float((~said[~truth]).mean()))


def place_score(train: tuple[Part, np.ndarray], test: tuple[Part, np.ndarray]) -> Score | None:
    """Score a probe of places: the share of the variance that it explains, of all coordinates.

    Args:
        train: standardised codes and places `(N, P)`.
        test: the same of held-out levels.
    """
    (codes, places), (test_codes, truth) = train, test
    probe = place_probe(codes, places)
    if probe is None or len(truth) < LEAST or np.ptp(truth) == 0:
        return None
    error = np.square(probe(test_codes.codes) - truth).sum(axis=1)
    spread = np.square(truth - truth.mean(axis=0)).sum(axis=1)
    sums = sums_by_episode(np.stack([error, spread], axis=1), test_codes.episodes)
    return _score(sums, lambda s: 1.0 - s[..., 0] / np.maximum(s[..., 1], 1e-12))


def place_probe(codes: Part, places: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return the linear function that reads places `(N, P)` from standardised codes `(N, D)`.

    None where there are too few frames to choose its decay.
    """
    chooser = codes.episodes % SHARE == SHARE - 1
    if min(chooser.sum(), (~chooser).sum()) < LEAST:
        return None
    fits = _ridge(codes.rows(~chooser).codes, places[~chooser])
    chosen = min(
        fits, key=lambda fit: np.square(_at(fit, codes.codes[chooser]) - places[chooser]).sum()
    )
    return lambda codes: _at(chosen, codes)


def _fewest(labels: np.ndarray) -> int:
    return int(min(labels.sum(), (~labels).sum()))


def _balanced_weights(shown: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Weight frames so that those with a thing count as much as those without: `(N, K)`."""
    with_it, without = shown & used, ~shown & used
    counts = [np.maximum(each.sum(axis=0), 1) for each in (with_it, without)]
    return (with_it / counts[0] + without / counts[1]).astype(np.float32) / 2


def logistic(
    codes: np.ndarray, shown: np.ndarray, used: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Fit logistic regressions by Adam, both answers of equal weight.

    Args:
        codes: standardised, `(N, D)`.
        shown: what they shall say, `(N, K)` bool.
        used: which frames count, `(N, K)` bool.

    Returns:
        Weights `(D, K)` and biases `(K,)` for each of `DECAYS`.
    """
    count, kinds = len(DECAYS), shown.shape[1]
    decay = np.repeat(np.array(DECAYS, np.float32), kinds)
    reach = REACH / np.sqrt(codes.shape[1])
    labels, weights = (
        np.tile(shown, count).astype(np.float32),
        np.tile(_balanced_weights(shown, used), count),
    )
    parameters = np.zeros((codes.shape[1] + 1, count * kinds), np.float32)
    first, second = np.zeros_like(parameters), np.zeros_like(parameters)
    for step in range(1, STEPS + 1):
        logits = codes @ parameters[:-1] + parameters[-1]
        slope = weights * (0.5 * (1.0 + np.tanh(logits / 2)) - labels)
        gradient = np.concatenate([codes.T @ slope, slope.sum(axis=0)[None]])
        gradient[:-1] += decay * parameters[:-1]
        first += 0.1 * (gradient - first)
        second += 0.01 * (gradient**2 - second)
        rate = reach * 0.5 * (1.0 + np.cos(np.pi * step / STEPS))
        mean, square = first / (1 - 0.9**step), second / (1 - 0.99**step)
        parameters -= rate * mean / (np.sqrt(square) + 1e-8)
    parts = np.split(parameters, count, axis=1)
    return [(part[:-1], part[-1]) for part in parts]


def says_most(answer: tuple[np.ndarray, np.ndarray], codes: np.ndarray) -> np.ndarray:
    """Return the kind of each code that its regressions speak for most: `(N,)`."""
    weights, biases = answer
    return np.argmax(codes @ weights + biases, axis=1)


def rate_score(hits: np.ndarray, episodes: np.ndarray) -> Score:
    """Return the share of hits with its interval over episodes."""
    sums = sums_by_episode(np.stack([hits, np.ones_like(hits)], axis=1).astype(float), episodes)
    return _score(sums, lambda s: s[..., 0] / np.maximum(s[..., 1], 1.0))


def _says(codes: np.ndarray, answer: tuple[np.ndarray, np.ndarray], kind: int) -> np.ndarray:
    weights, biases = answer
    return codes @ weights[:, kind] + biases[kind] > 0


def _ridge(codes: np.ndarray, places: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Fit ridge regressions; return mean code, weights `(D, P)` and mean place by decay."""
    mean, middle = codes.mean(axis=0), places.mean(axis=0)
    centered, targets = codes - mean, places - middle
    few = len(codes) < codes.shape[1]
    gram = (centered @ centered.T if few else centered.T @ centered).astype(float)
    values, vectors = np.linalg.eigh(gram)
    right = vectors.T @ (targets if few else centered.T @ targets)
    fits = []
    for decay in DECAYS:
        shrunk = right / (np.maximum(values, 0.0) + decay * values.max())[:, None]
        weights = vectors @ shrunk
        fits.append((mean, centered.T @ weights if few else weights, middle))
    return fits


def _at(fit: tuple[np.ndarray, ...], codes: np.ndarray) -> np.ndarray:
    mean, weights, middle = fit
    return (codes - mean) @ weights + middle


def _interval(said: np.ndarray, truth: np.ndarray, episodes: np.ndarray) -> Score:
    """Return balanced accuracy with its interval over episodes."""
    hits = np.stack([said & truth, truth, ~said & ~truth, ~truth], axis=1).astype(float)

    def accuracy(s: np.ndarray) -> np.ndarray:
        with_it, without = (s[..., i] / np.maximum(s[..., i + 1], 1.0) for i in (0, 2))
        return (with_it + without) / 2

    return _score(sums_by_episode(hits, episodes), accuracy)


def _score(sums: np.ndarray, statistic: Callable[[np.ndarray], Any]) -> Score:
    """Return a statistic of the sums over all episodes, and its interval."""
    low, high = np.percentile(statistic(draw_episodes(len(sums)) @ sums), [2.5, 97.5])
    return Score(float(statistic(sums.sum(axis=0))), float(low), float(high))
