"""What a recording of the screen writes while it runs: frames and events, one after the other.

Nothing is rewritten and nothing is held back, so that a killed recording has lost nothing. Owns the
files of a session: `events.jsonl`, an event a line with its time in monotonic nanoseconds, and the
raw frames of each episode. What of them becomes rollouts is none of its business.
"""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reverie.artifacts import InputError

EVENTS = "events.jsonl"


def frames_path(folder: Path, episode: int) -> Path:
    """Return the file of the raw frames of an episode."""
    return folder / f"{episode:05d}.frames"


class ScreenLog:
    """Writes a session.

    Args:
        folder: of the session, empty.
        notes: what the first line says of it: `keys`, `fps`, `frame_size` and more.
        now: monotonic nanoseconds.
    """

    def __init__(self, folder: Path, notes: dict, now: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._events = io.FileIO(folder / EVENTS, "ab")
        self._frames = None
        self.episodes = 0
        self.write(now, "session", **notes)

    def write(self, now: int, event: str, **what: Any) -> None:
        """Write one event."""
        row = {"t": now, "event": event} | what
        self._events.write(json.dumps(row).encode() + b"\n")

    def begin(self, now: int, started: int) -> None:
        """Begin an episode.

        Args:
            now: monotonic nanoseconds.
            started: seconds since 1970.
        """
        self._frames = io.FileIO(frames_path(self.folder, self.episodes), "w")
        self.write(now, "episode", number=self.episodes, started=started)

    def frame(self, now: int, frame: np.ndarray, held: list[str]) -> None:
        """Write a frame and the keys that were held when it was taken."""
        self._frames.write(frame.tobytes())
        self.write(now, "frame", held=held)

    def end(self, now: int) -> None:
        """End the episode."""
        self.write(now, "end", number=self.episodes)
        self._frames.close()
        self._frames = None
        self.episodes += 1

    def close(self) -> None:
        """Close the files."""
        if self._frames is not None:
            self._frames.close()
        self._events.close()


@dataclass
class LoggedEpisode:
    """An episode as its log says.

    Attributes:
        number: in the session.
        started: seconds since 1970.
        times: of each frame, monotonic nanoseconds.
        held: the keys that were held at each frame.
        changes: `(time, keys held from then on)`, in order, from before the first frame on.
        ended: time of its end; of an episode that was cut off, of its last event.
    """

    number: int
    started: int
    times: list[int] = field(default_factory=list)
    held: list[tuple[str, ...]] = field(default_factory=list)
    changes: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    ended: int = 0

    def held_at(self, moments: np.ndarray) -> list[tuple[str, ...]]:
        """Return the keys that were held at some times, in monotonic nanoseconds."""
        times = np.array([time for time, _ in self.changes], np.int64)
        last = np.searchsorted(times, moments, side="right") - 1
        return [self.changes[index][1] if index >= 0 else () for index in last]


@dataclass
class LoggedSession:
    """A session as its log says: what its first line notes, and its episodes."""

    notes: dict
    episodes: list[LoggedEpisode] = field(default_factory=list)


def read_session(path: Path) -> LoggedSession:
    """Read an event log; a last line that is cut off is left out.

    Raises:
        InputError: it is no such log.
    """
    rows = list(_rows(path))
    if not rows or rows[0].get("event") != "session":
        raise InputError(
            f"{path}: no event log of a recorded screen; record one with: python "
            "01_generate_data.py screen"
        )
    session, held = LoggedSession(rows[0]), []
    for row in rows[1:]:
        if row["event"] in ("press", "release"):
            held = [key for key in held if key != row["key"]]
            held += [row["key"]] if row["event"] == "press" else []
        _add(session.episodes, row, tuple(held))
    return session


def _rows(path: Path) -> Any:
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for number, line in enumerate(lines[:-1], 1):  # the last is empty, or cut off
        try:
            yield dict(json.loads(line))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}: line {number} is damaged ({error}); delete it and what follows"
            ) from error


def _add(episodes: list[LoggedEpisode], row: dict, held: tuple[str, ...]) -> None:
    """Add what an event says to the last episode, or to the one that it begins."""
    event, now = row["event"], row["t"]
    if event == "episode":
        episodes.append(LoggedEpisode(row["number"], row["started"], changes=[(now, held)]))
    if not episodes or (episodes[-1].ended and event != "episode"):
        return
    episode = episodes[-1]
    if event == "frame":
        episode.times.append(now)
        episode.held.append(tuple(row["held"]))
    elif event in ("press", "release"):
        episode.changes.append((now, held))
    elif event == "end":
        episode.ended = now


def last_time(episode: LoggedEpisode) -> int:
    """Return the time up to which the keys of an episode are known."""
    return episode.ended or max([time for time, _ in episode.changes] + episode.times)
