"""Clones scored in an ordinary game, beside one action and random play on the same seeds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reverie.cloning.agents import Clone, ClonedAgents
from reverie.cloning.measures import CLONE, COMMONEST
from reverie.reports.scores import summary
from reverie.rollouts.lockstep import play_in_lockstep
from reverie.rollouts.policies import episode_seeds
from reverie.rollouts.workers import GameWorkers
from reverie.stage import progress, stop_signal

RANDOM = "held_random"


class ConstantAgents:
    """Agents that always do the same.

    Args:
        clone: whose commonest action that is.
        count: agents.
    """

    def __init__(self, clone: Clone, count: int) -> None:
        commonest = np.argmax(clone.header.notes["counts"])
        self._actions = clone.classes.actions(np.full(count, commonest))

    def begin(self, agent: int, seed: int) -> None:
        """There is nothing to begin with."""

    def act(self, frames: np.ndarray) -> np.ndarray:
        """Return the action for each agent."""
        return self._actions


def play(
    workers: GameWorkers,
    agents: ClonedAgents | ConstantAgents,
    jobs: list[tuple[int, Path | None]],
    longest: int | None = None,
) -> Iterator[tuple[int, int, float]]:
    """Play episodes, a game to each agent.

    Args:
        workers: as many as there are agents.
        agents: the players.
        jobs: seed of each episode, and where it is recorded.
        longest: steps after which an episode is left.

    Yields:
        Number of the job, length of its episode, return.
    """

    def begin(agent: int, job: int) -> None:
        agents.begin(agent, jobs[job][0])

    yield from play_in_lockstep(workers, jobs, begin, agents.act, longest)


def score(
    clone: Clone, workers: GameWorkers, episodes: int, seed: int, temperature: float
) -> dict[str, dict]:
    """Score a clone in its game.

    Args:
        clone: the player.
        workers: the game.
        episodes: how many.
        seed: of the run; no episode of a recording has their seeds.
        temperature: see `ClonedAgents`.

    Returns:
        Summaries of the returns of the clone, of the commonest action and of random play.
    """
    seeds = episode_seeds(seed, 0, episodes, "score")
    count = len(workers)
    players = {
        CLONE: ClonedAgents(clone, count, temperature),
        COMMONEST: ConstantAgents(clone, count),
    }
    results = {}
    with progress(total=3 * episodes, desc="game") as bar:
        for name, agents in players.items():
            totals = np.zeros(episodes)
            for job, _, total in play(workers, agents, [(s, None) for s in seeds]):
                totals[job] = total
                bar.update()
                stop_signal.check()
            results[name] = summary(totals)
        drawn = {}
        for (s, _), (_, total) in workers.map("play", [(s, RANDOM) for s in seeds]):
            drawn[s] = total
            bar.update()
            stop_signal.check()
        results["random play"] = summary(np.array([drawn[s] for s in seeds]))
    return results
