"""The games by name; each family is one file beside this one."""

import difflib
import importlib

import gymnasium

from reverie.artifacts import InputError

GAMES = {"doomrnn": "reverie.games.doom:TakeCover"}


def game_class(name: str) -> type[gymnasium.Env]:
    """Return the environment class of a game.

    Every game shows frames `(64, 64, 3)` uint8, and its `info` holds the ground truth of the frame
    under the same keys at every step. `action_levels` says into how many equal parts it sorts each
    number of an action, 0 if it does not.

    Raises:
        InputError: no game has that name.
    """
    if name not in GAMES:
        near = difflib.get_close_matches(name, GAMES, n=3, cutoff=0.3) or sorted(GAMES)
        raise InputError(f"unknown game {name!r}; did you mean {' or '.join(near)}?")
    module, attribute = GAMES[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def make_game(name: str, **options: object) -> gymnasium.Env:
    """Start a game by name with the options its class takes."""
    return game_class(name)(**options)
