"""Recorded screens as episodes: which keys are the action of which frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import InputError
from reverie.games import game_class
from reverie.games.actions import describe_space
from reverie.games.episode import Episode
from reverie.games.screen import combination_name
from reverie.games.ticks import SECOND
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.batches import write_batch
from reverie.rollouts.screen_log import LoggedEpisode, last_time, read_session
from reverie.rollouts.storage import find_batches

MILLISECOND = SECOND // 1000
ENOUGH = 0.9  # of the rate; recordings below are kept, and said to be
GAME = "screen"


def log_path(batch: Path) -> Path:
    """Return the event log that belongs to a batch."""
    return batch.with_name(f"{batch.stem}.events.jsonl")


@dataclass(frozen=True)
class Quality:
    """How well an episode was recorded.

    Attributes:
        rate: frames a second.
        longest_gap: between two frames, in milliseconds.
        idle: share of the steps in which no key was held.
    """

    rate: float
    longest_gap: float
    idle: float

    @classmethod
    def of(cls, times: np.ndarray, actions: Sequence[tuple[str, ...]]) -> "Quality":
        """Return the quality of an episode of T steps.

        Args:
            times: of the T + 1 frames, in seconds.
            actions: keys held in each step.
        """
        gaps = np.diff(times)
        idle = np.mean([not held for held in actions])
        return cls(float(1 / gaps.mean()), float(1000 * gaps.max()), float(idle))

    def line(self, fps: int) -> str:
        """Describe it in words."""
        text = (
            f"{self.rate:.1f} of {fps} frames/s, longest gap {self.longest_gap:.0f} ms, "
            f"idle {self.idle:.2f}"
        )
        if self.rate < ENOUGH * fps:
            text += (
                f"; kept, but below {ENOUGH} of its rate: choose a lower --fps or a smaller region"
            )
        return text


def paired(logged: LoggedEpisode, delay: int) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Return the frames that have an action, one more, and these actions.

    Args:
        logged: the episode.
        delay: milliseconds from a frame to the keys that are its action. Without one they are those
            that were read when the frame was taken.

    Returns:
        Times of the frames `(T + 1,)` in seconds from the first, and the keys held in T steps.
    """
    times = np.array(logged.times, np.int64)
    held = list(logged.held)
    if delay:
        moments = times + delay * MILLISECOND
        held = logged.held_at(moments[moments <= last_time(logged)])
    steps = max(min(len(held), len(times) - 1), 0)
    return (times[: steps + 1] - times[:1]) / SECOND, held[:steps]


def actions_of(held: Sequence[tuple[str, ...]], options: dict) -> np.ndarray:
    """Return actions of keys: `(T, K)` of zeros and ones, or `(T,)` numbers of combinations.

    Raises:
        InputError: keys were held together that are no combination.
    """
    game = game_class(GAME, options)
    if not game.choices:
        names = game.action_names
        rows = [[name in keys for name in names] for keys in held]
        return np.array(rows, np.int64).reshape(len(held), len(names))
    numbers = {frozenset(keys): number for number, keys in enumerate(game.choices)}
    for keys in held:
        if frozenset(keys) not in numbers:
            raise InputError(
                f"--combinations {options['combinations']}: {combination_name(keys)} was held as "
                "well; add it"
            )
    return np.array([numbers[frozenset(keys)] for keys in held], np.int64)


def _sorted_keys(held: tuple[str, ...], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key in held)


def occurring(folder: Path, delay: int) -> str:
    """Return the combinations that occur in recordings, the commonest first.

    Args:
        folder: of the recordings.
        delay: see `paired`.
    """
    counts: dict[tuple[str, ...], int] = {}
    for batch in find_batches(folder, GAME):
        keys = game_class(GAME, open_header(batch, RolloutsHeader).options).action_names
        for logged in read_session(_known_log(batch)).episodes:
            for held in paired(logged, delay)[1]:
                name = _sorted_keys(held, keys)
                counts[name] = counts.get(name, 0) + 1
    ordered = sorted(counts, key=lambda held: (-counts[held], held))
    return ",".join(map(combination_name, ordered))


def _known_log(batch: Path) -> Path:
    path = log_path(batch)
    if not path.is_file():
        raise InputError(f"{batch}: its event log {path.name} is not beside it; copy it there")
    return path


def pair(folder: Path, output: Path, delay: int, combinations: str) -> list[Path]:
    """Write recordings anew with other actions for the same frames.

    Args:
        folder: of the recordings.
        output: where the new ones go.
        delay: see `paired`.
        combinations: the choices of an action; empty for keys.

    Returns:
        The new batches.
    """
    paths = []
    for batch in find_batches(folder, GAME):
        header = open_header(batch, RolloutsHeader)
        options = header.options | {"action_delay": delay, "combinations": combinations}
        space = describe_space(game_class(GAME, options).action_space)
        header = replace(header, options=options, action_space=space | {"levels": 0})
        session = read_session(_known_log(batch))
        with h5py.File(batch, "r") as file:
            names = {name: session.episodes[file[name].attrs["number"]] for name in sorted(file)}
            sources = [name for name, logged in names.items() if paired(logged, delay)[1]]

            def read(
                name: str, file: h5py.File = file, names: dict = names, options: dict = options
            ) -> Episode:
                return _paired_episode(file[name], names[name], options)

            paths.append(output / batch.name)
            write_batch(paths[-1], sources, read, header)
    return paths


def _paired_episode(group: h5py.Group, logged: LoggedEpisode, options: dict) -> Episode:
    times, held = paired(logged, options["action_delay"])
    frames = group["observations"][: len(times)]  # of a longer delay there are fewer
    steps = len(frames) - 1
    return logged_episode(frames, times[: steps + 1], held[:steps], logged, options)


def logged_episode(
    frames: np.ndarray,
    times: np.ndarray,
    held: Sequence[tuple[str, ...]],
    logged: LoggedEpisode,
    options: dict,
) -> Episode:
    """Return an episode as rollouts hold it: without rewards, cut off where the recording ended.

    Args:
        frames: `(T + 1, rows, columns, 3)`.
        times: of the frames, in seconds.
        held: keys in each of T steps.
        logged: what the log says of it.
        options: of the game.
    """
    steps, quality = len(held), Quality.of(times, held)
    notes = {
        "achieved_rate": quality.rate,
        "longest_gap": quality.longest_gap,
        "idle_share": quality.idle,
        "started": logged.started,
        "number": logged.number,
    }
    return Episode(
        seed=logged.started,
        observations=frames,
        actions=actions_of(held, options),
        rewards=np.zeros(steps, np.float32),
        terminations=np.zeros(steps, bool),
        truncations=np.arange(steps) == steps - 1,
        infos={"time": times},
        notes=notes,
    )
