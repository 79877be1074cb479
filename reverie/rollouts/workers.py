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

from reverie.rollouts.hosts import GameHost

GRACE = 5.0  # seconds that a worker has to end its game in good order


def _serve(connection: Connection, game: str, options: dict) -> None:
    """Answer requests `(method, arguments)` until the parent hangs up."""
    _stand_apart()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the parent is gone
        try:
            _limit_threads()
            host = GameHost(game, options)
            _ignore_signals()  # once more: ViZDoom has set handlers of its own
            while True:
                method, arguments = connection.recv()
                connection.send(("done", getattr(host, method)(*arguments)))
        except (EOFError, ConnectionError):
            raise
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


class GameWorkers:
    """A fixed number of game processes; use it as a context manager.

    Args:
        game: the game's name.
        options: what its class takes.
        count: how many processes.
    """

    def __init__(self, game: str, options: dict, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for them: one game a core
        self.connections: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, game, options), daemon=True)
            process.start()
            theirs.close()
            self.connections.append(ours)
            self._processes.append(process)

    def __enter__(self) -> "GameWorkers":
        return self

    def __exit__(self, *_: Any) -> None:
        for connection in self.connections:
            connection.close()
        for process in self._processes:
            process.join(timeout=GRACE)
            process.kill()  # if it has not come so far as to lead a group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def send(self, worker: int, method: str, *arguments: Any) -> None:
        """Ask a worker for a method of its `GameHost`; every request has one answer."""
        try:
            self.connections[worker].send((method, arguments))
        except BrokenPipeError:
            self.receive(worker)

    def receive(self, worker: int) -> Any:
        """Return a worker's answer.

        Raises:
            OSError: the worker could not write its file.
            RuntimeError: the worker failed or its process ended.
        """
        try:
            status, value = self.connections[worker].recv()
        except (EOFError, ConnectionResetError) as error:
            raise RuntimeError(
                "a game worker ended by itself (out of memory?); the same command continues"
            ) from error
        if status == "oserror":
            raise OSError(*value)
        if status == "failed":
            raise RuntimeError(f"a game worker failed:\n{value}")
        return value

    def ready(self) -> list[int]:
        """Wait until at least one worker has answered; return all that have."""
        answered = wait(self.connections)
        return [index for index, c in enumerate(self.connections) if c in answered]

    def map(self, method: str, jobs: Iterable[tuple]) -> Iterator[tuple[tuple, Any]]:
        """Yield each job with its answer as they come, every worker busy as long as jobs last."""
        waiting = iter(jobs)
        running: dict[int, tuple] = {}
        for worker in range(len(self.connections)):
            self._next(worker, method, waiting, running)
        while running:
            for worker in self.ready():
                answer = self.receive(worker)
                job = running.pop(worker)
                self._next(worker, method, waiting, running)
                yield job, answer

    def _next(self, worker: int, method: str, waiting: Iterator[tuple], running: dict) -> None:
        job = next(waiting, None)
        if job is not None:
            self.send(worker, method, *job)
            running[worker] = job
