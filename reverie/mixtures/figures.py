"""Figures of the analyses; each function returns a matplotlib figure or a picture as an array."""

import numpy as np
from matplotlib.figure import Figure

from reverie.mixtures.scenes import Scene, labels
from reverie.mixtures.training_runs import TrainingRun
from reverie.reports.plots import DPI, as_bytes, tile

MARKS = {
    "explosion": "x",
    "fireball appears": "o",
    "monster appears": "^",
    "monster disappears": "v",
}


def stars(p: float) -> str:
    """Return the usual marks: `*` below 0.05, `**` below 0.01, `***` below 0.001."""
    return "*" * sum(p < level for level in (0.05, 0.01, 0.001)) or "n.s."


def shares(rows: dict[str, dict], title: str, note: str = "") -> Figure:
    """Draw for every label the share of its main component inside the label and elsewhere.

    Args:
        rows: what `associate` returned.
        title: over the plot.
        note: below it, e.g. the accuracy of the detector.
    """
    tested = {name: row for name, row in rows.items() if "share" in row}
    figure, axes = _axes((1.2 + 1.4 * max(3, len(tested)), 4.2))
    x = np.arange(len(tested))
    inside = np.array([row["share"] for row in tested.values()])
    elsewhere = np.array([row["elsewhere"] for row in tested.values()])
    edges = np.array([row["interval"] for row in tested.values()]).reshape(-1, 2)
    effect = inside - elsewhere
    spread = np.abs(edges.T - effect)
    axes.bar(x - 0.2, inside, 0.38, yerr=spread, capsize=3, label="frames of the label")
    axes.bar(x + 0.2, elsewhere, 0.38, color="lightgrey", label="all other frames")
    for place, row in zip(x, tested.values()):
        top = max(row["share"], row["elsewhere"], row["elsewhere"] + row["interval"][1])
        axes.text(place, top + 0.02, stars(row["p_corrected"]), ha="center")
    axes.set_xticks(x, [name.replace(" ", "\n") for name in tested])
    axes.set(ylim=(0, 1.15), ylabel="share of the label's main component", title=title)
    axes.legend(loc="upper right", fontsize=8)
    _note(figure, note)
    return figure


def confusion(
    components: list[np.ndarray],
    found: list[dict[str, np.ndarray]],
    count: int,
    title: str,
    note: str = "",
) -> Figure:
    """Draw which component is most probable in the frames of every label, as a table of colours."""
    names = list(found[0])
    everything = np.concatenate(components)
    rows = [np.bincount(everything, minlength=count) / max(1, len(everything))]
    for name in names:
        inside = everything[np.concatenate([dream[name] for dream in found])]
        rows.append(np.bincount(inside, minlength=count) / max(1, len(inside)))
    figure, axes = _axes((2.5 + 0.7 * count, 1.0 + 0.38 * len(rows)))
    axes.imshow(rows, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for y, row in enumerate(rows):
        for x, share in enumerate(row):
            axes.text(x, y, f"{share:.2f}", ha="center", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), ["all frames", *names])
    axes.set_xticks(range(count), [f"{k}" for k in range(count)])
    axes.set(xlabel="most probable component", title=title)
    _note(figure, note)
    return figure


