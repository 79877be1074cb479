"""The linear controller of the article: an action from latent and LSTM state."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, InputError, require_file
from reverie.games.actions import ActionCode, describe_space
from reverie.hdf5 import atomic_hdf5

FEATURES = ("z", "zh", "zhc")
MEND = "evolve one with: python 05_train_controller.py"


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
        return self.latent_size + self.units * (len(self.features) - 1) + int(self.bias)

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
        from keras import ops

        parts = [latents, hidden, cell][: len(self.features)]
        if self.bias:
            parts.append(ops.ones_like(latents[:, :1]))
        seen = ops.concatenate(parts, axis=-1)
        weights = ops.reshape(parameters, (-1, self.inputs, self.action_size))
        return self.code.choose(ops.tanh(ops.sum(seen[:, :, None] * weights, axis=1)))


def save_controller(
    path: Path, controller: Controller, parameters: np.ndarray, notes: dict
) -> None:
    """Write a controller as HDF5, atomically; `notes` say which networks it belongs to."""
    with atomic_hdf5(path) as file:
        shape = asdict(controller) | {"actions": describe_space(controller.code.space)}
        file.attrs["controller"] = json.dumps(shape)
        file.attrs["notes"] = json.dumps(notes)
        file["parameters"] = np.asarray(parameters, np.float32)


def load_controller(path: Path) -> tuple[Controller, np.ndarray, dict]:
    """Read a controller, its parameters `(P,)` and its notes.

    Networks that the notes name without a folder lie beside the controller.

    Raises:
        InputError: the file is missing, damaged or something else.
    """
    require_file(path, "controller", MEND)
    try:
        with h5py.File(path, "r") as file:
            shape = json.loads(file.attrs["controller"])
            if shape.get("actions"):
                shape["actions"] = ActionCode.from_description(shape["actions"])
            controller = Controller(**shape)
            parameters, notes = file["parameters"][:], json.loads(file.attrs["notes"])
    except UNREADABLE as error:
        raise InputError(f"{path}: damaged, or no controller ({error}); {MEND}") from error
    for name in {"vae_weights", "rnn_weights"} & notes.keys():
        notes[name] = str(path.parent.resolve() / notes[name])
    if parameters.shape != (controller.size,) or not np.isfinite(parameters).all():
        raise InputError(f"{path}: its parameters are damaged; {MEND}")
    return controller, parameters, notes
