"""Balanced recordings: equal shares of episodes that show each kind of thing, by exact truth.

Every second episode shows none of the classes of a `Balance`, the others show one class each, in
turn. An episode shows a class if all of its frames do. Games are played until the places are
filled, and given up in the step in which they are of no more use, so that rare things cost little.

Places are filled in groups that depend on nothing but the seed and the number of the group: neither
the workers nor the size of a batch change the data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reverie.artifacts import InputError
from reverie.games.episode import Episode
from reverie.games.game import Balance, Game
from reverie.rollouts.storage import EpisodeBuilder, write_episode

ROUNDS = 5  # episodes of each class in a group
GAMES = "balance"  # purpose of the seeds
NONE = "frame without all of them"


@dataclass(frozen=True)
class Wanted:
    """A balanced recording.

    Attributes:
        balance: name among the balances of the game.
        steps: of an episode.
        patience: frames that are looked at for the next episode before the search is given up.
    """

    balance: str
    steps: int
    patience: int = 50_000


def group_size(balance: Balance) -> int:
    """Return how many episodes are looked for together."""
    return 2 * len(balance.classes) * ROUNDS


def wanted_class(balance: Balance, place: int) -> int:
    """Return the number of the class that an episode shows, by its number in the recording.

    Returns:
        A number of `balance.classes`; for none of them their count.
    """
    count = len(balance.classes)
    return count if place % 2 == 0 else place // 2 % count


def game_steps(balance: Balance, steps: int) -> int:
    """Return how many steps of a game are played to find episodes of so many."""
    return balance.search or steps


@dataclass
class Piece:
    """Frames in a row that may become an episode.

    Attributes:
        builder: collects them.
        first_step: of the game at which they begin.
        shown: which classes, and last whether none of them, all frames so far show.
    """

    builder: EpisodeBuilder
    first_step: int
    shown: np.ndarray


@dataclass
class Played:
    """A game that is searched.

    Attributes:
        seed: of the game.
        choose: its player, `(step, frame, info) -> action`.
        frame: the last one.
        info: its ground truth.
        steps: so far.
        piece: what is collected, if anything.
    """

    seed: int
    choose: Callable
    frame: np.ndarray
    info: dict
    steps: int = 0
    piece: Piece | None = None


@dataclass
class Places:
    """The places of a group that are not filled, by the class that they want."""

    open: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def of_group(cls, balance: Balance, group: int) -> "Places":
        """Return all places of a group."""
        places, size = cls(), group_size(balance)
        for place in range(group * size, (group + 1) * size):
            places.open.setdefault(wanted_class(balance, place), []).append(place)
        return places

    def wanted(self, shown: np.ndarray) -> list[int]:
        """Return the classes that are shown and wanted."""
        return [number for number, places in self.open.items() if places and shown[number]]

    def take(self, shown: np.ndarray) -> int:
        """Return the place of an episode: of its classes the one that most places want."""
        number = max(self.wanted(shown), key=lambda number: len(self.open[number]))
        return self.open[number].pop(0)


class Search:
    """Plays games until the places of a group are filled.

    Args:
        batch: games that are played together, see `reverie.games.procgen.Batch`.
        game: their class.
        name: of the game, for messages.
        wanted: the recording.
        choosers: `seed -> (step, frame, info) -> action`.
    """

    def __init__(
        self, batch: Any, game: type[Game], name: str, wanted: Wanted, choosers: Callable
    ) -> None:
        self.batch, self.game, self.name, self.options = batch, game, name, wanted
        self.choosers, self.balance = choosers, game.balances[wanted.balance]
        self._columns = [list(game.objects).index(each) for each in self.balance.classes]
        self._limit = game_steps(self.balance, wanted.steps)

    def fill(self, seed: int, group: int, paths: dict[int, Path]) -> list[int]:
        """Find the episodes of a group and write those that are asked for.

        Args:
            seed: of the recording.
            group: its number.
            paths: file of each place that is asked for.

        Returns:
            The lengths of the episodes written.

        Raises:
            InputError: a class does not come.
        """
        places, missing, lengths = Places.of_group(self.balance, group), set(paths), []
        looked = 0
        for place, episode, frames in self._episodes(seed, group, places):
            looked += frames
            if place in missing:
                write_episode(paths[place], episode)
                missing.remove(place)
                lengths.append(len(episode.rewards))
            if not missing:
                break
            if place >= 0:
                looked = 0
            elif looked > self.options.patience:
                raise self._failure(places)
        return lengths

    def _failure(self, places: Places) -> InputError:
        names = (*self.balance.classes, NONE)
        missing = " and no ".join(names[number] for number, free in places.open.items() if free)
        return InputError(
            f"--balance {self.options.balance}: no {missing} in {self.options.patience:,} more "
            f"frames of {self.name}; play it otherwise (--policy, --time_steps, options of the "
            "game), or raise --balance_frames"
        )

    def _episodes(
        self, seed: int, group: int, places: Places
    ) -> Iterator[tuple[int, Episode | None, int]]:
        """Yield place, episode and the frames looked at; place -1 where nothing was found."""
        seeds, coming = _game_seeds(seed, group), {}
        playing: dict[int, Played] = {}
        for slot in range(self.batch.count):
            coming[slot] = next(seeds)
            self.batch.queue(slot, coming[slot])
        while True:
            actions = {slot: each.choose(each) for slot, each in playing.items()}
            for slot, step in self.batch.step(actions):
                played = playing[slot]
                yield from self._add(played, actions[slot], step, places)
                if step[2] or step[3] or self._is_over(played):
                    del playing[slot]
            for slot, (frame, info) in self.batch.fresh.items():
                played = Played(coming[slot], self._player_of(coming[slot]), frame, info)
                self._begin(played, places)
                if not self._is_over(played):
                    playing[slot] = played
                coming[slot] = next(seeds)
                self.batch.queue(slot, coming[slot])
            yield -1, None, len(self.batch.fresh)

    def _player_of(self, seed: int) -> Callable[[Played], Any]:
        choose = self.choosers(seed)
        return lambda played: choose(played.steps, played.frame, played.info)

    def _is_over(self, played: Played) -> bool:
        """Tell whether a game is of no more use."""
        return played.steps >= self._limit or (not self.balance.search and played.piece is None)

    def _begin(self, played: Played, places: Places) -> None:
        """Begin a piece with the last frame if it shows what is wanted."""
        shown = self._shown(played.info)
        if places.wanted(shown):
            builder = EpisodeBuilder(played.seed, played.frame, played.info)
            played.piece = Piece(builder, played.steps, shown)

    def _add(
        self, played: Played, action: Any, step: tuple, places: Places
    ) -> Iterator[tuple[int, Episode | None, int]]:
        """Add a step to the piece of a game, or begin one; yield what it became."""
        played.frame, played.info = step[0], step[-1]
        played.steps += 1
        piece = played.piece
        if piece is None:
            self._begin(played, places)
        else:
            piece.builder.add(action, *step)
            piece.shown = piece.shown & self._shown(played.info)
            if not places.wanted(piece.shown):
                played.piece = None
                if self.balance.search:
                    self._begin(played, places)
            elif len(piece.builder.steps) == self.options.steps:
                played.piece = None
                place = places.take(piece.shown)
                yield place, _cut(piece, place), 0
        yield -1, None, 1

    def _shown(self, info: dict) -> np.ndarray:
        pixels = self.game.pixels_in_view(info[self.game.truth][None])[0, self._columns]
        shown = pixels >= self.game.visible
        return np.append(shown, not shown.any())


def _game_seeds(seed: int, group: int) -> Iterator[int]:
    """Yield the seeds of the games that are searched for a group."""
    rng = np.random.default_rng([seed, group, *map(ord, GAMES)])
    while True:
        yield int(rng.integers(2**31))


def _cut(piece: Piece, place: int) -> Episode:
    """Return a piece as an episode whose time was up."""
    episode = piece.builder.build()
    episode.truncations[-1] = not episode.terminations[-1]
    episode.notes = {"place": place, "first_step": piece.first_step}
    return episode
