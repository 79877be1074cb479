"""What is in folders of rollouts: a line a batch, and the damaged ones named."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, InputError
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.storage import check_batch

COLUMNS = ("file", "game", "policy", "episodes", "steps", "length", "return", "MB")


@dataclass(frozen=True)
class BatchSummary:
    """What a file holds.

    Attributes:
        path: the file.
        size: bytes.
        header: what it says of itself; None of a damaged or foreign file.
        lengths: steps of each episode.
        returns: sum of rewards of each.
        fault: what is wrong with the file, nothing if it is sound.
    """

    path: Path
    size: int
    header: RolloutsHeader | None = None
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    returns: np.ndarray = field(default_factory=lambda: np.zeros(0))
    fault: str = ""


def summarise(path: Path) -> BatchSummary:
    """Look at a file; whatever is wrong with it becomes its `fault`."""
    size = path.stat().st_size
    try:
        header = check_batch(path, open_header(path, RolloutsHeader).game)
        with h5py.File(path, "r") as file:
            rewards = [file[name]["rewards"][:] for name in sorted(file)]
    except InputError as error:
        return BatchSummary(path, size, fault=str(error))
    except UNREADABLE as error:
        return BatchSummary(path, size, fault=f"{path}: damaged ({error})")
    lengths, returns = zip(*((len(values), values.sum(dtype=float)) for values in rewards))
    return BatchSummary(path, size, header, np.array(lengths), np.array(returns))


def find_files(folders: Iterable[Path]) -> list[Path]:
    """Return the HDF5 files of folders, in order.

    Raises:
        InputError: a folder is missing or holds none.
    """
    found = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; name one that 01_generate_data.py wrote to"
            )
        paths = sorted(p for p in folder.glob("*.h5") if not p.name.startswith("."))
        if not paths:
            raise InputError(f"{folder}: no rollouts in it, that is no files <game>_<batch>.h5")
        found += sorted(paths, key=_number)
    return found


def _number(path: Path) -> tuple[str, int]:
    """Sort batch 2 before batch 10."""
    stem, _, number = path.stem.rpartition("_")
    return (stem, int(number)) if number.isdigit() else (path.stem, -1)


def lines(batches: Iterable[BatchSummary]) -> Iterator[str]:
    """Yield a table of batches, their sum, and what is wrong with which file."""
    batches = list(batches)
    alone = len({batch.path.parent for batch in batches}) == 1
    rows, sound, faults = [], [], []
    for batch in batches:
        if batch.fault:
            faults.append(batch.fault)
            continue
        sound.append(batch)
        game, policy = batch.header.game, batch.header.policy
        name = batch.path.name if alone else str(batch.path)
        rows.append((name, game, policy, *_figures([batch])))
    if len(sound) > 1:
        rows.append(("all", "", "", *_figures(sound)))
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows)]
    for row in (COLUMNS, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
    yield from (f"unusable: {fault}" for fault in faults)


def _figures(batches: list[BatchSummary]) -> tuple[str, ...]:
    lengths = np.concatenate([batch.lengths for batch in batches])
    returns = np.concatenate([batch.returns for batch in batches])
    spread = [f"{values.mean():.1f} ± {values.std():.1f}" for values in (lengths, returns)]
    size = sum(batch.size for batch in batches) / 1e6
    return str(len(lengths)), str(lengths.sum()), *spread, f"{size:.1f}"
