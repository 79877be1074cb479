"""Record batches of whole episodes: each episode is safe the moment it ends."""

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reverie.artifacts import Damaged, InputError, remove_unfinished, write_text
from reverie.games import game_class
from reverie.games.actions import describe_space
from reverie.games.game import frame_shape, frame_space
from reverie.headers import RolloutsHeader, header_text
from reverie.locks import NAME as LOCK
from reverie.locks import owned
from reverie.rollouts.players import Player
from reverie.rollouts.policies import episode_seeds
from reverie.rollouts.storage import (
    batch_path,
    batch_places,
    batch_seeds,
    check_batch,
    file_stem,
    is_whole,
    merge_episodes,
)
from reverie.rollouts.workers import GameWorkers
from reverie.stage import progress, stop_signal

HDF5 = b"\x89HDF\r\n\x1a\n"  # how its files begin


def batch_jobs(episodes: int, size: int, first: int) -> list[tuple[int, int, int]]:
    """Return the batches of a run: number, number of its first episode in the run, episodes.

    Args:
        episodes: in all.
        size: episodes of a batch; the last one may have fewer.
        first: number of the first batch.
    """
    sizes = [min(size, episodes - start) for start in range(0, episodes, size)]
    return [(batch, batch * size, count) for batch, count in enumerate(sizes, first)]


