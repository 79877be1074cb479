"""Record batches of whole episodes: each episode is safe the moment it ends."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from reverie.artifacts import Damaged, InputError, remove_unfinished, write_text
from reverie.games import game_class
from reverie.games.actions import describe_space
from reverie.headers import RolloutsHeader, header_text
from reverie.locks import NAME as LOCK
from reverie.locks import owned
from reverie.rollouts.policies import episode_seeds
from reverie.rollouts.storage import batch_path, check_batch, file_stem, is_whole, merge_episodes
from reverie.rollouts.workers import GameWorkers
from reverie.stage import progress, stop_signal

ROUNDS = 4  # episodes, on average, that each of the games played together plays in a row
Player = Callable[[GameWorkers, list[tuple[int, Path]]], Iterator[int]]


def named_player(policy: str, at_once: int = 1) -> Player:
    """Return a player that records `(seed, path)` jobs with a policy by name.

    Args:
        policy: its name.
        at_once: games that a worker plays together.
    """

    def play(workers: GameWorkers, jobs: list[tuple[int, Path]]) -> Iterator[int]:
        for _, (steps, _) in workers.map("play", [(seed, policy, path) for seed, path in jobs]):
            yield steps

    def play_many(workers: GameWorkers, jobs: list[tuple[int, Path]]) -> Iterator[int]:
        share = min(ROUNDS * at_once, -(-len(jobs) // len(workers)))
        parts = [(jobs[start : start + share], policy) for start in range(0, len(jobs), share)]
        for _, results in workers.map("play_many", parts):
            yield from (steps for steps, _ in results)

    return play if at_once == 1 else play_many


class Recorder:
    """Records batches of a game into a folder.

    Finished batches are skipped and finished episodes of an unfinished batch are kept: they lie in
    `.<game>_<batch>.parts` until the batch is whole. A damaged batch is set aside and recorded
    anew.

    Args:
        folder: where the batches go.
        game: the game's name.
        player: plays the episodes.
        policy: who plays, see `RolloutsHeader`.
        seed: decides the seeds of all episodes.
        options: what the game's class takes.
    """

    def __init__(
        self, folder: Path, game: str, player: Player, policy: str, seed: int, options: dict
    ) -> None:
        self.folder, self.game, self.player = Path(folder), game, player
        self.policy, self.seed, self.options = policy, seed, options
        self.episodes = self.steps = self.skipped = 0
        self.seconds = 0.0

    def is_done(self, batch: int, size: int) -> bool:
        """Tell whether a batch needs no work, and set a damaged one aside.

        Raises:
            InputError: a sound batch is there but was recorded otherwise.
        """
        path = batch_path(self.folder, self.game, batch)
        if not path.exists():
            return False
        try:
            header = check_batch(path, self.game)
        except Damaged as error:
            aside = path.with_suffix(".damaged")
            path.rename(aside)
            print(f"set aside as {aside.name}: {error}")
            return False
        self._check_same_recording(path, header, size)
        self._remove_parts(batch)
        return True

    def _check_same_recording(self, path: Path, found: RolloutsHeader, size: int) -> None:
        for name, value in vars(replace(self.header(), total_episodes=size)).items():
            if getattr(found, name) != value:
                raise InputError(
                    f"{path}: recorded with {name} {getattr(found, name)}, not {value}; choose "
                    "another --store_folder or --start_batch, or delete the file"
                )

    def header(self) -> RolloutsHeader:
        """Return what every batch of this recording says of itself."""
        game = game_class(self.game, self.options)
        return RolloutsHeader(
            game=self.game,
            preprocessing=game.preprocessing,
            env_id=game.env_id,
            env_version=game.version,
            observation_space=describe_space(game.observation_space),
            action_space=describe_space(game.action_space) | {"levels": game.action_levels},
            policy=self.policy,
            seed=self.seed,
            options=self.options,
        )

    def record(self, workers: GameWorkers, batch: int, start: int, count: int) -> None:
        """Record episodes `start` to `start + count - 1` of the run as one batch.

        Raises:
            InputError: another process is recording this batch.
        """
        begin = time.perf_counter()
        path = batch_path(self.folder, self.game, batch)
        parts = self._parts(batch)
        remove_unfinished(self.folder)
        with owned(parts):
            self._check_parts(parts)
            seeds = episode_seeds(self.seed, start, count)
            jobs = [(seed, parts / f"{index:05d}.h5") for index, seed in enumerate(seeds)]
            merge_episodes(self._episodes(workers, jobs, path.name), path, self.header())
            _clear(parts)
        with contextlib.suppress(OSError):  # another process may have begun to own it
            parts.rmdir()
        self.seconds += time.perf_counter() - begin

    def _parts(self, batch: int) -> Path:
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
