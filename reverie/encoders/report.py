"""What is reported of any autoencoder, truth or none: layers, times, losses, and a film."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from reverie.artifacts import atomic_path, read_json_lines, write_text
from reverie.backend import compiled
from reverie.latents.encoding import reconstruct
from reverie.reports.films import save_film
from reverie.reports.plots import as_bytes, evenly
from reverie.rollouts.frames import FrameStream, split_rollouts
from reverie.runs import EVALUATION_FOLDER, METRICS
from reverie.training.devices import visible_devices
from reverie.training.weights import load_network

if TYPE_CHECKING:
    from reverie.models.autoencoder import Autoencoder

SUMMARY = "summary.txt"
BATCHES = (1, 64)
WARM, TIMED = 3, 0.2  # calls before the clock starts, and seconds that it runs at least
FILM, FILM_FPS = 200, 4  # frames


def report_training(weights: Path, rollouts: list[Path]) -> None:
    """Report trained weights beside them, unless that is done.

    Args:
        weights: what stage 2 wrote.
        rollouts: what it was trained on; the film shows what is held out of them.
    """
    folder = weights.parent / EVALUATION_FOLDER
    summary = folder / SUMMARY
    if summary.exists() and summary.stat().st_mtime >= weights.stat().st_mtime:
        return
    frames = FrameStream(rollouts, split_rollouts(rollouts)[1], 1).sample(FILM)[:FILM]
    decoded = reconstruct(load_network(weights, "VAE"), frames)
    report(folder, weights, frames, decoded, frame_errors(frames, decoded))


def report(
    folder: Path, weights: Path, frames: np.ndarray, decoded: np.ndarray, errors: np.ndarray
) -> None:
    """Write `metrics.npz`, the film `reconstructions.mp4`, and at last `summary.txt`.

    Args:
        folder: where to.
        weights: of the autoencoder, in the run folder of its training.
        frames: `(N, rows, columns, 3)` uint8 that it was not trained on.
        decoded: their reconstructions, in [0, 1].
        errors: mean squared errors of the frames, `(N,)`.
    """
    arrays = {"frame_error": errors}
    metrics = weights.parent / METRICS
    if metrics.exists():
        rows = read_json_lines(metrics, "train it again")
        arrays["epoch_train_loss"] = np.array([row["loss"] for row in rows])
        arrays["epoch_test_loss"] = np.array([row["val_loss"] for row in rows])
    with atomic_path(folder / "metrics.npz", ".npz") as temporary:
        np.savez(temporary, **arrays)
    rows = evenly(np.arange(len(frames)), FILM)
    films = {"frame": frames[rows], "reconstruction": as_bytes(decoded[rows])}
    notes = [f"{value:.4f}" for value in errors[rows]]
    save_film(folder / "reconstructions.mp4", films, FILM_FPS, notes=notes)
    write_text(folder / SUMMARY, summary_text(weights))


def frame_errors(frames: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each frame, `(N,)`."""
    pairs = zip(frames, decoded)
    return np.array([np.mean((f.astype(np.float32) / 255.0 - d) ** 2) for f, d in pairs])


def summary_text(weights: Path) -> str:
    """Return layers and parameters of an autoencoder, and what a frame costs on each device."""
    network = load_network(weights, "VAE")
    lines: list[str] = [f"{network.architecture}, {network.latent_size} latents", ""]
    for part in (network.encoder, network.decoder):
        lines += [f"{part.name:24s} {'output':>18s} {'parameters':>12s}", *_layers(part), ""]
    lines.append(f"trained parameters: {parameters_of(network):,}")
    lines += ["", "milliseconds a frame, the median of many calls after some to warm up"]
    lines.append(f"{'device':12s} {'batch':>6s} {'whole network':>14s} {'encoder':>10s}")
    for device in _kinds():
        with keras.device(device):
            network = load_network(weights, "VAE")
            for batch in BATCHES:
                whole, encoder = milliseconds(network, batch)
                lines.append(f"{device:12s} {batch:6d} {whole:14.3f} {encoder:10.3f}")
    return "\n".join(lines) + "\n"


def _layers(part: keras.Model) -> list[str]:
    """Return a line for each layer: its kind, what it returns and how many numbers it has."""
    lines = []
    for layer in part.layers:
        kind, shape = type(layer).__name__, "x".join(map(str, layer.output.shape[1:]))
        lines.append(f"  {kind:22s} {shape:>18s} {layer.count_params():12,}")
    return lines


def parameters_of(network: "Autoencoder") -> int:
    """Return how many numbers of a network are trained."""
    return sum(int(np.prod(each.shape)) for each in network.trainable_weights)


def milliseconds(network: "Autoencoder", batch: int) -> tuple[float, float]:
    """Return what a frame costs in the whole network and in its encoder, in milliseconds."""
    frames = np.zeros((batch, *network.frame_shape), np.uint8)
    functions = (lambda x: network(x)["frames"], lambda x: network.encode(x)[0])
    return tuple(1000.0 * _seconds(compiled(each), frames) / batch for each in functions)


def _seconds(function: Callable, frames: np.ndarray) -> float:
    """Return the median time of a call, its result copied to the host."""
    durations: list[float] = []
    for _ in range(WARM):
        np.asarray(function(frames))
    while sum(durations) < TIMED or len(durations) < WARM:
        start = time.perf_counter()
        np.asarray(function(frames))
        durations.append(time.perf_counter() - start)
    return float(np.median(durations))


def _kinds() -> list[str]:
    """Return the processor, and a GPU where there is one."""
    gpu = any(
        getattr(each, "device_type", getattr(each, "platform", "")).lower() == "gpu"
        for each in visible_devices()
    )
    return ["cpu:0", *(["gpu:0"] if gpu else [])]
