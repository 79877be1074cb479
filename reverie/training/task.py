"""A training task: everything that one network of the house needs to be trained."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reverie.headers import WeightsHeader
from reverie.training.streams import Stream

Network = Any  # a `keras.Model` of `models/`
History = list[dict]  # a row of numbers for each epoch: `epoch`, `loss`, `val_loss` ...


@dataclass(frozen=True)
class Curves:
    """What `curves.png` shows.

    Attributes:
        metrics: by the label of a curve, the metric that it follows.
        unit: label of the vertical axis.
        divisor: metrics are divided by it.
    """

    metrics: dict[str, str] = field(
        default_factory=lambda: {"training": "loss", "held out": "val_loss"}
    )
    unit: str = "loss"
    divisor: float = 1.0


@dataclass(frozen=True)
class Task:
    """One network's training, for `fit`.

    Attributes:
        name: of the network, in messages.
        weights: file name of the weights in the run folder.
        build: returns the network with its first weights, seeded, not compiled.
        train: the batches to train on.
        held_out: the batches to validate on; epoch 0 is taken every time.
        identity: what must be the same when a run continues, as JSON: flags that decide the
            result, and hashes of everything that is read.
        header: what the file of the weights says, without the network's name and configuration.
        arrays: what that file holds beside the weights.
        inputs: files that decide the result, for `config.json`.
        hashes: of those inputs that have been read already, by their names.
        keep: the weights of the epoch with the best held-out loss, or those of the last one.
        clipnorm: largest norm of all gradients together; None for no limit.
        carried_rows: rows of a batch whose recurrent state goes on into the next batch, see
            `Carrying`; 0 for none.
        judge: called with network and history after an epoch; returns numbers for its row.
        paint: called with network and history after an epoch; writes pictures and tables.
        report: called with network and history at the end; returns what `scores.json` holds, by
            default the row of the epoch whose weights are kept.
        shown: metrics that are printed after every epoch; all of them by default.
        curves: what `curves.png` shows.
        interval_name: file name of weights that are kept every few epochs.
    """

    name: str
    weights: str
    build: Callable[[], Network]
    train: Stream
    held_out: Stream
    identity: dict
    header: WeightsHeader
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: dict[str, Path] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    keep: Literal["best", "last"] = "last"
    clipnorm: float | None = None
    carried_rows: int = 0
    judge: Callable[[Network, History], dict[str, float]] = lambda network, history: {}
    paint: Callable[[Network, History], None] = lambda network, history: None
    report: Callable[[Network, History], dict] | None = None
    shown: tuple[str, ...] | None = None
    curves: Curves = field(default_factory=Curves)
    interval_name: str = "weights_{epoch:03d}.h5"


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how fast a task is trained.

    Attributes:
        epochs: of the whole run, those of earlier starts included.
        learning_rate: the highest, see `warm_cosine`.
        patience: epochs without a better held-out loss after which it ends; None for never.
        save_interval: epochs from one file of kept weights to the next; 0 for none.
        save_every: seconds between checkpoints inside a long epoch.
        new_model: forget an earlier run in the folder.
        devices: how many to split every batch over; None for all that are visible.
        arguments: flags of the stage, for `config.json`.
    """

    epochs: int
    learning_rate: float
    patience: int | None = None
    save_interval: int = 0
    save_every: float = 300.0
    new_model: bool = False
    devices: int | None = None
    arguments: dict = field(default_factory=dict)
