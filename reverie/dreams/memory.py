"""The MDN-RNN on disk: read its header, load it."""

from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.training.weights import load_weights, read_header

if TYPE_CHECKING:
    from reverie.models.mdn_rnn import MDNRNN

MEND = "train one with: python 04_train_rnn.py"


def read_rnn_header(path: Path, game: str | None = None) -> tuple[dict, dict]:
    """Read configuration and notes of an MDN-RNN's weights without TensorFlow.

    Raises:
        InputError: not an MDN-RNN, or one of another game.
    """
    config, notes = read_header(path, "MDNRNN", MEND)
    if game is not None and notes["game"] != game:
        raise InputError(f"{path}: an MDN-RNN of {notes['game']!r}, not of {game!r}; {MEND}")
    return config, notes


def load_rnn(path: Path) -> "MDNRNN":
    """Rebuild a trained MDN-RNN from its weights file."""
    config, _ = read_rnn_header(path)
    start_backend()
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(**config)
    load_weights(path, rnn)
    return rnn


def load_first_frames(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return `mu` and `logvar` `(E, Z)` float32 of the first frames of the recorded episodes."""
    with h5py.File(path, "r") as file:
        return tuple(file[f"arrays/first_{key}"][:].astype(np.float32) for key in ("mu", "logvar"))
