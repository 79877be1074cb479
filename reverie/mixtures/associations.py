"""Do components belong to labels? Shares, intervals and permutation tests over dreams.

A component that is common anyway owns the largest share of every label, and a component that was
chosen because it fits a label best fits it even where there is nothing to find. So the main
component of a label is chosen on one half of the dreams and measured on the other, the other way
round as well; its share inside the label is compared with its share outside; and the null shifts
each dream's labels in a circle against its components, which keeps the runs of both as they are.
"""

from dataclasses import dataclass

import numpy as np

SHIFTS = 2000  # of the permutation test: p is at least 1 / 2001
RESAMPLES = 2000  # of the bootstrap
FEWEST = 3  # dreams in each half that must hold a label

Labels = dict[str, np.ndarray]


@dataclass(frozen=True)
class Counts:
    """How often labels and components meet.

    Attributes:
        joint: frames of each dream by component and label, `(D, K, E)`.
        frames: frames of each dream by component, `(D, K)`.
    """

    joint: np.ndarray
    frames: np.ndarray


def associate(
    components: list[np.ndarray],
    labels: list[Labels],
    count: int,
    seed: int = 0,
    shifts: int = SHIFTS,
) -> dict[str, dict]:
    """Measure how components and labels go together.

    Args:
        components: the most probable component of every frame of each dream, `(T,)` int.
        labels: of the same frames, `(T,)` bool by name, the same names for every dream.
        count: components K.
        seed: decides halves, shifts and resamples.
        shifts: how many of the permutation test.

    Returns:
        By label: `frames`, `dreams` that hold it, `main` component in either half (as chosen
        there), `share` of the label's frames in its main component, the component's share
        `elsewhere`, their difference `effect` with its 95 % bootstrap `interval` over dreams, `p`
        (one-sided) and `p_corrected` (Holm over the labels); `nmi`, its mean under the null
        `nmi_null`, `nmi_p` and `nmi_p_corrected`. Labels too rare to test have `frames` and
        `dreams` alone.
    """
    rng = np.random.default_rng(seed)
    names = list(labels[0])
    truth = [np.stack([dream[name] for name in names], axis=1) for dream in labels]
    halves = _halves(len(components), rng)
    meetings = [coincidences(c, t, count) for c, t in zip(components, truth)]
    frames = np.stack([np.bincount(c, minlength=count) for c in components])
    seen = Counts(np.stack([m[0] for m in meetings]), frames)
    shifted = _shifted(meetings, halves, shifts, rng)
    return _summaries(names, seen, shifted, halves, rng)


def _halves(dreams: int, rng: np.random.Generator) -> np.ndarray:
    """Say of each dream whether it is in the second half; the halves are drawn at random."""
    return rng.permutation(dreams) >= dreams // 2


