"""Processes that hold one game each and know nothing of TensorFlow."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from reverie.artifacts import InputError
from reverie.games import game_family
from reverie.rollouts.game_process import GameProcess

GRACE = 5.0  # seconds that the workers have, together, to end their games in good order
WITHIN = ("step", "suggest", "cut")  # requests that go on with an episode
REPLAYS = 3  # how often an episode is played again whose process died
NO_MEMORY = 112  # exit code of a process that Python could give no more memory
LOST = object()  # the answer of a worker that died and was replaced


def _serve(connection: Connection, game: str, options: dict) -> None:
    """Answer requests `(method, arguments)` until the parent hangs up."""
    _stand_apart()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the parent is gone
        try:
            _limit_threads()
            process = GameProcess(game, options)
            _ignore_signals()  # once more: ViZDoom has set handlers of its own
            while True:
                method, arguments = connection.recv()
                connection.send(("done", getattr(process, method)(*arguments)))
        except (EOFError, ConnectionError):
            raise
        except MemoryError:
            os._exit(NO_MEMORY)
        except InputError as error:
            connection.send(("refused", str(error)))
        except OSError as error:
            connection.send(("oserror", (error.errno, error.strerror, error.filename)))
        except Exception:
            connection.send(("failed", traceback.format_exc()))


def _stand_apart() -> None:
    """Keep the fates of stage, worker and game engine apart.

    A worker leads a process group, so that it is killed together with the engine that it starts,
    and what a scheduler sends to a job is for the stage to answer. An engine that inherited the
    pipes would hide from the stage that its worker has died.
    """
    os.setpgrp()
    _ignore_signals()
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):  # the listing itself is over
            os.set_inheritable(int(name), int(name) <= 2)


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _die_with_parent() -> None:
    multiprocessing.parent_process().join()
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


def _limit_threads() -> None:
    import cv2

    cv2.setNumThreads(1)  # one game a core: OpenCV's own threads only get in each other's way


class Died(Exception):
    """A worker's process has ended by itself; the message says how."""


class Worker:
    """A game process and the pipe to it.

    Args:
        game: the game's name.
        options: what its class takes.

    Attributes:
        job: the episodes that were last asked for, in words.
        deaths: how many processes have died at it, those that this one replaces.
    """

    def __init__(self, game: str, options: dict, job: str = "", deaths: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, game, options)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.job, self.deaths = job, deaths

    def send(self, method: str, arguments: tuple) -> None:
        """Ask for a method of `GameProcess`; `receive` gives the answer, or says why there is none.

        All methods but those of `WITHIN` start with a seed, or with a list of them.
        """
        if method not in WITHIN and self.job != (job := _describe(arguments[0])):
            self.job, self.deaths = job, 0
        with contextlib.suppress(ConnectionError):
            self.connection.send((method, arguments))

    def receive(self) -> Any:
        """Return the answer to the last request.

        Raises:
            Died: the process has ended.
            InputError: the game cannot be played.
            OSError: the worker could not write its file.
            RuntimeError: the worker failed.
        """
        try:
            status, value = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise Died(self._fate()) from error
        if status == "refused":
            raise InputError(value)
        if status == "oserror":
            raise OSError(*value)
        if status == "failed":
            raise RuntimeError(f"a game worker failed:\n{value}")
        return value

    def _fate(self) -> str:
        """Say how the process has ended."""
        self._process.join(timeout=GRACE)
        code = self._process.exitcode
        if code == NO_MEMORY:
            return "ran out of memory"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return f"was killed by {name}{hint}"
        return f"ended with exit code {code}"

    def end(self, deadline: float) -> None:
        """Give the process until `deadline` to end, then kill it with the engine it started."""
        self._process.join(timeout=max(0.0, deadline - time.monotonic()))
        self._process.kill()  # if it has not come so far as to lead a group
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join(timeout=GRACE)


def _describe(episodes: int | list[tuple]) -> str:
    if isinstance(episodes, list):
        seeds = ", ".join(str(seed) for seed, _ in episodes)
        return f"one of the seeds {seeds}"
    return f"seed {episodes}"


class GameWorkers:
    """A fixed number of game processes; use it as a context manager.

    A worker that dies is replaced and its episode played again, with the same result, because the
    seed decides it: at most three times, then the stage stops.

    Args:
        game: the game's name.
        options: what its class takes.
        count: how many processes; one where the game can be played by one alone.
    """

    def __init__(self, game: str, options: dict, count: int) -> None:
        count = 1 if game_family(game).single else count
        self.game, self.options = game, options
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for them: one game a core
        self._workers = [Worker(game, options) for _ in range(count)]

    def __len__(self) -> int:
        return len(self._workers)

    def __enter__(self) -> "GameWorkers":
        return self

    def __exit__(self, *_: Any) -> None:
        for worker in self._workers:
            worker.connection.close()
        deadline = time.monotonic() + GRACE
        for worker in self._workers:
            worker.end(deadline)

    def map(self, method: str, jobs: Iterable[tuple]) -> Iterator[tuple[tuple, Any]]:
        """Yield each job with its answer as they come, every worker busy as long as jobs last.

        Args:
            method: of `GameProcess`, one that plays whole episodes.
            jobs: arguments of each call.

        Raises:
            InputError: the game cannot be played, or a job's process died again and again.
            OSError: a worker could not write its file.
            RuntimeError: a worker failed.
        """
        waiting = iter(jobs)
        running: dict[int, tuple] = {}
        for worker in range(len(self)):
            self._next(worker, method, waiting, running)
        while running:
            for worker in self._ready(running):
                answer = self._receive(worker)
                if answer is LOST:
                    self._workers[worker].send(method, running[worker])
                    continue
                job = running.pop(worker)
                self._next(worker, method, waiting, running)
                yield job, answer

    def ask(self, requests: dict[int, tuple]) -> dict[int, Any]:
        """Ask several workers at once and wait for all; see `reverie.rollouts.lockstep`.

        Args:
            requests: by worker's number, a method of `GameProcess` and its arguments.

        Returns:
            Their answers; `LOST` where the process has died: a new one waits for a `reset`.

        Raises:
            InputError, OSError, RuntimeError: as for `map`.
        """
        for worker, (method, *arguments) in requests.items():
            self._workers[worker].send(method, tuple(arguments))
        return {worker: self._receive(worker) for worker in requests}

    def _ready(self, running: Iterable[int]) -> list[int]:
        """Wait until at least one of some workers has answered or died; return all that have."""
        connections = {worker: self._workers[worker].connection for worker in running}
        answered = wait(connections.values())
        return [worker for worker, connection in connections.items() if connection in answered]

    def _next(self, worker: int, method: str, waiting: Iterator[tuple], running: dict) -> None:
        job = next(waiting, None)
        if job is not None:
            self._workers[worker].send(method, job)
            running[worker] = job

    def _receive(self, worker: int) -> Any:
        try:
            return self._workers[worker].receive()
        except Died as death:
            self._replace(worker, str(death))
            return LOST

    def _replace(self, worker: int, fate: str) -> None:
        """Start a new process in the place of one that died."""
        old = self._workers[worker]
        old.connection.close()
        old.end(time.monotonic())
        if old.deaths == REPLAYS:
            raise InputError(
                f"{self.game}, {old.job}: the game's process {fate}, {REPLAYS + 1} times; run the "
                "same command with fewer --workers, or mend the game"
            )
        print(f"{self.game}, {old.job}: the game's process {fate}; it is played again")
        self._workers[worker] = Worker(self.game, self.options, old.job, old.deaths + 1)
