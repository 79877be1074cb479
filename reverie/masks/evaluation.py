"""Scores of every method against exact truth, in worlds that none has seen."""

import json
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, write_json, write_text
from reverie.masks.measures import best_threshold, cell_means, judge
from reverie.masks.methods import UNTAUGHT, trained_methods
from reverie.masks.moments import Moments
from reverie.masks.pictures import outlined, tinted
from reverie.plots import save_picture, tile
from reverie.stage import progress, stop_signal

SHOWN = 10  # frames in a picture
HEADER = ("iou", "frame_iou", "precision", "recall")


def evaluate(folder: Path, moments: Moments, cell: int) -> dict:
    """Score all trained methods and write `scores.json`, `table.md` and the gallery.

    Thresholds are those with the highest pooled IoU on validation worlds; the frames of the test
    worlds have no part in them.

    Args:
        folder: holds the networks' runs.
        moments: frames and truth.
        cell: pixels of the game's cells, 0 where there are none.

    Returns:
        For each method `pixels` and, with cells, `cells`: the threshold, and the measures of
        `judge`.

    Raises:
        InputError: there is no truth, or no critic.
    """
    moments.require_truth()
    methods = trained_methods(folder)
    frames, truth, daylight = _gallery(moments, "test")
    results: dict[str, dict] = {}
    masks = {}
    for name, method in progress(methods.items(), desc="methods"):
        validation = method(moments.read("thresholds"))
        scores, results[name] = method(frames), {}
        known = moments.read("thresholds", "truth")
        for kind, size in (("pixels", 0), ("cells", cell)):
            if kind == "pixels" or size:
                cut = best_threshold(*_at(validation, known, size))
                numbers = judge(*_at(scores, truth, size), cut, daylight)
                results[name][kind] = {"threshold": cut} | numbers
        masks[name] = scores >= results[name]["pixels"]["threshold"]
        stop_signal.check()
    _save_gallery(folder / "gallery.png", frames, truth, masks)
    counts = {"test_frames": len(frames), "truth_share": float(truth.mean())}
    write_json(folder / "scores.json", counts | {"methods": results})
    write_text(folder / "table.md", table([results]))
    return results


def _gallery(moments: Moments, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    names = ("frames", "truth", "daylight")
    frames, truth = (moments.read(part, name) for name in names[:2])
    try:
        return frames, truth, moments.read(part, names[2])
    except KeyError:
        return frames, truth, None


def _at(scores: np.ndarray, truth: np.ndarray, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and truth of pixels, or of cells of the game."""
    if not cell:
        return scores, truth
    return cell_means(scores, cell), cell_means(truth, cell) > 0.5


def _save_gallery(path: Path, frames: np.ndarray, truth: np.ndarray, masks: dict) -> None:
    """Show the best and the worst masks of every trained method, the truth outlined.

    Of each method that learns, two rows: frames in which the mask is most like the truth, and
    frames in which it is least, by the pixels that are wrong.
    """
    rows = []
    for name in masks:
        if name in UNTAUGHT:
            continue
        wrong = (masks[name] ^ truth).sum(axis=(1, 2)) / np.maximum(1, truth.sum(axis=(1, 2)))
        order = np.argsort(wrong[truth.any(axis=(1, 2))])
        there = np.flatnonzero(truth.any(axis=(1, 2)))[order]
        for chosen in (_evenly(there[: len(there) // 2]), there[-SHOWN:]):
            if len(chosen):
                rows.append(tinted(outlined(frames[chosen], truth[chosen]), masks[name][chosen]))
    rows = [row for row in rows if len(row) == SHOWN]
    if rows:
        save_picture(path, tile(rows))


def _evenly(rows: np.ndarray) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, SHOWN).astype(int)] if len(rows) else rows


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


def compare(folders: list[Path]) -> str:
    """Return the table over the runs of several seeds.

    Raises:
        InputError: a folder was not evaluated, or the runs hold different methods.
    """
    runs = []
    for folder in folders:
        path = folder / "scores.json"
        if not path.is_file():
            raise InputError(f"{path}: not there; run 06_critic_masks.py evaluate first")
        runs.append(json.loads(path.read_text())["methods"])
    if any(set(run) != set(runs[0]) for run in runs):
        raise InputError("--runs: they hold different methods; train the same in all of them")
    return table(runs)
