"""Scores of every method against exact truth, in worlds that none has seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, read_json, write_json, write_text
from reverie.masks.labelled_frames import LabelledFrames
from reverie.masks.measures import best_threshold, cell_means, judge
from reverie.masks.methods import UNTAUGHT, trained_methods
from reverie.masks.pictures import outlined, tinted
from reverie.masks.refinement import REFINED, best_radius, refined
from reverie.reports.plots import SHOWN, evenly, save_picture, tile
from reverie.runs import SCORES
from reverie.stage import progress, stop_signal

UNREFINED = ("full mask", "exact masks (supervised upper bound)")
DAYLIGHT = 0.5  # below it Crafter's frames grow dark and noisy
HEADER = ("iou", "frame_iou", "precision", "recall")


@dataclass(frozen=True)
class Gallery:
    """Frames of worlds to judge masks on, and what is true of them.

    Attributes:
        frames: `(N, H, W, 3)` uint8.
        truth: `(N, H, W)` bool.
        dark: `(N,)` bool; None where the game does not say.
        objects: which pixels show what else, `(N, H, W)` bool by kind.
    """

    frames: np.ndarray
    truth: np.ndarray
    dark: np.ndarray | None
    objects: dict[str, np.ndarray]


def open_gallery(labelled: LabelledFrames, part: str) -> Gallery:
    """Read `thresholds` or `test`."""
    frames, truth = labelled.read(part), labelled.read(part, "truth")
    dark = labelled.read(part, "daylight") < DAYLIGHT if labelled.holds(part, "daylight") else None
    bits = labelled.read(part, "objects")
    kinds = labelled.choice.made_by.objects
    objects = {kind: (bits & bit).astype(bool) & ~truth for kind, bit in kinds.items()}
    return Gallery(frames, truth, dark, {k: mask for k, mask in objects.items() if mask.any()})


def evaluate(folder: Path, labelled: LabelledFrames, cell: int) -> dict:
    """Score all trained methods and write `scores.json`, `table.md` and the gallery.

    Every method is scored as it is and refined by `refined`. Thresholds and radii are those with
    the highest pooled IoU on validation worlds; the frames of the test worlds have no part in them.

    Args:
        folder: holds the networks' runs.
        labelled: frames and truth.
        cell: pixels of the game's cells, 0 where there are none.

    Returns:
        For each method the `radius` of its refinement, `pixels` and, with cells, `cells`: the
        threshold, and the measures of `judge`; and in `others`, by kind, the share of the pixels of
        other objects that it marks.

    Raises:
        InputError: there is no truth, or no critic.
    """
    labelled.require_truth()
    methods = trained_methods(folder)
    known, tested = open_gallery(labelled, "thresholds"), open_gallery(labelled, "test")
    results: dict[str, dict] = {}
    masks = {}
    for name, method in progress(methods.items(), desc="methods"):
        scores = method(known.frames), method(tested.frames)
        for variant, radius in _variants(name, known, scores[0]):
            pair = (refined(g.frames, s, radius) for g, s in zip((known, tested), scores))
            results[variant], marked = _score(*pair, known, tested, cell)
            others = {kind: float(marked[m].mean()) for kind, m in tested.objects.items()}
            results[variant] |= {"radius": radius, "others": others}
            masks[variant] = marked
        stop_signal.check()
    if rows := gallery_rows(tested, masks):
        save_picture(folder / "gallery.png", tile(list(rows.values())))
    counts = {"test_frames": len(tested.frames), "truth_share": float(tested.truth.mean())}
    write_json(folder / SCORES, counts | {"methods": results})
    write_text(folder / "table.md", table([results]))
    return results


def _variants(name: str, known: Gallery, scores: np.ndarray) -> list[tuple[str, int]]:
    """Return what a method is scored as: it alone, and refined with its best radius."""
    if name in UNREFINED:
        return [(name, 0)]
    radius = best_radius(known.frames, scores, known.truth)
    return [(name, 0), (f"{name}{REFINED}", radius)]


def _score(
    validation: np.ndarray, scores: np.ndarray, known: Gallery, tested: Gallery, cell: int
) -> tuple[dict, np.ndarray]:
    """Return the measures of a method's scores, and its masks of the test frames."""
    result = {}
    for kind, size in (("pixels", 0), ("cells", cell)):
        if kind == "pixels" or size:
            cut = best_threshold(*_at(validation, known.truth, size))
            numbers = judge(*_at(scores, tested.truth, size), cut, tested.dark)
            result[kind] = {"threshold": cut} | numbers
    return result, scores >= result["pixels"]["threshold"]


