"""Folders of rollouts joined into one: the batches of all, numbered anew."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py

from reverie.artifacts import InputError
from reverie.hdf5 import atomic_hdf5
from reverie.headers import RolloutsHeader, header_text, open_header, write_header
from reverie.locks import owned
from reverie.rollouts.inventory import find_files, summarise
from reverie.rollouts.storage import AGREED, batch_path
from reverie.stage import progress, stop_signal


def merge(folders: list[Path], output: Path) -> Iterator[tuple[Path, Path]]:
    """Copy the batches of folders into one; what is there already is kept.

    Yields:
        Each batch and its copy.

    Raises:
        InputError: a batch cannot be used, two are of games that differ, an episode is there twice,
            or the output holds something else.
        Stopped: a signal came; what was copied is kept.
    """
    if any(Path(folder).resolve() == output.resolve() for folder in folders):
        raise InputError(f"--output_folder {output}: is one of the folders to join; name a new one")
    paths = find_files(folders)
    headers = [_check(path) for path in paths]
    _check_agreement(paths, headers)
    _check_doubles(paths)
    counts: Counter[str] = Counter()
    with owned(output):
        for path, header in zip(progress(paths, desc="batches"), headers):
            copy = batch_path(output, header.game, counts[header.game])
            counts[header.game] += 1
            if not copy.exists():
                _copy(path, copy, header)
            elif header_text(open_header(copy, RolloutsHeader)) != header_text(header):
                raise InputError(f"{copy}: not a copy of {path}; choose an empty --output_folder")
            yield path, copy
            stop_signal.check()


def _check(path: Path) -> RolloutsHeader:
    summary = summarise(path)
    if summary.fault:
        raise InputError(summary.fault)
    return replace(summary.header, total_episodes=len(summary.lengths))


def _check_agreement(paths: list[Path], headers: list[RolloutsHeader]) -> None:
    first: dict[str, tuple[Path, RolloutsHeader]] = {}
    for path, header in zip(paths, headers):
        known, other = first.setdefault(header.game, (path, header))
        for name in AGREED:
            if getattr(header, name) != getattr(other, name):
                raise InputError(
                    f"{path}: its {name} is {getattr(header, name)}, that of {known} "
                    f"{getattr(other, name)}; join only what is alike"
                )


def _check_doubles(paths: list[Path]) -> None:
    """Check that no episode comes twice: it would be trained on and held out as well."""
    known: dict[tuple, Path] = {}
    for path in paths:
        with h5py.File(path, "r") as file:
            for name in file:
                group = file[name]
                rewards, actions = group["rewards"][:].tobytes(), group["actions"][:].tobytes()
                key = (int(group.attrs.get("seed", -1)), hash(rewards), hash(actions))
                if key in known:
                    raise InputError(
                        f"{path}: {name} is in {known[key]} as well; leave one of them out"
                    )
                known[key] = path


def _copy(path: Path, copy: Path, header: RolloutsHeader) -> None:
    with h5py.File(path, "r") as source, atomic_hdf5(copy) as file:
        for name in sorted(source):
            source.copy(name, file)
        write_header(file, header)
