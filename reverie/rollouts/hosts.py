"""What plays a game inside a worker: step by step from outside, or whole episodes at once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from reverie.games import make_game
from reverie.rollouts.policies import OPEN_LOOP, chooser, open_loop_actions
from reverie.rollouts.storage import EpisodeBuilder, write_episode

Result = tuple[int, float]  # length and return of an episode


class GameHost:
    """A game inside a worker.

    Args:
        game: the game's name.
        options: what its class takes.
    """

    def __init__(self, game: str, options: dict) -> None:
        self.game = make_game(game, **options)
        self.time_steps = options["time_steps"]

    def reset(self, seed: int, path: Path | None = None) -> np.ndarray:
        """Start an episode, recorded to `path` if there is one; return the first frame."""
        observation, self.info = self.game.reset(seed=seed)
        self.path = path
        self.builder = EpisodeBuilder(seed, observation, self.info) if path else None
        return observation

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        """Play one step; return frame, reward and whether the episode is over."""
        observation, reward, terminated, truncated, self.info = self.game.step(action)
        done = terminated or truncated
        if self.builder is not None:
            self.builder.add(action, observation, reward, terminated, truncated, self.info)
            if done:
                write_episode(self.path, self.builder.build())
        return observation, reward, done

    def play(self, seed: int, policy: str, path: Path | None = None) -> Result:
        """Play a whole episode with a policy by name."""
        if self.game.play_through and policy in OPEN_LOOP:
            return self._play_through(seed, policy, path)
        frame = self.reset(seed, path)
        choose = self._chooser(policy, seed)
        steps, total, done = 0, 0.0, False
        while not done:
            frame, reward, done = self.step(choose(steps, frame, self.info))
            steps, total = steps + 1, total + reward
        return steps, total

    def _play_through(self, seed: int, policy: str, path: Path | None) -> Result:
        actions = open_loop_actions(policy, seed, self.time_steps, self.game.action_space)
        episode = self.game.play_through(seed, actions)
        if path:
            write_episode(path, episode)
        return len(episode.rewards), float(episode.rewards.sum(dtype=float))

    def _chooser(self, policy: str, seed: int) -> Callable:
        """Return a function `(step, frame, info) -> action` for an episode."""
        if policy in self.game.policies:
            player = self.game.player(policy, np.random.default_rng([seed, 1]))
            return lambda _step, _frame, info: player.act(info)
        choose = chooser(policy, seed, self.time_steps, self.game.action_space)
        return lambda step, frame, _info: choose(step, frame)

    def play_many(self, jobs: list[tuple[int, Path]], policy: str) -> list[Result]:
        """Record whole episodes of a game that is played many at a time in one batch.

        Args:
            jobs: seed and file of each.
            policy: a policy by name.

        Returns:
            Of each its length and return.
        """
        batch = self.game.batch(min(len(jobs), self.game.at_once))
        waiting = iter(range(len(jobs)))
        results: list[Result] = [(0, 0.0)] * len(jobs)
        running: dict[int, tuple[int, EpisodeBuilder, Callable]] = {}
        coming: dict[int, int] = {}

        def expect(slot: int) -> None:
            job = next(waiting, None)
            if job is not None:
                coming[slot] = job
                batch.queue(slot, jobs[job][0])

        def begin(slot: int, frame: np.ndarray, info: dict) -> None:
            job = coming.pop(slot)
            seed = jobs[job][0]
            running[slot] = job, EpisodeBuilder(seed, frame, info), self._chooser(policy, seed)
            expect(slot)

        for slot in range(batch.count):
            expect(slot)
        while running or coming:
            actions = {
                slot: choose(len(builder.steps), builder.observations[-1], builder.infos[-1])
                for slot, (_, builder, choose) in running.items()
            }
            for slot, step in batch.step(actions):
                job, builder, _ = running[slot]
                builder.add(actions[slot], *step)
                if step[2] or step[3]:  # terminated or truncated
                    del running[slot]
                    write_episode(jobs[job][1], builder.build())
                    results[job] = (
                        len(builder.steps),
                        sum(reward for _, reward, *_ in builder.steps),
                    )
            for slot in set(coming) - set(running):
                if slot in batch.fresh:
                    begin(slot, *batch.fresh[slot])
        return results
