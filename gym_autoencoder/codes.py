"""Frames as codes: which weights, checked before anything starts, and the compiled network."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from reverie.artifacts import InputError
from reverie.backend import compiled
from reverie.games import game_class, game_family, make_game
from reverie.games.game import Game, frame_options, frame_shape
from reverie.headers import WeightsHeader, open_header
from reverie.lineage import check_frames
from reverie.reports.plots import as_bytes, tile
from reverie.runs import PRETRAINED
from reverie.training.weights import load_network

HEIST = {"distribution_mode": "memory", "use_backgrounds": False}  # what the weights that come know
SHIPPED = PRETRAINED / "encoders"
SCALE = 5  # of rendered pictures


@dataclass(frozen=True)
class Setting:
    """A game and an encoder that fit each other.

    Attributes:
        architecture: of the encoder.
        game: its name.
        weights: what stage 2 wrote; None for those that come with the package.
        options: what the game takes, such as `distribution_mode`, `num_levels` and `time_steps`.
    """

    architecture: str
    game: str = "heist"
    weights: Path | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def path(self) -> Path:
        """Return the file of the weights.

        Raises:
            InputError: none was named, and none comes with the package.
        """
        if self.weights is not None:
            return Path(self.weights)
        path = SHIPPED / f"{self.game}_{self.architecture}.h5"
        if not path.is_file():
            raise InputError(
                f"{self.game}: no {self.architecture} comes with the package; train one with "
                "02_train_vae.py and name it: weights=..."
            )
        return path

    def check(self) -> WeightsHeader:
        """Check the weights and return their header.

        Raises:
            InputError: they are of another game or architecture, or see other frames.
        """
        path, made_by = self.path(), self.game_class()
        header = open_header(
            path,
            WeightsHeader,
            network="VAE",
            game=self.game,
            preprocessing=made_by.preprocessing,
        )
        found = header.config.get("architecture", "patch")
        if found != self.architecture:
            raise InputError(
                f"{path}: its architecture is {found}, not {self.architecture}; name weights of "
                "that, or make the environment of this one"
            )
        shown = dict(self.options)
        if "frame_size" in shown:
            check_frames(self.game, frame_shape(shown), path, header)
        made_by.check_frames(self.game, header.frame_shape)
        return header

    def game_class(self) -> type[Game]:
        """Return the class of the game."""
        return game_class(self.game, dict(self.options))

    def game_options(self, header: WeightsHeader) -> dict:
        """Return the options of the game: those that were given, and what the encoder sees."""
        known = {flag.name: flag.default for flag in game_family(self.game).flags}
        known |= HEIST if self.game == "heist" else {}
        made_by = self.game_class()
        known |= made_by.scored_with | {"time_steps": made_by.time_steps}
        if made_by.at_once > 1:
            known["with_truth"] = False
        known |= frame_options(header.frame_shape) | dict(self.options)
        made_by.check(known)
        return known

    def start(self, header: WeightsHeader) -> gymnasium.Env:
        """Start one game."""
        return make_game(self.game, **self.game_options(header))


class Codes:
    """A network that encodes a fixed number of frames in one compiled call.

    It is loaded when it is first used, so that gymnasium can ask for spaces and fork afterwards.

    Args:
        path: its weights, checked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _network(self) -> Any:
        return load_network(self.path, "VAE")

    @cached_property
    def _encode(self) -> Any:
        encoder = self._network.encode
        return compiled(lambda frames: encoder(frames)[0])

    @cached_property
    def _decode(self) -> Any:
        return compiled(self._network.decode)

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Return the codes `(B, Z)` float32 of frames `(B, rows, columns, 3)` uint8."""
        return np.array(self._encode(frames))

    def pictures(self, frames: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
        """Return each frame beside its reconstruction, enlarged, uint8."""
        decoded = as_bytes(np.asarray(self._decode(codes)))
        return [tile([np.stack(pair)], SCALE) for pair in zip(frames, decoded)]
