"""The checkpoint of a training run: all that decides its next step, in one file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, InputError
from reverie.hdf5 import atomic_hdf5

MEND = "add --new_model to start afresh"


@dataclass
class Progress:
    """Where a training run stands.

    Attributes:
        epoch: epochs that are finished.
        batch: batches of the running epoch that are finished.
        sums: metrics of those batches, see `Means`.
        best: lowest held-out loss so far.
        stale: epochs since then.
        history: one row of numbers an epoch.
        identity: what must be the same when the run continues.
    """

    epoch: int = 0
    batch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best: float = float("inf")
    stale: int = 0
    history: list[dict] = field(default_factory=list)
    identity: dict = field(default_factory=dict)


def save_checkpoint(path: Path, variables: Sequence[Any], progress: Progress) -> None:
    """Write all that continues a training run, atomically.

    Args:
        path: the file.
        variables: all Keras variables that decide the next step, in a fixed order.
        progress: where the run stands.
    """
    with atomic_hdf5(path) as file:
        file.attrs["state"] = json.dumps(asdict(progress))
        for index, variable in enumerate(variables):
            file[f"variables/{index:04d}"] = np.asarray(variable.value)


def read_progress(path: Path) -> Progress | None:
    """Return where the run of a checkpoint stands; None if there is no checkpoint.

    Raises:
        InputError: it is damaged or of another version.
    """
    if not path.exists():
        return None
    try:
        with h5py.File(path, "r") as file:
            return Progress(**json.loads(file.attrs["state"]))
    except UNREADABLE as error:
        raise InputError(f"{path}: damaged checkpoint ({error}); {MEND}") from error


def load_checkpoint(path: Path, variables: Sequence[Any]) -> None:
    """Restore the variables that `save_checkpoint` wrote.

    Raises:
        InputError: the checkpoint is damaged or of another network.
    """
    try:
        with h5py.File(path, "r") as file:
            values = [file["variables"][name][()] for name in sorted(file["variables"])]
    except UNREADABLE as error:
        raise InputError(f"{path}: damaged checkpoint ({error}); {MEND}") from error
    if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
        raise InputError(
            f"{path}: checkpoint of another precision or of a network with other sizes; {MEND}"
        )
    for variable, value in zip(variables, values):
        variable.assign(value)
