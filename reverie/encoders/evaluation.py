"""Evaluation of an autoencoder on levels that no training sees: what is left of a frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import file_hash, read_json, write_json, write_text
from reverie.encoders.probes import Part, Score, place_score, presence_scores, standardised
from reverie.encoders.reader import recall_scores
from reverie.encoders.report import parameters_of, report
from reverie.encoders.samples import Samples, load_samples
from reverie.encoders.tables import evaluation_table
from reverie.headers import WeightsHeader, open_header
from reverie.latents.encoding import Encoder, reconstruct
from reverie.lineage import check_frames
from reverie.reports.plots import evenly, save_picture, tile
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.storage import find_batches
from reverie.training.weights import build_network, load_network

if TYPE_CHECKING:
    from reverie.models.autoencoder import Autoencoder

EVALUATION = "evaluation.json"
SHOWN = 12  # frames of the picture


@dataclass(frozen=True)
class EvaluationOptions:
    """How an autoencoder is evaluated.

    Attributes:
        frames: at most, of the levels of training for the probes to learn from, and of those that
            are held out.
        probes: teach probes and the reader; without them errors alone are measured.
    """

    frames: int = 6000
    probes: bool = True


def evaluate(
    weights: Path, rollouts: Path, folder: Path, options: EvaluationOptions | None = None
) -> dict:
    """Evaluate weights and write `evaluation.json`, a table, a picture and a report.

    Args:
        weights: what stage 2 wrote.
        rollouts: a folder of rollouts of the same game with truth. Only what is held out of them
            is scored.
        folder: where the results go.
        options: how.

    Returns:
        What `evaluation.json` holds.

    Raises:
        InputError: the weights are of another game or of other frames, or there is no truth.
    """
    options = options or EvaluationOptions()
    header = open_header(weights, WeightsHeader, network="VAE")
    paths = find_batches(rollouts, header.game, preprocessing=header.preprocessing)
    train, test = load_samples(paths, options.frames)
    check_frames(paths[0], test.frames.shape[1:], weights, header)
    network = load_network(weights, "VAE")
    decoded = reconstruct(network, test.frames)
    results = {
        "architecture": network.architecture,
        "game": header.game,
        "weights": file_hash(weights),
        "rollouts": rollouts_identity(paths),
        "parameters": parameters_of(network),
        "code_size": network.latent_size,
        "held_out_frames": len(test),
        "held_out_episodes": len(np.unique(test.episodes)),
    }
    errors = squared_errors(test.frames, decoded)
    results["mse"] = group_errors(test, errors)
    mean = np.broadcast_to(train.frames.mean(axis=0) / 255.0, decoded.shape)
    results["mse_mean_frame"] = group_errors(test, squared_errors(test.frames, mean))
    if options.probes:
        results["recall"] = _tables(recall_scores(train, test, decoded))
        results["probes"] = probe_all(network, train, test)
    write_json(folder / EVALUATION, results)
    write_text(folder / "evaluation.md", evaluation_table(results) + "\n")
    show(folder, test, decoded)
    report(folder, weights, test.frames, decoded, errors.mean(axis=(1, 2)))
    return results


def evaluate_once(weights: Path, rollouts: Path, folder: Path) -> None:
    """Evaluate weights as `evaluate` does, unless the folder holds their evaluation already."""
    path = folder / EVALUATION
    if path.exists() and read_json(path, "delete it").get("weights") == file_hash(weights):
        return
    evaluate(weights, rollouts, folder)


def squared_errors(frames: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Return the squared error of every pixel, the mean of its colours: `(N, rows, columns)`."""
    parts = [
        np.square(f.astype(np.float32) / 255.0 - d).mean(axis=-1)
        for f, d in zip(np.array_split(frames, 16), np.array_split(decoded, 16))
    ]
    return np.concatenate(parts)


def group_errors(samples: Samples, errors: np.ndarray) -> dict[str, float | None]:
    """Return the mean squared error over all pixels and over those of each group of objects."""
    game = samples.game
    found: dict[str, float | None] = {"all": float(errors.mean())}
    for name, kinds in groups(samples).items():
        inside = (samples.masks & sum(game.objects[kind] for kind in kinds)) > 0
        found[name] = float(errors[inside].mean()) if inside.any() else None
    return found


def groups(samples: Samples) -> dict[str, tuple[str, ...]]:
    """Return the groups of objects that are scored together."""
    return samples.game.groups or {name: (name,) for name in samples.game.objects}


def probe_all(network: "Autoencoder", train: Samples, test: Samples) -> dict:
    """Probe the code, the pixels, and the code of the same network with random weights."""
    random = build_network("VAE", network.get_config(), seed=1)
    views: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "code": lambda frames: Encoder(network)(frames)[0],
        "random": lambda frames: Encoder(random)(frames)[0],
        "pixels": lambda frames: frames.reshape(len(frames), -1).astype(np.float32) / 255.0,
    }
    return {name: probe(view, train, test) for name, view in views.items()}


def probe(view: Callable[[np.ndarray], np.ndarray], train: Samples, test: Samples) -> dict:
    """Return what probes of one view of the frames tell.

    Args:
        view: frames to numbers `(N, D)`.
        train: frames of the levels of training.
        test: frames of held-out levels.

    Returns:
        `in_view` and `where` for each kind of object, and `player`.
    """
    parts = standardised(*(Part(view(s.frames), s.episodes) for s in (train, test)))
    names = list(test.game.objects)
    labelled = [(part, s.shown, s.clear) for part, s in zip(parts, (train, test))]
    scores = {"in_view": dict(zip(names, presence_scores(*labelled))), "where": {}}
    for kind, name in enumerate(names):
        places = []
        for part, samples in zip(parts, (train, test)):
            rows, centers = samples.centers(kind)
            places.append((part.rows(rows), centers))
        scores["where"][name] = place_score(*places)
    player = [(part, s.player) for part, s in zip(parts, (train, test))]
    scores["player"] = {"place": place_score(*player) if test.player.shape[1] else None}
    return _tables(scores)


def _tables(scores: dict[str, dict[str, Score | None]]) -> dict:
    return {
        part: {name: score and score.table() for name, score in found.items()}
        for part, found in scores.items()
    }


def show(folder: Path, test: Samples, decoded: np.ndarray) -> None:
    """Write a picture of held-out frames beside their reconstructions."""
    rows = np.flatnonzero(test.shown[:, _scored(test)].any(axis=1))
    rows = evenly(rows if len(rows) else np.arange(len(test)), SHOWN)
    save_picture(folder / "reconstructions.png", tile([test.frames[rows], decoded[rows]]))


def _scored(samples: Samples) -> Sequence[int]:
    """Return the numbers of the objects that are in a group."""
    names = list(samples.game.objects)
    return sorted({names.index(kind) for kinds in groups(samples).values() for kind in kinds})
