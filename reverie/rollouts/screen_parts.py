"""What a session of recording has left in its folder of parts becomes a batch of rollouts."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, write_text
from reverie.games.game import frame_shape
from reverie.headers import RolloutsHeader
from reverie.locks import owned
from reverie.rollouts.screen_log import (
    EVENTS,
    LoggedEpisode,
    LoggedSession,
    frames_path,
    read_session,
)
from reverie.rollouts.screen_pairing import (
    GAME,
    Quality,
    log_path,
    logged_episode,
    paired,
)
from reverie.rollouts.storage import batch_path, merge_episodes, numbered, write_episode

TITLE = "recording.json"  # the header that the batch will have


def parts_path(folder: Path, batch: int) -> Path:
    """Return the folder of what is recorded of a batch."""
    return folder / f".{GAME}_{batch}.parts"


def finish_session(parts: Path) -> Path | None:
    """Write what a session has recorded as a batch with its event log beside, and say how it went.

    Args:
        parts: the session's folder, which is removed.

    Returns:
        The batch; None if there is no episode with a step.
    """
    header = RolloutsHeader(**_title(parts))
    session = _cut(read_session(parts / EVENTS), parts, header)
    path = batch_path(parts.parent, GAME, int(parts.stem.rpartition("_")[2]))
    delay = header.options["action_delay"]
    whole = [logged for logged in session.episodes if paired(logged, delay)[1]]
    if whole:
        write_text(log_path(path), (parts / EVENTS).read_text())
        merge_episodes(_written(whole, parts, header), path, header)
    shutil.rmtree(parts)
    return path if whole else None


def _title(parts: Path) -> dict:
    table = json.loads((parts / TITLE).read_text())
    return {name: value for name, value in table.items() if name not in ("schema", "kind")}


def _cut(session: LoggedSession, parts: Path, header: RolloutsHeader) -> LoggedSession:
    """Leave out a last frame that was written in part, or that the log does not know yet."""
    for logged in session.episodes:
        file = frames_path(parts, logged.number)
        there = file.stat().st_size // int(np.prod(frame_shape(header.options)))
        del logged.times[there:], logged.held[there:]
    return session


def _written(episodes: list[LoggedEpisode], parts: Path, header: RolloutsHeader) -> Iterator[Path]:
    """Write episodes one after the other, say how well each was recorded, yield their files."""
    for logged in episodes:
        times, held = paired(logged, header.options["action_delay"])
        file, shape = frames_path(parts, logged.number), frame_shape(header.options)
        frames = np.memmap(file, np.uint8, "r", shape=(len(times), *shape))
        episode = logged_episode(frames, times, held, logged, header.options)
        part = parts / f"{logged.number:05d}.h5"
        write_episode(part, episode)
        quality = Quality.of(times, held).line(header.options["fps"])
        print(f"episode {logged.number}: {len(held)} steps, {quality}")
        yield part


def recover(folder: Path) -> None:
    """Turn what killed sessions have left in a folder into batches, and say so."""
    for parts in numbered(folder, f".{GAME}", ".parts").values():
        if not (parts / EVENTS).is_file():
            continue
        try:
            with owned(parts):
                batch = finish_session(parts)
        except InputError as error:
            print(f"{parts}: left as it is ({error})")
            continue
        if batch is not None:
            print(f"recovered {batch}, whose recording was cut off")
