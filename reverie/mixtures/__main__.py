"""Ask what the mixture components dream, without a notebook: figures and one JSON of all numbers.

Needs MDN-RNNs with a joint mixture and recorded episodes with ground truth. Writes
`<output_folder>/analysis.json`, figures of every network in a folder of its own, and the detector.
The same command again skips the networks that are done.

    # a minute's try
    python -m reverie.mixtures --rollouts tiny/rollouts --episodes 4 --dreams 6 --steps 60 \\
        --vae_weights tiny/final_full_vae_weights.h5 --output_folder tiny/analysis \\
        --rnn_weights tiny/rnn/run_1/final_rnn_weights.h5

    # one network on what `make run` recorded
    python -m reverie.mixtures --rollouts runs/doom/rollouts --vae_weights pretrained/doom_vae.h5 \\
        --rnn_weights pretrained/doom_rnn_joint.h5 --output_folder runs/doom/analysis

    # several networks, on a cluster's node
    python -m reverie.mixtures --rollouts $SCRATCH/rollouts --vae_weights $SCRATCH/vae.h5 \\
        --rnn_weights $SCRATCH/rnn/*/final_rnn_weights.h5 --output_folder $SCRATCH/analysis
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.artifacts import UNREADABLE, InputError, atomic_path, file_hash, write_json
from reverie.flags import artifact
from reverie.mixtures.world_model import check_world, load_world, world_name
from reverie.runs import METRICS, RUN_FOLDER, RunFolder
from reverie.stage import conduct, progress, stop_signal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reverie.mixtures.detectors import Viewer
    from reverie.mixtures.recordings import Recording
    from reverie.mixtures.world_model import World

SOME = 25  # episodes that are predicted at every temperature
SETTINGS = ("episodes", "dreams", "steps", "seed")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.mixtures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rollouts", type=Path, default=RunFolder(RUN_FOLDER).rollouts)
    parser.add_argument("--vae_weights", type=artifact, default="pretrained/doom_vae.h5")
    parser.add_argument(
        "--rnn_weights",
        type=artifact,
        nargs="+",
        default=[artifact("pretrained/doom_rnn_joint.h5")],
    )
    parser.add_argument("--output_folder", type=Path, default=RUN_FOLDER / "analysis")
    parser.add_argument("--episodes", type=int, default=100, help="held-out ones to look at")
    parser.add_argument("--dreams", type=int, default=50, help="of each kind")
    parser.add_argument("--steps", type=int, default=1000, help="longest dream")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for name, least in (("episodes", 1), ("dreams", 4), ("steps", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}")
    return args


@conduct
def main(argv: list[str] | None = None) -> None:
    """Analyse every network that is not done yet, then write everything into one JSON."""
    args = parse_args(argv)
    names = [world_name(path) for path in args.rnn_weights]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"--rnn_weights: two networks are called {min(twice)!r}; rename a folder")
    for path in args.rnn_weights:
        check_world(args.vae_weights, path)
    from reverie.mixtures.recordings import find_recordings

    episodes = find_recordings(args.rollouts, args.episodes, held_out=True)
    waiting = [path for path in args.rnn_weights if not _is_done(args, path)]
    if not waiting and _are_collected(args, names):
        print(f"nothing to do: analysed already, see {args.output_folder / 'analysis.json'}")
        return
    if waiting:
        analyse(args, waiting, episodes)
    collect(args)
    print(f"figures and numbers in {args.output_folder}")


def _result_path(args: argparse.Namespace, rnn_weights: Path) -> Path:
    return args.output_folder / world_name(rnn_weights) / "result.json"


def _identity(args: argparse.Namespace, rnn_weights: Path) -> dict:
    """Return what decides a network's result."""
    settings = {name: getattr(args, name) for name in SETTINGS}
    return settings | {"rnn": file_hash(rnn_weights), "vae": file_hash(args.vae_weights)}


def _is_done(args: argparse.Namespace, rnn_weights: Path) -> bool:
    path = _result_path(args, rnn_weights)
    try:
        return json.loads(path.read_text())["identity"] == _identity(args, rnn_weights)
    except (FileNotFoundError, *UNREADABLE):
        return False


def _are_collected(args: argparse.Namespace, names: list[str]) -> bool:
    try:
        whole = json.loads((args.output_folder / "analysis.json").read_text())
        return list(whole["networks"]) == names
    except (FileNotFoundError, *UNREADABLE):
        return False