def _at(scores: np.ndarray, truth: np.ndarray, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and truth of pixels, or of cells of the game."""
    if not cell:
        return scores, truth
    return cell_means(scores, cell), cell_means(truth, cell) > 0.5


def known_mask(known: dict, frames: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return what a refined method marks, by the radius and threshold that `evaluate` chose.

    Args:
        known: the method's entry in `scores.json`.
        frames: `(N, H, W, 3)` uint8.
        scores: of the method before it is refined, `(N, H, W)`.

    Returns:
        `(N, H, W)` bool.
    """
    return refined(frames, scores, known["radius"]) >= known["pixels"]["threshold"]


def gallery_rows(tested: Gallery, masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return frames with masks of every refined method that learns, the truth outlined, by caption.

    Each has three rows: frames from the best mask to the median one, then by day and by night those
    with the most wrong pixels for what there is to find.
    """
    there = tested.truth.any(axis=(1, 2))
    dark = np.zeros(len(there), bool) if tested.dark is None else tested.dark
    rows = {}
    for name in masks:
        if not name.endswith(REFINED) or name.removesuffix(REFINED) in UNTAUGHT:
            continue
        wrong = (masks[name] ^ tested.truth).sum(axis=(1, 2))
        order = np.argsort(wrong / np.maximum(tested.truth.sum(axis=(1, 2)), 1), kind="stable")
        light, night = (order[(there & time)[order]] for time in (~dark, dark))
        parts = {"good": evenly(light[: len(light) // 2]), "worst, day": light[-SHOWN:]}
        for part, chosen in (parts | {"worst, night": night[-SHOWN:]}).items():
            if len(chosen) == SHOWN:
                shown = outlined(tested.frames[chosen], tested.truth[chosen])
                rows[f"{name}: {part}"] = tinted(shown, masks[name][chosen])
    return rows


def table(runs: list[dict]) -> str:
    """Write the results of one or several runs as a table in Markdown, mean ± sd over runs."""
    kinds = [kind for kind in ("pixels", "cells") if kind in next(iter(runs[0].values()))]
    columns = [(kind, "all", name) for kind in kinds for name in HEADER]
    columns[4:4] = [("pixels", time, "iou") for time in ("day", "night")]
    names = [" ".join(part for part in column if part != "all") for column in columns]
    lines = [f"| method | {' | '.join(names)} |", "|---|" + "---:|" * len(columns)]
    for method in runs[0]:
        cells = []
        for kind, time, name in columns:
            values = [run[method][kind].get(time, {}).get(name, np.nan) for run in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(runs) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines).replace("nan", "–") + "\n"


def read_scores(folders: list[Path]) -> list[dict]:
    """Read what `evaluate` wrote in the folders of one or several seeds.

    Raises:
        InputError: one of them was not evaluated.
    """
    mend = "run 06_critic_masks.py evaluate first"
    return [read_json(folder / SCORES, mend, "methods") for folder in folders]


def compare(folders: list[Path]) -> str:
    """Return the table over the runs of several seeds.

    Raises:
        InputError: a folder was not evaluated, or the runs hold different methods.
    """
    runs = [run["methods"] for run in read_scores(folders)]
    if any(set(run) != set(runs[0]) for run in runs):
        raise InputError("--runs: they hold different methods; train the same in all of them")
    return table(runs)