def coincidences(components: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Count how often components and labels meet at every circular shift: `(T, K, E)`.

    Row s counts with the labels moved s frames later; row 0 is what happened.
    """
    length = len(components)
    ours = np.fft.rfft(np.eye(count)[components], axis=0)
    theirs = np.fft.rfft(truth.astype(float), axis=0)
    product = ours[:, :, None] * theirs.conj()[:, None, :]
    return np.rint(np.fft.irfft(product, n=length, axis=0)).astype(np.int32)


def _shifted(
    meetings: list[np.ndarray], halves: np.ndarray, shifts: int, rng: np.random.Generator
) -> np.ndarray:
    """Return counts of each half under random shifts of every dream: `(2, S, K, E)`."""
    totals = np.zeros((2, shifts, *meetings[0].shape[1:]), np.int64)
    for half, counts in zip(halves.astype(int), meetings):
        totals[half] += counts[rng.integers(len(counts), size=shifts)]
    return totals


def _summaries(
    names: list[str],
    seen: Counts,
    shifted: np.ndarray,
    halves: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, dict]:
    joint = np.stack([seen.joint[~halves].sum(0), seen.joint[halves].sum(0)])
    frames = np.stack([seen.frames[~halves].sum(0), seen.frames[halves].sum(0)])
    share, elsewhere, main = _cross_shares(joint, frames)
    null_share, null_elsewhere, _ = _cross_shares(shifted, frames[:, None])
    holding = (seen.joint.sum(axis=1) > 0).astype(int)
    enough = np.minimum(holding[halves].sum(0), holding[~halves].sum(0)) >= FEWEST
    lows, highs = _interval(seen, halves, main, rng)
    nmi = mutual_information(joint.sum(0), frames.sum(0))
    null_nmi = mutual_information(shifted.sum(0), frames.sum(0))
    p = _p_values(share - elsewhere, null_share - null_elsewhere)
    nmi_p = _p_values(nmi, null_nmi)
    corrected = {"p": holm(p, enough), "nmi": holm(nmi_p, enough)}
    result = {}
    for e, name in enumerate(names):
        row = {"frames": int(joint[..., e].sum()), "dreams": int(holding[:, e].sum())}
        if enough[e]:
            row |= {
                "main": main[:, e].tolist(),
                "share": float(share[e]),
                "elsewhere": float(elsewhere[e]),
                "effect": float(share[e] - elsewhere[e]),
                "interval": [float(lows[e]), float(highs[e])],
                "p": float(p[e]),
                "p_corrected": float(corrected["p"][e]),
                "nmi": float(nmi[e]),
                "nmi_null": float(null_nmi[:, e].mean()),
                "nmi_p": float(nmi_p[e]),
                "nmi_p_corrected": float(corrected["nmi"][e]),
            }
        result[name] = row
    return result


def _cross_shares(joint: np.ndarray, frames: np.ndarray) -> tuple:
    """Choose main components on each half and measure them on the other.

    Args:
        joint: of both halves, `(2, ..., K, E)`.
        frames: of both halves, `(2, ..., K)`.

    Returns:
        Share inside the label and elsewhere, both halves pooled, `(..., E)`; the components that
        each half chose, `(2, ..., E)`.
    """
    main = joint.argmax(axis=-2)
    chosen = main[::-1]  # what the other half chose
    inside = np.take_along_axis(joint, chosen[..., None, :], axis=-2)[..., 0, :]
    everywhere = np.take_along_axis(np.broadcast_to(frames, joint.shape[:-1]), chosen, axis=-1)
    label, total = joint.sum(axis=-2), frames.sum(axis=-1)[..., None]
    share = _ratio(inside.sum(0), label.sum(0))
    elsewhere = _ratio((everywhere - inside).sum(0), (total - label).sum(0))
    return share, elsewhere, main


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.maximum(whole, 1)


def _interval(
    seen: Counts, halves: np.ndarray, main: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Bootstrap the effect over dreams, main components as they were chosen: `(2, E)`."""
    inside = np.zeros((RESAMPLES, main.shape[-1]))
    label, everywhere, total = (np.zeros_like(inside) for _ in range(3))
    for half, chosen in ((~halves, main[1]), (halves, main[0])):
        count = int(half.sum())
        if count == 0:
            continue  # a single dream; nothing is tested then
        times = rng.multinomial(count, np.full(count, 1.0 / count), RESAMPLES)
        joint, frames = seen.joint[half], seen.frames[half]
        inside += times @ np.take_along_axis(joint, chosen[None, None], axis=1)[:, 0]
        label += times @ joint.sum(axis=1)
        everywhere += times @ frames[:, chosen]
        total += times @ frames.sum(axis=1)[:, None]
    effect = _ratio(inside, label) - _ratio(everywhere - inside, total - label)
    return np.percentile(effect, [2.5, 97.5], axis=0)


def mutual_information(joint: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the normalised mutual information of component and each label by itself.

    `I(C; L) / sqrt(H(C) H(L))` (Strehl and Ghosh, 2002), between 0 and 1.

    Args:
        joint: frames by component and label, `(..., K, E)`.
        frames: by component, `(K,)`.

    Returns:
        `(..., E)`; 0 where component or label never changes.
    """
    table = np.stack([joint, frames[:, None] - joint], axis=-1)  # (..., K, E, 2)
    chances = table / frames.sum()
    component, label = chances.sum(axis=-1), chances.sum(axis=-3)
    mutual = _entropy(component, -2) + _entropy(label, -1) - _entropy(chances, (-3, -1))
    scale = np.sqrt(_entropy(component, -2) * _entropy(label, -1))
    return np.where(scale > 1e-12, mutual / np.maximum(scale, 1e-12), 0.0)


def classes_information(
    components: list[np.ndarray],
    classes: list[Labels],
    count: int,
    seed: int = 0,
    shifts: int = SHIFTS,
) -> dict:
    """Measure the mutual information of component and class, where a frame has exactly one class.

    Args:
        components: see `associate`.
        classes: of the same frames, each in exactly one.
        count: components K.
        seed: decides the shifts.
        shifts: how many.

    Returns:
        `nmi`, its mean under the null `nmi_null` and `p`.
    """
    rng = np.random.default_rng(seed)
    truth = [np.stack(list(dream.values()), axis=1) for dream in classes]
    meetings = [coincidences(c, t, count) for c, t in zip(components, truth)]
    seen = _table_information(sum(m[0] for m in meetings))
    everyone = np.zeros(len(meetings), bool)
    null = _table_information(_shifted(meetings, everyone, shifts, rng)[0])
    p = float(_p_values(seen[None], null[:, None])[0])
    return {"nmi": float(seen), "nmi_null": float(null.mean()), "p": p}


def _table_information(table: np.ndarray) -> np.ndarray:
    chances = table / table.sum(axis=(-2, -1), keepdims=True)
    rows, columns = (_entropy(chances.sum(axis=axis), -1) for axis in (-1, -2))
    scale = np.sqrt(rows * columns)
    mutual = rows + columns - _entropy(chances, (-2, -1))
    return np.where(scale > 1e-12, mutual / np.maximum(scale, 1e-12), 0.0)


def _entropy(chances: np.ndarray, axis: int | tuple) -> np.ndarray:
    return -np.sum(chances * np.log(np.maximum(chances, 1e-300)), axis=axis)


def _p_values(seen: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return the share of the null that is no smaller than what was seen, itself included."""
    as_large = null >= seen - 1e-12
    return (1 + as_large.sum(axis=0)) / (1 + len(null))


def holm(p: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Correct the tested p-values for their number (Holm, 1979)."""
    corrected = np.ones_like(p)
    order = [index for index in np.argsort(p) if tested[index]]
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p[index]))
        corrected[index] = highest
    return corrected
