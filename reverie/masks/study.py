"""The study of masks: what stage 6 wrote, as figures and pictures."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from reverie.artifacts import InputError, read_json
from reverie.backend import compiled
from reverie.masks.edits import repainted
from reverie.masks.evaluation import compare, gallery_rows, known_mask, open_gallery, read_scores
from reverie.masks.labelled_frames import LabelledFrames
from reverie.masks.methods import in_batches, trained_methods
from reverie.masks.networks import load_run
from reverie.masks.refinement import REFINED
from reverie.masks.show import views
from reverie.reports.plots import DPI, evenly
from reverie.reports.tables import markdown_table

if TYPE_CHECKING:
    from IPython.display import Markdown

TIMES = ("day", "night")


def evaluated_runs(folder: str) -> list[Path]:
    """Return the runs of several seeds below a folder, those that are evaluated.

    Raises:
        InputError: there are none.
    """
    runs = sorted(path.parent for path in Path(folder).glob("*/table.md"))
    if not runs:
        raise InputError(
            f"{folder}: no evaluated runs; make one with: python 06_critic_masks.py all "
            f"--savefolder {folder}/seed_0"
        )
    return runs


def read_log(folder: Path) -> dict[str, np.ndarray]:
    """Read the critic's log as columns.

    Raises:
        InputError: there is none.
    """
    logs = list(folder.glob("critic/*_critic_training_log.csv"))
    if not logs:
        raise InputError(f"{folder}/critic: no log; run 06_critic_masks.py train-critic first")
    with open(logs[0], newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def critic_curves(folders: list[Path]) -> Figure:
    """Draw loss, area under the curve and balanced accuracy of the critics over epochs."""
    figure = Figure(figsize=(12, 3.4), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 3)
    for log in map(read_log, folders):
        for panel, name in zip(panels, ("loss", "auc", "balanced_accuracy")):
            for part, colour in (("train", "C0"), ("val", "C1")):
                panel.plot(log["epoch"], log[f"{part}_{name}"], color=colour, alpha=0.7)
            panel.set(xlabel="epoch", title=name.replace("_", " "))
            panel.grid(alpha=0.3)
    panels[0].legend(panels[0].lines[:2], ("training worlds", "validation worlds"), fontsize=8)
    return figure


def scores_table(folders: list[Path]) -> "Markdown":
    """Show the table of all methods, mean ± sd over the runs."""
    from IPython.display import Markdown

    return Markdown(compare(folders))


def overlap_bars(runs: list[dict]) -> Figure:
    """Draw the pooled IoU of every method by day and by night, a dot for each run."""
    figure = Figure(figsize=(9, 4.6), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    methods = list(runs[0]["methods"])
    places = np.arange(len(methods))
    times = [t for t in TIMES if t in runs[0]["methods"][methods[0]]["pixels"]] or ["all"]
    for number, time in enumerate(times):
        iou = np.array([[r["methods"][m]["pixels"][time]["iou"] for m in methods] for r in runs])
        shifted = places + 0.8 * ((number + 0.5) / len(times) - 0.5)
        axes.barh(shifted, iou.mean(axis=0), 0.8 / len(times), color=f"C{number}", label=time)
        for row in iou:
            axes.plot(row, shifted, ".", color="black", markersize=4)
    axes.set_yticks(places, methods)
    axes.invert_yaxis()
    axes.set(xlabel="pooled IoU on worlds never seen", xlim=(0, 1))
    axes.legend()
    axes.grid(alpha=0.3, axis="x")
    return figure


def others_table(runs: list[dict]) -> "Markdown":
    """Show what share of the pixels of other objects every method marks, in percent."""
    kinds = next(iter(runs[0]["methods"].values()))["others"]
    rows = [
        {"method": name}
        | {
            kind: float(100.0 * np.mean([run["methods"][name]["others"][kind] for run in runs]))
            for kind in kinds
        }
        for name in runs[0]["methods"]
    ]
    return markdown_table(rows)


def repainted_frames(folder: Path, count: int) -> dict[str, np.ndarray]:
    """Return test frames, evenly spread, and all that the networks make of them, by caption."""
    labelled = LabelledFrames(folder / "moments.h5")
    chosen = evenly(labelled.read("test"), count)
    whole = np.zeros((len(chosen), *labelled.choice.frame_shape), np.uint8)
    whole[:, : chosen.shape[1], : chosen.shape[2]] = chosen
    return views(folder, whole)


def conditioned_values(folder: Path, count: int) -> dict[str, np.ndarray]:
    """Return test frames of low and of high value repainted with values from 0 to 1, by caption."""
    vae, _ = load_run(folder / "vae", "CriticVAE", "train-vae")
    frames = LabelledFrames(folder / "moments.h5").read("test")
    values = in_batches(compiled(vae.critic.value))(frames)
    order = np.argsort(values, kind="stable")
    return repainted(vae, frames[np.concatenate([order[: count // 2], order[-count // 2 :]])])


def failures(folder: Path) -> dict[str, np.ndarray]:
    """Return good and bad masks of every refined method that learns, the truth outlined."""
    labelled = LabelledFrames(folder / "moments.h5")
    (run,) = read_scores([folder])
    tested = open_gallery(labelled, "test")
    masks = {}
    for name, method in trained_methods(folder).items():
        known = run["methods"].get(f"{name}{REFINED}")
        if known:
            scores = method(tested.frames)
            masks[f"{name}{REFINED}"] = known_mask(known, tested.frames, scores)
    return gallery_rows(tested, masks)


def edits_table(folder: Path) -> "Markdown":
    """Show what critic and truth say of frames before and after they were repainted."""
    edits = read_json(folder / "inject.json", "run 06_critic_masks.py inject first")
    rows = [
        {"frames": f"{numbers['frames']} {name}", "evaluator": evaluator} | numbers[evaluator]
        for name, numbers in edits.items()
        for evaluator in numbers
        if evaluator != "frames"
    ]
    return markdown_table(rows)
