"""Batches made of episodes that come from elsewhere, one in memory at a time."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from reverie.artifacts import InputError
from reverie.headers import RolloutsHeader, header_text, open_header
from reverie.locks import owned
from reverie.rollouts.storage import (
    Episode,
    batch_path,
    is_whole,
    merge_episodes,
    write_episode,
)
from reverie.stage import progress, stop_signal

Source = TypeVar("Source")
SIZE = 50  # episodes a batch


def write_batches(
    sources: Sequence[Source],
    read: Callable[[Source], Episode],
    folder: Path,
    header: RolloutsHeader,
    size: int = SIZE,
) -> list[Path]:
    """Write episodes as batches from number 0 on, see `write_batch`.

    Args:
        sources: where each episode comes from.
        read: reads one.
        folder: where the batches go.
        header: what they say of themselves.
        size: episodes in each.

    Returns:
        The batches.
    """
    paths = []
    for number, start in enumerate(range(0, len(sources), size)):
        paths.append(batch_path(folder, header.game, number))
        write_batch(paths[-1], sources[start : start + size], read, header)
    return paths


def write_batch(
    path: Path,
    sources: Sequence[Source],
    read: Callable[[Source], Episode],
    header: RolloutsHeader,
) -> None:
    """Read episodes one after the other and write them as one batch.

    One episode is in memory at a time. What is written already is kept, so the same call continues.

    Raises:
        InputError: a source cannot be used, or another recording lies there.
        Stopped: a signal came; what was read is kept.
    """
    with owned(path.parent):
        if path.exists():
            whole = replace(header, total_episodes=len(sources))
            if header_text(open_header(path, RolloutsHeader)) != header_text(whole):
                raise InputError(f"{path}: holds other rollouts; choose an empty --output_folder")
            return
        folder = path.with_name(f".{path.stem}.parts")
        parts = [folder / f"{index:05d}.h5" for index in range(len(sources))]
        for source, part in zip(progress(sources, desc=path.name), parts):
            if not is_whole(part):
                write_episode(part, read(source))
            stop_signal.check()
        merge_episodes(parts, path, header)
        shutil.rmtree(folder)
