"""How well actions are predicted, beside answers that look at nothing.

Axes: N steps, C classes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverie.artifacts import atomic_path
from reverie.cloning.classes import RARE

COMMONEST = "always the commonest"
REPEAT = "repeat the last action"
CLONE = "clone"
FLOOR = 1e-9  # of a probability


@dataclass(frozen=True)
class Habits:
    """What is known of recorded play without looking at a frame.

    Attributes:
        counts: steps of the training that took each class, `(C,)`.
        stay: share of its steps whose action is the one before.
    """

    counts: np.ndarray
    stay: float

    @classmethod
    def of(cls, labels: list[np.ndarray], classes: int) -> "Habits":
        """Count the actions of episodes `(T,)` each."""
        counts = sum(np.bincount(part, minlength=classes) for part in labels)
        same = sum(int((part[1:] == part[:-1]).sum()) for part in labels)
        return cls(counts, same / max(sum(len(part) - 1 for part in labels), 1))

    @property
    def frequencies(self) -> np.ndarray:
        """The share of each class `(C,)`, none of them zero."""
        return (self.counts + 1.0) / (self.counts + 1.0).sum()

    def commonest(self, previous: np.ndarray) -> np.ndarray:
        """Return the probabilities `(N, C)` of who knows how often each class occurs."""
        return np.broadcast_to(self.frequencies, (len(previous), len(self.counts)))

    def repeated(self, previous: np.ndarray) -> np.ndarray:
        """Return the probabilities `(N, C)` of who goes on with the action before `(N,)`."""
        stay = np.where(previous >= 0, self.stay, 0.0)[:, None]
        known = np.eye(len(self.counts))[np.maximum(previous, 0)]
        return stay * known + (1.0 - stay) * self.frequencies


def measure(
    probabilities: np.ndarray, actions: np.ndarray, previous: np.ndarray, habits: Habits
) -> dict[str, float | None]:
    """Measure predictions.

    Args:
        probabilities: of the classes at each step, `(N, C)`.
        actions: what was done, `(N,)`.
        previous: what was done before, -1 at the first step of an episode.
        habits: those of the training.

    Returns:
        `nll` in nats; `accuracy` of the likeliest class; `macro_recall`, the mean of the recalls of
        all classes that occur; `change_recall`, the accuracy at steps whose action is another than
        the one before, None without any; `relative_cross_entropy` in percent: how much of the
        nats of the class frequencies is saved.
    """
    rows = np.arange(len(actions))
    nll = -np.log(np.maximum(probabilities[rows, actions], FLOOR)).mean()
    blind = -np.log(habits.frequencies[actions]).mean()
    right = probabilities.argmax(axis=1) == actions
    changes = (previous >= 0) & (previous != actions)
    return {
        "nll": float(nll),
        "accuracy": float(right.mean()),
        "macro_recall": float(np.mean([right[actions == c].mean() for c in np.unique(actions)])),
        "change_recall": float(right[changes].mean()) if changes.any() else None,
        "relative_cross_entropy": float(100.0 * (blind - nll) / max(blind, FLOOR)),
    }


def compare(
    probabilities: np.ndarray, actions: np.ndarray, previous: np.ndarray, habits: Habits
) -> dict[str, dict]:
    """Measure predictions beside two that look at nothing; see `measure`."""
    answers = {
        CLONE: probabilities,
        COMMONEST: habits.commonest(previous),
        REPEAT: habits.repeated(previous),
    }
    return {name: measure(p, actions, previous, habits) for name, p in answers.items()}


def confusion(probabilities: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Count the likeliest classes at the steps of each class: `(C, C)`, a row what was done."""
    size = probabilities.shape[1]
    pairs = actions.astype(int) * size + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def class_table(counts: np.ndarray, habits: Habits, names: tuple[str, ...]) -> list[dict]:
    """Return of every class how often it occurs, and which share of it is predicted.

    Args:
        counts: the confusion `(C, C)`.
        habits: those of the training.
        names: of the classes.
    """
    held = counts.sum(axis=1)
    return [
        {
            "class": name,
            "training": int(habits.counts[c]),
            "held_out": int(held[c]),
            "recall": float(counts[c, c] / held[c]) if held[c] else None,
        }
        for c, name in enumerate(names)
    ]


def rare(habits: Habits, names: tuple[str, ...]) -> dict[str, int]:
    """Return the classes that the training hardly knows, and how many steps each has there."""
    return {name: int(n) for name, n in zip(names, habits.counts) if n < RARE}


def save_confusion(path: Path, counts: np.ndarray, names: tuple[str, ...]) -> None:
    """Paint a confusion as shares of its rows, with the steps of each row beside its name."""
    from matplotlib.figure import Figure

    steps = counts.sum(axis=1)
    shares = counts / np.maximum(steps, 1)[:, None]
    side = max(4.0, 0.55 * len(names) + 2.0)
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0.0, vmax=1.0, cmap="Blues")
    for row, column in np.ndindex(*shares.shape):
        if len(names) <= 16 and shares[row, column] >= 0.005:
            color = "white" if shares[row, column] > 0.5 else "black"
            text = f"{shares[row, column]:.2f}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=7)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), [f"{n} ({s})" for n, s in zip(names, steps)])
    axes.set(xlabel="predicted", ylabel="done (steps)")
    figure.colorbar(image, label="share of the steps of a row")
    with atomic_path(path, ".png") as temporary:
        figure.savefig(temporary, dpi=110)