def weights_over_strip(
    weights: np.ndarray,
    frames: np.ndarray,
    scene: Scene,
    start: int = 0,
    every: int = 5,
    note: str = "",
) -> Figure:
    """Draw component weights over time above the film strip of the frames they predicted.

    Args:
        weights: `(T, K)`.
        frames: the frames that were predicted with them, `(T, rows, columns, 3)`.
        scene: of the same frames; its events are marked.
        start: number of the first step, for the axis.
        every: steps between the shown frames.
        note: below it, where the scene is the detector's.
    """
    steps = np.arange(start, start + len(weights))
    figure = Figure(figsize=(13, 4.2), dpi=DPI, layout="constrained")
    axes, strip = figure.subplots(2, 1, height_ratios=(3, 1))
    for k, column in enumerate(weights.T):
        axes.plot(steps, column, color=f"C{k}", label=f"component {k}")
    marked = labels(scene)
    for name, marker in MARKS.items():
        places = steps[marked[name]]
        axes.plot(places, np.full(len(places), 1.06), marker, color="black", ms=5, label=name)
    axes.set(xlim=(start - 0.5, start + len(weights) - 0.5), ylim=(0, 1.12), ylabel="weight")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    strip.imshow(tile([frames[every // 2 :: every]], scale=1, gap=1), aspect="auto")
    strip.set_axis_off()
    strip.set_title(f"one frame of {every}", fontsize=8)
    _note(figure, note)
    return figure


def film_rows(rows: dict[str, np.ndarray], shown: int = 12) -> Figure:
    """Draw rows of frames, evenly spaced over each, with a name before each row."""
    figure = Figure(figsize=(9.5, 0.82 * len(rows)), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for panel, (name, frames) in zip(axes, rows.items()):
        index = np.linspace(0, len(frames) - 1, shown).round().astype(int)
        panel.imshow(tile([as_bytes(frames[index])], scale=1, gap=1))
        panel.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        panel.set(xticks=[], yticks=[])
    return figure


def reality_and_dream(
    rows: dict[str, np.ndarray],
    scenes: dict[str, Scene],
    start: int,
    shown: int = 14,
    note: str = "",
) -> Figure:
    """Draw real, reconstructed and predicted frames under each other, events written below.

    Args:
        rows: frames `(T, rows, columns, 3)` by name.
        scenes: of the same frames, by the same names, or of some of them.
        start: number of the first frame, for the axis.
        shown: frames.
        note: below it, where scenes are the detector's.
    """
    length = min(map(len, rows.values()))
    index = np.linspace(0, length - 1, min(shown, length)).round().astype(int)
    figure = Figure(figsize=(14, 1.5 * len(rows)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(rows), len(index), squeeze=False)
    for line, (name, frames) in zip(panels, rows.items()):
        for panel, frame in zip(line, index):
            panel.imshow(as_bytes(frames[frame]))
            panel.set(xticks=[], yticks=[])
            if name in scenes:
                panel.set_xlabel(_caption(scenes[name], frame), fontsize=7)
        line[0].set_ylabel(name, fontsize=9)
    for panel, frame in zip(panels[0], index):
        panel.set_title(f"{start + frame}", fontsize=8)
    _note(figure, note)
    return figure


def _caption(scene: Scene, frame: int) -> str:
    """Say what is in a frame, and what has begun since the one before."""
    what = f"{scene.monsters[frame]} monsters\n{scene.fireballs[frame]} fireballs"
    found = labels(scene)
    walls = [name for name in ("left wall", "right wall") if found[name][frame]]
    return what + ("\nEXPLOSION" if scene.explosion[frame] else "\n" + ", ".join(walls))


def committed_counts(counts: np.ndarray, names: list[str], title: str, note: str = "") -> Figure:
    """Draw box plots of how often each label occurs in dreams committed to each component.

    Args:
        counts: frames per 1,000 `(K, R, E)`.
        names: of the E labels.
        title: over the plot.
        note: below it.
    """
    figure = Figure(figsize=(13, 3.6), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for panel, name, column in zip(panels, names, np.moveaxis(counts, -1, 0)):
        panel.boxplot(list(column), tick_labels=[str(k) for k in range(len(column))])
        panel.set_title(name.replace(" ", "\n", 1), fontsize=9)
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel("frames of 1,000")
    figure.suptitle(title)
    figure.supxlabel("committed to component", fontsize=9)
    _note(figure, note)
    return figure


def training_curves(runs: list[TrainingRun]) -> Figure:
    """Draw held-out nats per frame over epochs, and the best of each run by components."""
    figure = Figure(figsize=(12, 4.2), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    kinds = sorted({(run.mixture, run.mixtures) for run in runs})
    for colour, kind in enumerate(kinds):
        own = [run for run in runs if (run.mixture, run.mixtures) == kind]
        for number, run in enumerate(own):
            name = f"{kind[0]}, K = {kind[1]}" if number == 0 else None
            left.plot(*run.curve(), color=f"C{colour % 10}", label=name, alpha=0.8)
        best = [run.best["val_nats_per_frame"] for run in own]
        right.plot([kind[1]] * len(best), best, "o", color=f"C{colour % 10}", alpha=0.7)
    left.set(xlabel="epoch", ylabel="nats per frame, held out")
    left.legend(fontsize=8)
    left.grid(alpha=0.3)
    right.set(xlabel="components K", ylabel="best nats per frame, held out", xscale="log")
    ticks = sorted({run.mixtures for run in runs})
    right.set_xticks(ticks, [str(tick) for tick in ticks])
    right.minorticks_off()
    right.grid(alpha=0.3)
    return figure


def creativity(networks: dict[str, dict], note: str = "") -> Figure:
    """Draw by components and temperature what changes in dreams, and what predictions get wrong.

    Args:
        networks: results by name, as `analysis.json` has them.
        note: below it, e.g. the accuracy of the detector.
    """
    ordered = sorted(networks.values(), key=lambda result: result["components"])
    x = np.arange(len(ordered))
    figure = Figure(figsize=(12, 4.2), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    for colour, temperature in enumerate(ordered[0]["creativity"]):
        found = [result["creativity"][temperature] for result in ordered]
        rates = [row["rates"]["creativity"] for row in found]
        mean = np.array([rate["per_1000"] for rate in rates])
        spread = np.abs(np.transpose([rate["interval"] for rate in rates]) - mean)
        style = {"color": f"C{colour}", "marker": "o"}
        left.errorbar(x + 0.06 * colour, mean, spread, capsize=3, label=temperature, **style)
        for kind, line in (("imagined", "-"), ("missed", "--")):
            wrong = [row["precision"]["fireballs"][kind] for row in found]
            right.plot(x, wrong, line, label=f"{kind}, {temperature}", **style)
    left.set(title="dreams", ylabel="changes of monsters and fireballs, of 1,000 frames")
    right.set(title="one-step predictions", ylabel="fireballs, of 1,000 frames")
    for axes in (left, right):
        axes.set_xticks(x, [str(result["components"]) for result in ordered])
        axes.set_xlabel("components K")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(title="temperature", fontsize=8)
    _note(figure, note)
    return figure


def dream_scores(dreams: dict[str, dict], game: dict) -> Figure:
    """Draw the scores in dreams by temperature, and the one in the game.

    Args:
        dreams: summaries by temperature.
        game: the summary of the game.
    """
    figure, axes = _axes((7.5, 4.2))
    temperatures = [float(t) for t in dreams]
    mean = [row["mean"] for row in dreams.values()]
    low, high = zip(*(row["interval"] for row in dreams.values()))
    axes.plot(temperatures, mean, marker="o", label="dream score")
    axes.fill_between(temperatures, low, high, alpha=0.2, linewidth=0)
    axes.axhline(game["mean"], color="C1", label="score in the game")
    axes.axhspan(*game["interval"], color="C1", alpha=0.2, linewidth=0)
    axes.set(xlabel="temperature", ylabel="score: tics alive")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _axes(size: tuple[float, float]) -> tuple:
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    return figure, figure.add_subplot()


def _note(figure: Figure, note: str) -> None:
    if note:
        figure.text(0.5, -0.02, note, ha="center", va="top", fontsize=8)
