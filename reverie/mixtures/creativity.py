"""How much happens in a dream, and how much of what really happens is foreseen."""

import numpy as np

from reverie.mixtures.scenes import EVENTS, SITUATIONS, Scene, events, situations
from reverie.reports.scores import bootstrap_interval

PER = 1000.0  # frames that rates are given for


def rates(scenes: list[Scene]) -> dict[str, dict]:
    """Return how often situations hold and events happen in dreams or episodes.

    Returns:
        By label `per_1000` frames, the mean over all frames, and the `interval` of its mean over
        dreams; `per_dream`, the mean count of a dream. Beside the labels `creativity`: by how much
        the numbers of monsters and fireballs in view change, up or down, as in arXiv 1901.07859.
    """
    lengths = np.array([len(scene) for scene in scenes], float)
    found = {name: [situations(s)[name].sum() for s in scenes] for name in SITUATIONS}
    found |= {name: [events(s)[name].sum() for s in scenes] for name in EVENTS}
    found["creativity"] = [_changes(scene) for scene in scenes]
    return {name: _rate(np.array(counts, float), lengths) for name, counts in found.items()}


def _changes(scene: Scene) -> int:
    """Sum the changes of both counts over neighbouring frames without an explosion."""
    clear = ~(scene.explosion[1:] | scene.explosion[:-1])
    changes = abs(np.diff(scene.monsters)) + abs(np.diff(scene.fireballs))
    return int(changes[clear].sum())


def _rate(counts: np.ndarray, lengths: np.ndarray) -> dict:
    """Return a rate and the bootstrap interval of the dreams' own rates, weighted by length."""
    weighted = PER * counts / lengths.mean()
    return {
        "per_1000": PER * counts.sum() / lengths.sum(),
        "interval": bootstrap_interval(weighted),
        "per_dream": float(counts.mean()),
    }


def precision(real: list[Scene], predicted: list[Scene]) -> dict[str, dict]:
    """Compare one-step predictions with reality, both looked at in the same way.

    Args:
        real: reconstructions of recorded frames.
        predicted: the same frames as they were predicted from the true ones before them.

    Returns:
        For monsters, fireballs, explosion, left and right wall: how many were `imagined` and how
        many `missed`, per 1,000 frames; `holds`, how many there are.
    """
    frames = sum(map(len, real))
    result = {}
    for name in Scene.__dataclass_fields__:
        there = np.concatenate([getattr(scene, name).astype(int) for scene in real])
        foreseen = np.concatenate([getattr(scene, name).astype(int) for scene in predicted])
        difference = foreseen - there
        result[name.replace("_", " ")] = {
            "holds": PER * float(there.sum()) / frames,
            "imagined": PER * float(np.maximum(difference, 0).sum()) / frames,
            "missed": PER * float(np.maximum(-difference, 0).sum()) / frames,
        }
    return result


def component_use(weights: list[np.ndarray]) -> dict:
    """Say how a mixture spreads over its components.

    Args:
        weights: of each dream, `(T, K)`.

    Returns:
        Of each component the mean `weight` and the share of frames in which it is `most_probable`;
        `effective`, the number of components that the mean weights amount to (their perplexity),
        and `undecided`, the mean perplexity of single frames.
    """
    everything = np.concatenate(weights)
    mean, count = everything.mean(axis=0), everything.shape[1]
    most_probable = np.bincount(everything.argmax(axis=1), minlength=count) / len(everything)
    return {
        "weight": mean.tolist(),
        "most_probable": most_probable.tolist(),
        "effective": float(_perplexity(mean)),
        "undecided": float(_perplexity(everything).mean()),
    }


def _perplexity(chances: np.ndarray) -> np.ndarray:
    return np.exp(-np.sum(chances * np.log(np.maximum(chances, 1e-12)), axis=-1))
