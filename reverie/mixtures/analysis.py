"""All questions about mixture components, asked of one network after the other."""

import json
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from reverie.artifacts import atomic_path, write_json
from reverie.dreams.options import DreamOptions
from reverie.mixtures import studies
from reverie.mixtures.detectors import SceneDetector, open_detector
from reverie.mixtures.figures import committed_counts, creativity, shares, training_curves
from reverie.mixtures.recordings import Recording, encode_recordings
from reverie.mixtures.results import AnalysisFiles, AnalysisOptions, identity
from reverie.mixtures.training_runs import read_runs, training_table
from reverie.mixtures.world_model import WorldModel, load_world_model
from reverie.runs import METRICS

SOME = 25  # episodes that are predicted at every temperature


class Analysis:
    """Analyses networks on the same recorded episodes.

    Args:
        files: what is read, and where it writes.
        options: how much is looked at.
        episodes: what `find_recordings` found.
    """

    def __init__(
        self, files: AnalysisFiles, options: AnalysisOptions, episodes: list[tuple[Path, str]]
    ) -> None:
        self.files, self.options = files, options
        vae = load_world_model(files.vae_weights, files.rnn_weights[0]).vae
        path = files.folder / "detector.h5"
        self.detector = open_detector(path, vae, files.vae_weights, files.rollouts)
        self.recordings = encode_recordings(vae, episodes)
        reality = studies.reality(self.detector, self.recordings)
        self.shared = {"detector": self.detector.accuracy, "reality": reality}

    def run(self, rnn_weights: Path) -> str:
        """Analyse one network; its numbers are written last. Return them in a line."""
        world_model = load_world_model(self.files.vae_weights, rnn_weights)
        found = study(world_model, self.detector, self.recordings, self.options)
        path = self.files.result(rnn_weights)
        for name, figure in figures(found, self.detector).items():
            save_figure(path.parent / f"{name}.png", figure)
        result = {
            "identity": identity(self.files, rnn_weights, self.options),
            "components": world_model.rnn.num_mixtures,
        }
        write_json(path, result | self.shared | found)
        return headline(found)


def study(
    world_model: WorldModel,
    detector: SceneDetector,
    recordings: list[Recording],
    options: AnalysisOptions,
) -> dict:
    """Ask all questions about one network."""
    seed, steps, dreams = options.seed, options.steps, options.dreams
    free = DreamOptions(1.0, steps)
    earlier = DreamOptions(1.0, steps, sigma_temperature=studies.EARLIER_SIGMA)
    short, few = min(steps, studies.COMMITTED_STEPS), max(2, dreams // 5)
    some = recordings[:: max(1, len(recordings) // SOME)]
    return {
        "real": studies.real_study(world_model, recordings, seed),
        "dreams": studies.dream_study(world_model, detector, free, dreams, seed),
        "dreams_earlier": studies.dream_study(world_model, detector, earlier, dreams, seed),
        "committed": studies.committed_study(world_model, detector, few, seed, short),
        "creativity": studies.creativity_study(
            world_model, detector, some, dreams // 2, seed, studies.TEMPERATURES, steps
        ),
    }


def figures(found: dict, detector: SceneDetector) -> dict[str, Figure]:
    """Draw what `study` found."""
    note, drawn = studies.accuracy_note(detector.accuracy), {}
    for source, rows, below in (
        ("real", found["real"]["predicted"], ""),
        ("dreams", found["dreams"]["specialisation"], note),
    ):
        for family in ("situations", "events"):
            title = f"{family} and their main components, {source}"
            drawn[f"{family}_{source}"] = shares(rows[family], title, below)
    committed = found["committed"]
    counts, labels = committed["per_1000"], committed["labels"]
    drawn["committed"] = committed_counts(counts, labels, "dreams of one component", note)
    return drawn


def headline(found: dict) -> str:
    """Say in a line how far components stand for something, in real episodes and in dreams."""
    parts = []
    for source, rows in (
        ("real", found["real"]["predicted"]),
        ("dreams", found["dreams"]["specialisation"]),
    ):
        row = rows["situations"]["explosion"]
        share = "too rare"
        if "share" in row:
            share = f"{row['share']:.2f} against {row['elsewhere']:.2f}"
        parts.append(f"{source}: NMI {rows['classes']['nmi']:.3f}, explosion {share}")
    return "; ".join(parts)


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, atomically."""
    with atomic_path(path, ".png") as temporary:
        figure.savefig(temporary, bbox_inches="tight")


def collect(files: AnalysisFiles, options: AnalysisOptions) -> None:
    """Write `analysis.json` from the results of all networks, and figures that compare them."""
    paths = zip(files.names, files.rnn_weights)
    results = {name: json.loads(files.result(path).read_text()) for name, path in paths}
    note = studies.accuracy_note(next(iter(results.values()))["detector"])
    save_figure(files.folder / "creativity.png", creativity(results, note))
    folders = [path.parent for path in files.rnn_weights]
    runs = read_runs([f for f in folders if (f / METRICS).is_file()])
    if runs:
        save_figure(files.folder / "training.png", training_curves(runs))
    whole = {"settings": asdict(options), "networks": results, "training": training_table(runs)}
    write_json(files.collected, whole)
