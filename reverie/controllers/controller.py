"""The linear controller of the article: an action from latent and LSTM state."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reverie.artifacts import Refusal
from reverie.dreams.features import FEATURES, feature_count, join_features
from reverie.games.actions import ActionCode, describe_space
from reverie.hdf5 import atomic_hdf5, open_hdf5
from reverie.headers import ControllerHeader, open_header, write_header
from reverie.lineage import name_networks

MEND = ControllerHeader.mend


@dataclass(frozen=True)
class Controller:
    """The shape of a controller `tanh(W [z, h, c] + b)`, after arXiv 1803.10122.

    Of the outputs for a discrete number the largest is chosen.

    Attributes:
        features: `z`, `zh` or `zhc`.
        latent_size: Z.
        units: LSTM units H.
        action_size: numbers in the code of an action A.
        bias: whether there is a `b`; the article has one for CarRacing and none for Doom.
        actions: how they are coded; numbers in [-1, 1] by default.
    """

    features: str
    latent_size: int
    units: int
    action_size: int
    bias: bool = False
    actions: ActionCode | None = None

    @property
    def code(self) -> ActionCode:
        """How outputs become codes, and codes actions."""
        ones = (1.0,) * self.action_size
        return self.actions or ActionCode(
            self.action_size, low=tuple(-one for one in ones), high=ones
        )

    @property
    def inputs(self) -> int:
        """Numbers that the controller sees."""
        return feature_count(self.features, self.latent_size, self.units) + int(self.bias)

    @property
    def size(self) -> int:
        """Parameters P: 867 for the article's CarRacing, 1,088 for its Doom."""
        return self.inputs * self.action_size

    def act(self, parameters: Any, latents: Any, hidden: Any, cell: Any) -> Any:
        """Choose actions, as codes, each row by a controller of its own.

        Args:
            parameters: `(B, P)`.
            latents: `(B, Z)`.
            hidden: `(B, H)`.
            cell: `(B, H)`.

        Returns:
            `(B, A)`: numbers in [-1, 1], or one-hot.
        """
        return self.code.choose(self.outputs(parameters, latents, hidden, cell))

    def outputs(self, parameters: Any, latents: Any, hidden: Any, cell: Any) -> Any:
        """Return what actions are chosen by, `(B, A)` in [-1, 1]; arguments as of `act`."""
        from keras import ops

        seen = join_features(self.features, latents, hidden, cell, ops.concatenate)
        if self.bias:
            seen = ops.concatenate([seen, ops.ones_like(latents[:, :1])], axis=-1)
        weights = ops.reshape(parameters, (-1, self.inputs, self.action_size))
        return ops.tanh(ops.sum(seen[:, :, None] * weights, axis=1))


def save_controller(
    path: Path,
    controller: Controller,
    parameters: np.ndarray,
    header: ControllerHeader,
    networks: tuple[Path, Path] | None = None,
) -> None:
    """Write a controller as HDF5, atomically.

    Args:
        path: the file.
        controller: its shape.
        parameters: `(P,)`.
        header: what the file says of itself; the shape is filled in.
        networks: weights of VAE and MDN-RNN; they are named as seen from the file's folder and by
            their hashes, so that a run can be moved.
    """
    shape = asdict(controller) | {"actions": describe_space(controller.code.space)}
    header = replace(header, controller=shape)
    if networks is not None:
        header = name_networks(header, path, *networks)
    with atomic_hdf5(path) as file:
        write_header(file, header)
        file["parameters"] = np.asarray(parameters, np.float32)


def load_controller(
    path: Path, game: str | None = None
) -> tuple[Controller, np.ndarray, ControllerHeader]:
    """Read a controller, its parameters `(P,)` and its header.

    Args:
        path: the file.
        game: which it should play.

    Raises:
        InputError: the file is missing, damaged, of another game or something else.
    """
    header = open_header(path, ControllerHeader, game=game)
    shape = dict(header.controller)
    if shape.get("actions"):
        shape["actions"] = ActionCode.from_description(shape["actions"])
    controller = Controller(**shape)
    with open_hdf5(path, ControllerHeader.title, MEND) as file:
        parameters = file["parameters"][:]
        sound = parameters.shape == (controller.size,) and np.isfinite(parameters).all()
    if controller.features not in FEATURES or not sound:
        Refusal(path, MEND)("its parameters are damaged, or not of its shape")
    return controller, parameters, header
