"""Numbers of a training run: means over batches, TensorBoard, curves."""

from pathlib import Path
from typing import Any

from reverie.artifacts import write_json_lines
from reverie.reports.plots import save_curves
from reverie.runs import METRICS
from reverie.training.task import Curves


class Means:
    """Means of metrics over batches, weighted with what each batch holds.

    Args:
        sums: where an earlier start of the epoch stood; changed in place.
    """

    def __init__(self, sums: dict[str, float]) -> None:
        self.sums = sums

    def add(self, logs: dict[str, Any], weight: float) -> None:
        """Count a batch."""
        for name, value in [*logs.items(), ("weight", 1.0)]:
            self.sums[name] = self.sums.get(name, 0.0) + weight * float(value)

    def row(self) -> dict[str, float]:
        """Return the mean of every metric."""
        total = self.sums["weight"]
        return {name: value / total for name, value in self.sums.items() if name != "weight"}


def log_epoch(folder: Path, history: list[dict]) -> None:
    """Write `metrics.jsonl` anew and append the last epoch to TensorBoard's `logs/`."""
    write_json_lines(folder / METRICS, history)
    write_tensorboard(folder / "logs", history[-1])


def write_tensorboard(folder: Path, row: dict) -> None:
    """Append an epoch's numbers to a TensorBoard log, where TensorFlow is installed."""
    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        return
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for name, value in row.items():
            if name != "epoch":
                tf.summary.scalar(name, value, step=row["epoch"])
    writer.close()


def plot_curves(path: Path, curves: Curves, history: list[dict]) -> None:
    """Plot metrics of all epochs."""
    epochs = [row["epoch"] for row in history]
    lines = {
        label: (epochs, [row[metric] / curves.divisor for row in history])
        for label, metric in curves.metrics.items()
    }
    save_curves(path, lines, "epoch", curves.unit)
