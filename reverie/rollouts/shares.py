"""Work shared among evaluators on the nodes of a Ray cluster, and done again where one is lost.

An evaluator is a Ray actor that keeps its games open. What travels are the arguments and results of
its methods. Results are keyed by the number of their job, so the count of nodes, the order in which
they answer and lost nodes change nothing.
"""

import argparse
import importlib
import os
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reverie.artifacts import InputError
from reverie.rollouts.workers import GameWorkers
from reverie.stage import Stopped, stop_signal

if TYPE_CHECKING:
    import ray

CHUNKS = 3  # that each evaluator gets of a list of jobs, on average
LOSSES = 3  # how often a chunk is given to another evaluator
WAIT = 0.5  # seconds after which a signal is noticed
PATIENCE = 60.0  # seconds that a new evaluator has to come up when there is no other
PATH = "PYTHONPATH"
PASSED_ON = ("KERAS_BACKEND", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class EngineOptions:
    """Who plays the game.

    Attributes:
        engine: `local`, this machine's workers, or `ray`, evaluators on the nodes of a cluster.
        ray_address: `auto`, `HOST:PORT`, or `local` for a cluster of its own on this machine.
    """

    engine: str = "local"
    ray_address: str = "auto"


def add_engine_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `EngineOptions`."""
    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="who plays: --workers games here, or as many in each evaluator on a Ray cluster",
    )
    engine.add_argument(
        "--ray_address", default="auto", help="auto, HOST:PORT, or local for a cluster of its own"
    )


class Evaluator:
    """The games of one share of a node, for whole episodes.

    Args:
        game: the game's name.
        options: what its class takes.
        workers: games at a time.
    """

    def __init__(self, game: str, options: dict, workers: int) -> None:
        self.workers = GameWorkers(game, options, workers)

    def ready(self) -> bool:
        """Answer as soon as the evaluator is there."""
        return True

    def run(self, method: str, jobs: list[tuple]) -> list:
        """Return the answers of a method of `GameProcess` to some jobs, in their order."""
        numbers = {id(job): number for number, job in enumerate(jobs)}
        answers = [None] * len(jobs)
        for job, answer in self.workers.map(method, jobs):
            answers[numbers[id(job)]] = answer
        return answers


def connect(address: str, cores: int) -> "ray":
    """Join a Ray cluster, or start one on this machine.

    Args:
        address: `auto`, `HOST:PORT`, or `local` for a cluster of its own.
        cores: of a cluster of its own.

    Raises:
        InputError: Ray is not installed, or there is no cluster at that address.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError("--engine ray: Ray is not installed; run: make ray") from error
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    places = [str(ROOT), str(Path.cwd()), os.environ.get(PATH, "")]
    variables[PATH] = os.pathsep.join(filter(None, places))
    quiet["runtime_env"] = {"env_vars": variables}
    try:
        if ":" in address:  # Ray itself would go on trying for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        if address == "local":
            ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
        else:
            ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"--ray_address {address}: no Ray cluster there ({line}); start one with: ray start "
            "--head"
        ) from error
    return ray