def analyse(args: argparse.Namespace, waiting: list[Path], episodes: list) -> None:
    """Analyse networks one after the other; the result of each is written last."""
    from reverie.mixtures.detectors import open_viewer
    from reverie.mixtures.recordings import encode_recordings
    from reverie.mixtures.studies import reality

    vae = load_world(args.vae_weights, waiting[0]).vae
    detector = args.output_folder / "detector.h5"
    viewer = open_viewer(detector, vae, args.vae_weights, args.rollouts)
    recordings = encode_recordings(vae, episodes)
    shared = {"detector": viewer.accuracy, "reality": reality(viewer, recordings)}
    for path in progress(waiting, desc="networks"):
        world = load_world(args.vae_weights, path)
        studies = study(args, world, viewer, recordings)
        folder = _result_path(args, path).parent
        for name, figure in figures(studies, viewer).items():
            save_figure(folder / f"{name}.png", figure)
        result = {"identity": _identity(args, path), "components": world.rnn.num_mixtures}
        write_json(_result_path(args, path), result | shared | studies)
        print(f"{world.name}: {headline(studies)}")
        stop_signal.check()


def study(
    args: argparse.Namespace, world: "World", viewer: "Viewer", recordings: list["Recording"]
) -> dict:
    """Ask all questions about one network."""
    from reverie.mixtures import studies
    from reverie.mixtures.dreams import DreamSettings

    seed, few = args.seed, max(2, args.dreams // 5)
    earlier = DreamSettings(args.steps, sigma_temperature=studies.EARLIER_SIGMA)
    short = DreamSettings(min(args.steps, studies.COMMITTED_STEPS))
    temperatures = studies.TEMPERATURES
    some = recordings[:: max(1, len(recordings) // SOME)]
    return {
        "real": studies.real_study(world, recordings, seed),
        "dreams": studies.dream_study(world, viewer, DreamSettings(args.steps), args.dreams, seed),
        "dreams_earlier": studies.dream_study(world, viewer, earlier, args.dreams, seed),
        "committed": studies.committed_study(world, viewer, few, seed, short),
        "creativity": studies.creativity_study(
            world, viewer, some, args.dreams // 2, seed, temperatures, args.steps
        ),
    }


def figures(studies: dict, viewer: "Viewer") -> dict[str, "Figure"]:
    """Draw what `study` found."""
    from reverie.mixtures.figures import committed_counts, shares
    from reverie.mixtures.studies import accuracy_note

    note, drawn = accuracy_note(viewer.accuracy), {}
    for source, found, below in (
        ("real", studies["real"]["predicted"], ""),
        ("dreams", studies["dreams"]["specialisation"], note),
    ):
        for family in ("situations", "events"):
            title = f"{family} and their main components, {source}"
            drawn[f"{family}_{source}"] = shares(found[family], title, below)
    committed = studies["committed"]
    counts, labels = committed["per_1000"], committed["labels"]
    drawn["committed"] = committed_counts(counts, labels, "dreams of one component", note)
    return drawn


def headline(studies: dict) -> str:
    """Say in a line how far components stand for something, in real episodes and in dreams."""
    parts = []
    for source, found in (
        ("real", studies["real"]["predicted"]),
        ("dreams", studies["dreams"]["specialisation"]),
    ):
        row = found["situations"]["explosion"]
        share = "too rare"
        if "share" in row:
            share = f"{row['share']:.2f} against {row['elsewhere']:.2f}"
        parts.append(f"{source}: NMI {found['classes']['nmi']:.3f}, explosion {share}")
    return "; ".join(parts)


def save_figure(path: Path, figure: "Figure") -> None:
    """Write a figure as PNG, atomically."""
    with atomic_path(path, ".png") as temporary:
        figure.savefig(temporary, bbox_inches="tight")


def collect(args: argparse.Namespace) -> None:
    """Write `analysis.json` from the results of all networks, and figures that compare them."""
    from reverie.mixtures.figures import creativity, training_curves
    from reverie.mixtures.studies import accuracy_note
    from reverie.mixtures.training_runs import read_runs, training_table

    results = {}
    for path in args.rnn_weights:
        results[world_name(path)] = json.loads(_result_path(args, path).read_text())
    note = accuracy_note(next(iter(results.values()))["detector"])
    save_figure(args.output_folder / "creativity.png", creativity(results, note))
    folders = [path.parent for path in args.rnn_weights]
    runs = read_runs([f for f in folders if (f / METRICS).is_file()])
    if runs:
        save_figure(args.output_folder / "training.png", training_curves(runs))
    settings = {name: getattr(args, name) for name in SETTINGS}
    whole = {"settings": settings, "networks": results, "training": training_table(runs)}
    write_json(args.output_folder / "analysis.json", whole)


if __name__ == "__main__":
    sys.exit(main())
