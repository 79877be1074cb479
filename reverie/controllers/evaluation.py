"""Controllers evaluated in the real game, and policies that do not look."""

import contextlib
from collections.abc import Iterator

import numpy as np

from reverie.controllers.agents import Agents, ControlledAgents, play
from reverie.controllers.controller import Controller
from reverie.controllers.kept_returns import KeptReturns
from reverie.dreams.recorded import Played
from reverie.rollouts.shares import Shares
from reverie.rollouts.workers import GameWorkers
from reverie.stage import Stopped, progress, stop_signal


class GameEvaluator:
    """Plays the real game with a pool of workers and one batched network.

    Args:
        workers: the games.
        agents: who see and remember, one for each worker.
        controller: the shape of the controllers.
        shares: evaluators on other machines that play the controllers' episodes instead.
    """

    def __init__(
        self,
        workers: GameWorkers,
        agents: Agents,
        controller: Controller,
        shares: Shares | None = None,
    ) -> None:
        self.workers, self.agents = workers, ControlledAgents(agents, controller)
        self.shares = shares

    def returns(
        self,
        parameters: np.ndarray,
        seeds: list[int],
        kept: KeptReturns | None = None,
        played: dict[int, Played | None] | None = None,
    ) -> np.ndarray:
        """Play every controller on every seed.

        Args:
            parameters: `(N, P)`.
            seeds: of the episodes.
            kept: returns that an earlier start has found; those of this one are added.
            played: what the agents saw and did in the episodes with these seeds is put there, but
                for those of an earlier start and of other machines.

        Returns:
            `(N, len(seeds))`.

        Raises:
            Stopped: a signal came, or no evaluator is left; what was found is kept.
        """
        jobs = [(row, seed) for row in parameters for seed in seeds]
        results = {} if kept is None else dict(kept.items())
        missing = [job for job in range(len(jobs)) if job not in results]
        with (
            progress(total=len(jobs), initial=len(results), desc="game") as bar,
            kept_at_stop(kept),
        ):
            for index, total in self._totals([jobs[job] for job in missing], played):
                results[missing[index]] = total
                bar.update()
                if kept is not None:
                    kept.add(missing[index], total)
                stop_signal.check()
        if kept is not None and missing:
            kept.save()  # for a stop before the larger result is written
        ordered = [results[job] for job in range(len(jobs))]
        return np.array(ordered).reshape(len(parameters), len(seeds))

    def episodes(self, parameters: np.ndarray, played: dict[int, Played | None]) -> list[Played]:
        """Return a controller's episodes, of which those are played that are not there yet.

        Args:
            parameters: `(P,)`.
            played: what `returns` has put there.
        """
        missing = [(parameters, seed, None) for seed, episode in played.items() if episode is None]
        for _ in play(self.workers, self.agents, missing, played):
            stop_signal.check()
        return list(played.values())

    def _totals(
        self, jobs: list[tuple[np.ndarray, int]], played: dict[int, Played | None] | None
    ) -> Iterator[tuple[int, float]]:
        """Play episodes, parameters and seed of each; yield their numbers and returns."""
        if self.shares is not None:
            yield from self.shares.answers("returns", jobs)
            return
        episodes = [(parameters, seed, None) for parameters, seed in jobs]
        for index, _, total in play(self.workers, self.agents, episodes, played):
            yield index, total

    def open_loop(self, policy: str, seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Play a policy by name on every seed; return returns and lengths `(len(seeds),)`."""
        results = dict(self._played(policy, seeds))
        lengths, returns = zip(*[results[seed] for seed in seeds])
        return np.array(returns), np.array(lengths)

    def _played(self, policy: str, seeds: list[int]) -> Iterator[tuple[int, tuple[int, float]]]:
        for (seed, _), result in self.workers.map("play", [(s, policy) for s in seeds]):
            stop_signal.check()
            yield seed, result


@contextlib.contextmanager
def kept_at_stop(kept: KeptReturns | None) -> Iterator[None]:
    """Write what was found if the block is stopped."""
    try:
        yield
    except Stopped:
        if kept is not None:
            kept.save()
        raise