class Recorder:
    """Records batches of a game into a folder.

    Finished batches are skipped and finished episodes of an unfinished batch are kept: they lie in
    `.<game>_<batch>.parts` until the batch is whole. A damaged batch is set aside and recorded
    anew. One process at a time records a batch; another is refused.

    Args:
        folder: where the batches go.
        game: the game's name.
        player: plays the episodes.
        policy: who plays, see `RolloutsHeader`.
        seed: decides the seeds of all episodes.
        options: what the game's class takes.
        balance: what the episodes show in equal shares; the player then takes their places in the
            recording for seeds.
    """

    def __init__(
        self,
        folder: Path,
        game: str,
        player: Player,
        policy: str,
        seed: int,
        options: dict,
        balance: str = "",
    ) -> None:
        self.folder, self.game, self.player = Path(folder), game, player
        self.policy, self.seed, self.options, self.balance = policy, seed, options, balance
        self.episodes = self.steps = 0
        self.seconds = 0.0

    def is_done(self, batch: int, start: int, count: int) -> bool:
        """Tell whether a batch holds its episodes, and set a damaged one aside.

        Only damage is damage: what is locked, forbidden, somebody else's or holds what the game
        itself gave is left as it is.

        Args:
            batch: its number.
            start: number of its first episode in the run.
            count: how many it shall have.

        Raises:
            InputError: a file is there that cannot be read, is not ours, or was recorded otherwise.
        """
        path = batch_path(self.folder, self.game, batch)
        if not path.exists():
            return False
        try:
            header = check_batch(path, self.game)
        except Damaged as error:
            _check_ours(path)
            with owned(self._parts(batch)):
                print(f"set aside as {_set_aside(path).name}: {error}")
            return False
        self._check_same_recording(path, header, start, count)
        if header.total_episodes < count:
            return False
        self._remove_parts(batch)
        return True

    def _check_same_recording(
        self, path: Path, found: RolloutsHeader, start: int, count: int
    ) -> None:
        """Check that a batch holds episodes of this run, as many as are asked for or fewer."""
        here = vars(replace(self.header(), total_episodes=min(found.total_episodes, count)))
        for name, value in here.items():
            if getattr(found, name) != value:
                raise InputError(
                    f"{path}: recorded with {name} {getattr(found, name)}, not {value}; repeat "
                    "the flags of that recording, or choose another --store_folder or --start_batch"
                )
        there = batch_places(path) if self.balance else batch_seeds(path)
        if there != self._episode_names(start, found.total_episodes):
            raise InputError(
                f"{path}: recorded with another --batch_size, its episodes are others of the run; "
                "repeat that --batch_size, or choose another --store_folder or --start_batch"
            )

    def _episode_names(self, start: int, count: int) -> list[int]:
        """Return what tells episodes of a run apart: their seeds, or their places."""
        if self.balance:
            return list(range(start, start + count))
        return episode_seeds(self.seed, start, count)

    def header(self) -> RolloutsHeader:
        """Return what every batch of this recording says of itself."""
        game, (frame_size, *_) = game_class(self.game, self.options), frame_shape(self.options)
        return RolloutsHeader(
            game=self.game,
            preprocessing=game.preprocessing,
            env_id=game.env_id,
            env_version=game.version,
            observation_space=describe_space(frame_space(frame_size)),
            action_space=describe_space(game.action_space) | {"levels": game.action_levels},
            policy=self.policy,
            seed=self.seed,
            options=self.options,
            balance=self.balance,
        )

    def record(self, workers: GameWorkers, batch: int, start: int, count: int) -> None:
        """Record episodes `start` to `start + count - 1` of the run as one batch.

        A batch that holds the first of them grows.

        Raises:
            InputError: another process is recording this batch.
        """
        begin = time.perf_counter()
        path, parts = batch_path(self.folder, self.game, batch), self._parts(batch)
        remove_unfinished(self.folder)
        with owned(parts):
            if not self.is_done(batch, start, count):  # another process may have done it meanwhile
                earlier = path if path.exists() else None
                there = len(batch_seeds(path)) if earlier else 0
                self._check_parts(parts)
                names = list(enumerate(self._episode_names(start, count)))[there:]
                jobs = [(name, parts / f"{index:05d}.h5") for index, name in names]
                episodes = self._episodes(workers, jobs, path.name)
                merge_episodes(episodes, path, self.header(), earlier)
            _clear(parts)
        with contextlib.suppress(OSError):  # another process may have begun to own it
            parts.rmdir()
        self.seconds += time.perf_counter() - begin

    def _parts(self, batch: int) -> Path:
        """Return the folder of the finished episodes of a batch that is not whole."""
        return self.folder / f".{file_stem(self.game)}_{batch}.parts"

    def _remove_parts(self, batch: int) -> None:
        """Remove the parts of a whole batch whose writer was killed before it could do so."""
        parts = self._parts(batch)
        if not parts.exists():
            return
        with contextlib.suppress(InputError), owned(parts):  # or another process is at it
            _clear(parts)
        with contextlib.suppress(OSError):
            parts.rmdir()

    def _episodes(
        self, workers: GameWorkers, jobs: list[tuple[int, Path]], name: str
    ) -> Iterator[Path]:
        """Play what is missing of a batch; yield its parts in order, each as soon as it can be.

        So the batch is written while the workers play, not when they are done.
        """
        missing = [job for job in jobs if not is_whole(job[1])]
        for _, part in missing:
            part.unlink(missing_ok=True)
        waiting = deque(part for _, part in jobs)
        with progress(total=len(jobs), initial=len(jobs) - len(missing), desc=name) as bar:
            for steps in self.player(workers, missing):
                self.episodes += 1
                self.steps += steps
                bar.update()
                stop_signal.check()
                while waiting and waiting[0].exists():
                    yield waiting.popleft()
        yield from waiting

    def _check_parts(self, parts: Path) -> None:
        """Keep the parts of an earlier start only if they were recorded in the same way."""
        note = parts / "recording.json"
        same = header_text(self.header())
        if not (note.exists() and note.read_text() == same):
            _clear(parts)
        write_text(note, same)


def _clear(folder: Path) -> None:
    """Remove what is in a folder, but for the lock that says whose it is."""
    for path in folder.iterdir():
        if path.name != LOCK:
            path.unlink()


def _check_ours(path: Path) -> None:
    """Check that a damaged file was written by this stage as far as that can be known.

    Raises:
        InputError: it is not HDF5 at all, and not one whose beginning a power cut has emptied.
    """
    with open(path, "rb") as file:
        beginning = file.read(len(HDF5))
    if beginning != HDF5[: len(beginning)] and any(beginning):
        raise InputError(
            f"{path}: not HDF5, so it is not ours to replace; move it away, or choose another "
            "--store_folder or --start_batch"
        )


def _set_aside(path: Path) -> Path:
    """Rename a damaged file to a name that nothing has."""
    names = (path.with_suffix(f".damaged{f'_{n}' if n > 1 else ''}") for n in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    return path.rename(aside)
