"""The networks of stage 6 on disk, each in the folder of its run."""

from pathlib import Path
from typing import TYPE_CHECKING

from reverie.headers import WeightsHeader, open_header
from reverie.networks import STAGE_6
from reverie.training.weights import load_network

if TYPE_CHECKING:
    import keras


def weights_path(folder: Path) -> Path:
    """Return the weights of a run by its folder."""
    return folder / f"{folder.name}.h5"


def load_run(folder: Path, network: str, train: str) -> tuple["keras.Model", WeightsHeader]:
    """Rebuild a network of stage 6 and return it with the header of its file.

    Args:
        folder: of its run.
        network: the name of its class.
        train: the command of stage 6 that trains it.

    Raises:
        InputError: the weights are missing, damaged or of another network.
    """
    path, mend = weights_path(folder), f"{STAGE_6} {train}"
    header = open_header(path, WeightsHeader, network=network, mend=mend)
    return load_network(path, network, mend=mend), header