class Shares:
    """Evaluators on all nodes of a Ray cluster; use it as a context manager.

    An evaluator that is lost is started again if its node lives, and what it had in hand is given
    to others.

    Args:
        address: see `connect`.
        kind: class of the evaluators; they have a method `ready`.
        arguments: what each is made with; the last is `workers`.
        workers: games of an evaluator; it takes as many processors of its node.

    Raises:
        InputError: no node has so many processors.
    """

    def __init__(self, address: str, kind: type, arguments: tuple, workers: int) -> None:
        self.workers = workers
        self._ray = connect(address, workers)
        self._kind, self._arguments = kind, (*arguments, workers)
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        self._nodes = [
            node["NodeID"]
            for node in nodes
            for _ in range(int(node["Resources"].get("CPU", 0)) // workers)
        ]
        if not self._nodes:
            self._ray.shutdown()
            raise InputError(f"--workers {workers}: no node of the Ray cluster has so many cores")
        self._joining: dict[Any, tuple[Any, str]] = {}
        self._idle: list[tuple[Any, str]] = []
        for node in self._nodes:
            self._start(node)
        print(f"Ray: {len(self._nodes)} evaluators on {len(set(self._nodes))} nodes")

    def __enter__(self) -> "Shares":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """End the evaluators and leave the cluster."""
        self._ray.shutdown()

    def __len__(self) -> int:
        return len(self._nodes) * self.workers

    def _start(self, node: str) -> None:
        """Start an evaluator on a node; it takes part when it answers."""
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        strategy = strategies.NodeAffinitySchedulingStrategy
        options = {"num_cpus": self.workers, "scheduling_strategy": strategy(node, soft=False)}
        evaluator = self._ray.remote(self._kind).options(**options).remote(*self._arguments)
        self._joining[evaluator.ready.remote()] = evaluator, node

    def map(self, method: str, jobs: list[tuple]) -> Iterator[tuple[tuple, Any]]:
        """Yield each job with its answer as they come, like `GameWorkers.map`."""
        jobs = list(jobs)
        for number, answer in self.answers("run", jobs, method):
            yield jobs[number], answer

    def answers(self, method: str, jobs: list, *shared: Any) -> Iterator[tuple[int, Any]]:
        """Yield the number of each job and its answer as they come.

        Args:
            method: of the evaluators; called with `shared` and a list of jobs, it returns a list.
            jobs: the work.
            shared: what all calls are given.

        Raises:
            InputError: the work cannot be done, or evaluators are lost at it again and again.
            Stopped: a signal came, or no evaluator is left.
        """
        size = max(self.workers, -(-len(jobs) // (CHUNKS * len(self._nodes))))
        waiting = deque((start, 0) for start in range(0, len(jobs), size))
        running: dict[Any, tuple] = {}
        while waiting or running:
            while waiting and self._idle:
                evaluator, node = self._idle.pop()
                start, losses = waiting.popleft()
                call = getattr(evaluator, method).remote(*shared, jobs[start : start + size])
                running[call] = evaluator, node, start, losses
            for call in self._ready(running):
                evaluator, node, start, losses = running.pop(call)
                found = self._result(call)
                if found is None:
                    waiting.append((start, self._lost(node, losses)))
                    continue
                self._idle.append((evaluator, node))
                yield from enumerate(found, start)

    def _ready(self, running: dict) -> list:
        """Wait until a call has ended or evaluators have joined; return the calls that have."""
        waited = 0.0
        while True:
            if not (running or self._idle or (self._joining and waited < PATIENCE)):
                raise Stopped("no evaluator is left")
            pending = [*running, *self._joining]
            ended, _ = self._ray.wait(pending, timeout=WAIT)
            stop_signal.check()
            waited += WAIT
            for call in [call for call in ended if call in self._joining]:
                evaluator, node = self._joining.pop(call)
                if self._result(call):
                    self._idle.append((evaluator, node))
            calls = [call for call in ended if call in running]
            if calls or self._idle:
                return calls

    def _result(self, call: Any) -> Any:
        """Return what a call gave, None if its evaluator was lost."""
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError:
            return None

    def _lost(self, node: str, losses: int) -> int:
        """Start another evaluator in the place of one that was lost."""
        if losses == LOSSES:
            raise InputError(
                f"{LOSSES + 1} evaluators were lost at the same episodes; run the same command "
                "with fewer --workers, or mend the game"
            )
        print("an evaluator was lost; its share is done again")
        self._start(node)
        return losses + 1


def open_workers(
    engine: EngineOptions, game: str, options: dict, count: int
) -> GameWorkers | Shares:
    """Return games that play whole episodes: of this machine, or of all nodes of a Ray cluster.

    Args:
        engine: which of them.
        game: the game's name.
        options: what its class takes.
        count: games at a time, here or in each evaluator.
    """
    if engine.engine == "local":
        return GameWorkers(game, options, count)
    return Shares(engine.ray_address, Evaluator, (game, options), count)
