"""What a worker's process does: play its game step by step, or whole episodes at once."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reverie.games import make_game
from reverie.games.separate import Separate
from reverie.rollouts.balance import Search, Wanted
from reverie.rollouts.episode_writer import EpisodeWriter
from reverie.rollouts.policies import chooser, is_blind, open_loop_actions, played_by
from reverie.rollouts.storage import write_episode

Result = tuple[int, float]  # length and return of an episode


class GameProcess:
    """A game in a process of its own.

    Args:
        game: the game's name.
        options: what its class takes.
    """

    def __init__(self, game: str, options: dict) -> None:
        self.name, self.game = game, make_game(game, **options)
        self.time_steps = options["time_steps"]

    def reset(self, seed: int, path: Path | None = None) -> np.ndarray:
        """Start an episode, recorded to `path` if there is one; return the first frame."""
        observation, self.info = self.game.reset(seed=seed)
        self._writer = EpisodeWriter(path, seed, observation, self.info) if path else None
        self._seed, self._players = seed, {}
        return observation

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        """Play one step; return frame, reward, and whether the game or the time ended the episode.

        They are `terminated` and `truncated` of gymnasium.
        """
        observation, reward, terminated, truncated, self.info = self.game.step(action)
        if self._writer is not None:
            self._writer.add(action, observation, reward, terminated, truncated, self.info)
        return observation, reward, terminated, truncated

    def replay(self, seed: int, actions: list, path: Path | None = None) -> np.ndarray:
        """Start an episode and play given actions; return the last frame."""
        frame = self.reset(seed, path)
        for action in actions:
            frame, *_ = self.step(action)
        return frame

    def suggest(self, policy: str) -> np.ndarray:
        """Return what one of the game's own policies would do now, from its ground truth."""
        if policy not in self._players:
            self._players[policy] = self.game.player(policy, np.random.default_rng([self._seed, 1]))
        return self._players[policy].act(self.info)

    def cut(self) -> None:
        """Finish the record of the episode as if its time were up; what follows is not recorded."""
        self._writer.cut()
        self._writer = None

    def play(self, seed: int, policy: str, path: Path | None = None) -> Result:
        """Play a whole episode with a policy by name."""
        policy = played_by(policy, seed)
        if self.game.play_through and is_blind(policy):
            return self._play_through(seed, policy, path)
        frame = self.reset(seed, path)
        choose = self._chooser(policy, seed)
        steps, total, done = 0, 0.0, False
        while not done:
            frame, reward, *ends = self.step(choose(steps, frame, self.info))
            steps, total, done = steps + 1, total + reward, any(ends)
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

    def find(
        self, seed: int, group: int, paths: dict[int, Path], policy: str, wanted: Wanted
    ) -> list[int]:
        """Play until the places of a group of a balanced recording are filled, see `Search`."""
        game = self.game
        batch = game.batch(game.at_once) if game.at_once > 1 else Separate([game])

        def chooser_of(seed: int) -> Callable:
            return self._chooser(played_by(policy, seed), seed)

        return Search(batch, type(game), self.name, wanted, chooser_of).fill(seed, group, paths)

    def play_many(self, jobs: list[tuple[int, Path]], policy: str) -> list[Result]:
        """Record whole episodes of a game that is played many at a time in one batch.

        Args:
            jobs: seed and file of each.
            policy: a policy by name.

        Returns:
            Of each its length and return.
        """
        batch = self.game.batch(min(len(jobs), self.game.at_once))
        waiting = deque(enumerate(jobs))
        results: list[Result] = [(0, 0.0)] * len(jobs)
        running: dict[int, tuple[int, EpisodeWriter, Callable]] = {}
        coming: dict[int, tuple[int, tuple[int, Path]]] = {}

        def expect(slot: int) -> None:
            if waiting:
                coming[slot] = waiting.popleft()
                batch.queue(slot, coming[slot][1][0])

        def begin(slot: int, frame: np.ndarray, info: dict) -> None:
            number, (seed, path) = coming.pop(slot)
            writer = EpisodeWriter(path, seed, frame, info)
            running[slot] = number, writer, self._chooser(played_by(policy, seed), seed)
            expect(slot)

        for slot in range(batch.count):
            expect(slot)
        while running or coming:
            actions = {
                slot: choose(writer.length, writer.observation, writer.info)
                for slot, (_, writer, choose) in running.items()
            }
            for slot, step in batch.step(actions):
                number, writer, _ = running[slot]
                writer.add(actions[slot], *step)
                _, reward, terminated, truncated, _ = step
                results[number] = writer.length, results[number][1] + reward
                if terminated or truncated:
                    del running[slot]
            for slot in set(coming) - set(running):
                if slot in batch.fresh:
                    begin(slot, *batch.fresh[slot])
        return results
