"""What is played: the game, its networks and its actions, for all sessions of a server."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.games.actions import ActionCode
from reverie.games.game import Game
from reverie.play.keys import KeyMap, key_map
from reverie.play.messages import Knobs
from reverie.rollouts.policies import LOOKING, OPEN_LOOP

if TYPE_CHECKING:
    from reverie.play.dreamer import Dreamer

PERSON, CONTROLLER, CLONE = "person", "controller", "clone"
FPS = 30  # steps a second of a dream whose game is not known here


@dataclass(frozen=True)
class Setting:
    """What all sessions of a server have in common.

    Attributes:
        name: of the game.
        game: its class; None where the game cannot be played here and only the dream is.
        options: that the game is made with.
        code: its actions.
        dreamer: the networks; None where only the game is played.
        knobs: how the dream goes on before anybody turns one.
        record_folder: where recordings go.
        time_steps: longest episode.
        clone: begins an episode of a seed, and returns what chooses by its step and frame; None
            without a clone.
    """

    name: str
    game: type[Game] | None
    options: dict
    code: ActionCode
    dreamer: "Dreamer | None"
    knobs: Knobs
    record_folder: Path
    time_steps: int
    clone: Callable[[int], Callable] | None = None

    @property
    def views(self) -> tuple[str, ...]:
        """What can be shown."""
        if self.game and self.dreamer:
            return ("both", "game", "dream")
        return ("game",) if self.game else ("dream",)

    @property
    def players(self) -> tuple[str, ...]:
        """Who can play."""
        controller = (CONTROLLER,) if self.dreamer and self.dreamer.controller else ()
        clone = (CLONE,) if self.clone else ()
        own = self.game.policies if self.game else ()
        return (PERSON, *controller, *clone, *own, *OPEN_LOOP, *LOOKING)

    @property
    def keys(self) -> KeyMap:
        """The keys of the game."""
        names, idle = (self.game.action_names, self.game.idle) if self.game else ((), ())
        return key_map(self.code, names, idle)

    @property
    def fps(self) -> int:
        """Steps a second at speed 1."""
        return self.game.fps if self.game else FPS

    def about(self) -> dict:
        """Return what a page must know to show itself."""
        dreamer = self.dreamer
        return {
            "game": self.name,
            "fps": self.fps,
            "views": self.views,
            "players": self.players,
            "keys": [{"label": b.label, "keys": b.keys} for b in self.keys.bindings],
            "components": dreamer.components if dreamer else 0,
            "joint": bool(dreamer and dreamer.joint),
            "statements": dreamer.statements if dreamer else [],
            "records": str(self.record_folder) if self.game else None,
        }
