"""The page of an evaluation: tables, and plots of what changes with the number of steps."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from reverie.artifacts import atomic_path
from reverie.evaluate.options import EvaluationFiles
from reverie.evaluate.ranking import FEWEST
from reverie.reports.html import picture, table, write_page
from reverie.reports.page import ACTORS, POLICIES, free_running_table

DPI = 110
SHARE = "share of the variance that a linear probe explains on held-out episodes [95 %]"


def write_evaluation(files: EvaluationFiles, result: dict[str, Any]) -> None:
    """Write plots and page beside the numbers."""
    files.folder.mkdir(parents=True, exist_ok=True)
    parts = [
        f"<h1>Can this dream of {result['game']} be trusted?</h1>",
        f"<p><b>{_sentence(result['verdict']['line'])}</b></p>",
        f"<p>{result['episodes']} held-out episodes; intervals are 95 % bootstrap intervals over "
        "episodes.</p>",
        *_free_running(result),
        *_ranking(files.folder, result),
        *_prediction(result),
        *_open_loop(files.folder, result),
        *_truth(result),
        *_probes(result),
    ]
    write_page(files.page, parts)


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."


def _free_running(result: dict) -> list[str]:
    titles = {"held_out": "dreams along the actions of held-out episodes"} | ACTORS
    parts = ["<h2>Do free-running dreams end as often as the game, and reward alike?</h2>"]
    for name, compared in result["free_running"].items():
        parts += [f"<p>{titles[name].capitalize()}.</p>", free_running_table(compared)]
    return parts


def _ranking(folder: Path, result: dict) -> list[str]:
    rows, correlation = result["ranking"]["players"], result["ranking"]["spearman"]
    parts = ["<h2>Does the dream rank players as the game does?</h2>"]
    if not rows:
        return [*parts, "<p>Nobody was played in both; name folders of --controllers.</p>"]
    said = f"not known of fewer than {FEWEST} players that differ"
    if correlation:
        said = cell(correlation)
    path = folder / "ranking.png"
    figure, axes = _axes()
    for row in rows:
        marker = "s" if row["controller"] else "o"
        axes.plot(row["game"], row["dream"], marker, color="C1" if row["controller"] else "C0")
        axes.annotate(row["name"], (row["game"], row["dream"]), fontsize=7)
    ends = [min(min(r["game"], r["dream"]) for r in rows), max(r["game"] for r in rows)]
    axes.plot(ends, ends, color="grey", linewidth=1)
    axes.set(xlabel="mean return in the game", ylabel="mean return in the dream")
    _save(figure, path)
    cells = [
        [
            POLICIES.get(row["name"], row["name"]),
            *(_number(row[key]) for key in ("dream", "game", "optimism")),
        ]
        for row in rows
    ]
    header = ["who plays", "return in the dream", "in the game", "dream / game"]
    return [
        *parts,
        f"<p>Spearman's rank correlation: {said}.</p>",
        table(header, cells),
        picture(path, "Mean returns; on the grey line dream and game agree"),
    ]


def _prediction(result: dict) -> list[str]:
    found, chosen = result["one_step"], result["picks"]
    rows = [[name, cell(value)] for name, value in found["nats"].items()]
    share = chosen["share"]
    facts = [
        ["shuffled actions cost, nats per frame", cell(found["shuffled_costs"])],
        ["loss with shuffled actions ÷ loss", _number(found["loss_ratio"])],
        [
            f"how often the played one of five sequences of {chosen['steps']} actions explains "
            f"best what came next ({chosen['states']} states; chance {chosen['chance']:.2f})",
            cell(share) if share else "–",
        ],
        ["ends, nats per step", cell(found["ends"])],
        ["ends at a constant rate, nats per step", _number(found["ends_at_constant_rate"])],
        [
            "ends observed and expected",
            f"{found['calibration']['observed_ends']}, {found['calibration']['expected_ends']:.1f}",
        ],
    ]
    if "reward_error" in found:
        facts.append(["squared error of the reward ÷ its variance", cell(found["reward_error"])])
    return [
        "<h2>Predictions of the next step</h2>",
        table(["held-out episodes", "nats per frame"], rows),
        table(["", ""], facts),
    ]


def _open_loop(folder: Path, result: dict) -> list[str]:
    frames, parts = result["frames"], ["<h2>Dreams along recorded actions, decoded</h2>"]
    if not frames:
        return [*parts, "<p>No episode is long enough.</p>"]
    names = [name for name in next(iter(frames.values())) if name != "states"]
    for measure, label in (("psnr", "PSNR in dB"), ("ssim", "SSIM")):
        path = folder / f"{measure}.png"
        figure, axes = _axes()
        steps = [int(step) for step in frames]
        for name in names:
            rows = [row[name][measure] for row in frames.values()]
            values = [row["value"] for row in rows]
            (line,) = axes.plot(steps, values, marker="o", markersize=3, label=name)
            edges = zip(*(row["interval"] for row in rows))
            axes.fill_between(steps, *edges, color=line.get_color(), alpha=0.2, linewidth=0)
        axes.set(xscale="log", xlabel="steps", ylabel=label)
        axes.set_xticks(steps, [str(step) for step in steps])
        axes.minorticks_off()
        axes.legend(fontsize=8)
        _save(figure, path)
        cells = [
            [step, row["states"], *(cell(row[name][measure]) for name in names)]
            for step, row in frames.items()
        ]
        parts += [table(["steps", "states", *names], cells)]
        parts += [picture(path, f"{label} against the recorded frame; higher is better")]
    return parts


def _truth(result: dict) -> list[str]:
    if not result["truth"]:
        return []
    columns = ("true", "dreams", "dream_error", "latents_error", "copy_error")
    rows = [
        [name, steps, *(cell(row[column]) for column in columns)]
        for name, found in result["truth"].items()
        for steps, row in found.items()
    ]
    header = ["what", "steps", "true mean", "mean read from dreams", "mean error of dreams"]
    header += ["of recorded latents", "of the value at the beginning"]
    return ["<h2>What is true of frames, read linearly from dreams</h2>", table(header, rows)]


def _probes(result: dict) -> list[str]:
    if not result["probes"]:
        return []
    rows = [
        [name, *(_probe(found[code]) for code in ("z", "h"))]
        for name, found in result["probes"].items()
    ]
    header = ["what", "from z", "from h, before the frame"]
    return ["<h2>Linear probes</h2>", f"<p>{SHARE.capitalize()}.</p>", table(header, rows)]


def _probe(found: dict | None) -> str:
    return "–" if found is None else cell(found)


def cell(found: dict) -> str:
    """Write a number with its interval."""
    text = _number(found["value"])
    if found["interval"] is None:
        return text
    low, high = map(_number, found["interval"])
    return f"{text} [{low} to {high}]"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) < 0.1:
        return f"{value:.4f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path, ".png") as temporary:
        figure.savefig(temporary, dpi=DPI)
