"""Episodes that step together, so that one network decides for all of them at once."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverie.rollouts.workers import LOST, GameWorkers


@dataclass
class _Episode:
    """An episode being played: number of its job, steps and return so far."""

    job: int
    steps: int = 0
    total: float = 0.0


def play_in_lockstep(
    workers: GameWorkers,
    jobs: list[tuple[int, Path | None]],
    begin: Callable[[int, int], None],
    act: Callable[[np.ndarray], np.ndarray],
    longest: int | None = None,
    heed: Callable[[int, float, bool], None] | None = None,
) -> Iterator[tuple[int, int, float]]:
    """Play episodes, one in each worker, until all jobs are done.

    An episode whose process dies begins again: `begin` is called once more.

    Args:
        workers: the games; W of them.
        jobs: seed of each episode, and where it is recorded.
        begin: is given the worker and the job's number when an episode begins.
        act: actions of all workers from their frames `(W, rows, columns, 3)` uint8; the array is
            written over after the call. Those of workers without an episode are of no account.
        longest: steps after which an episode is left.
        heed: is given the worker, the reward and whether the game ended the episode, after each of
            its steps.

    Yields:
        Number of the job, length of its episode, return.
    """
    waiting = deque(range(len(jobs)))
    starting = {worker: waiting.popleft() for worker in range(min(len(workers), len(jobs)))}
    playing: dict[int, _Episode] = {}
    frames = np.empty(0)
    while playing or starting:
        first = workers.ask({w: ("reset", *jobs[job]) for w, job in starting.items()})
        for worker in [worker for worker, frame in first.items() if frame is not LOST]:
            if not len(frames):
                frames = np.zeros((len(workers), *first[worker].shape), first[worker].dtype)
            frames[worker], job = first[worker], starting.pop(worker)
            playing[worker] = _Episode(job)
            begin(worker, job)
        if starting:
            continue  # those whose process died
        actions = act(frames)
        answers = workers.ask({worker: ("step", actions[worker]) for worker in playing})
        for worker, answer in answers.items():
            episode = playing[worker]
            if answer is LOST:
                starting[worker] = playing.pop(worker).job
                continue
            frames[worker], reward, terminated, truncated = answer
            if heed is not None:
                heed(worker, reward, terminated)
            episode.steps, episode.total = episode.steps + 1, episode.total + reward
            if terminated or truncated or episode.steps == longest:
                del playing[worker]
                yield episode.job, episode.steps, episode.total
                if waiting:
                    starting[worker] = waiting.popleft()
