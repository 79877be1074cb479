"""The networks of an analysis, checked without TensorFlow."""

from pathlib import Path

from reverie.artifacts import InputError
from reverie.headers import WeightsHeader
from reverie.lineage import open_networks
from reverie.runs import RNN_WEIGHTS

GAME = "doomrnn"  # situations and events are TakeCover's


def check_networks(vae_weights: Path, rnn_weights: Path, joint: bool = True) -> WeightsHeader:
    """Check that two networks belong together; return the MDN-RNN's header.

    Args:
        vae_weights: what stage 2 wrote.
        rnn_weights: what stage 4 wrote.
        joint: insist on mixture components that span the whole frame.

    Raises:
        InputError: a file cannot be used, the two do not belong together, or the mixture is per
            dimension: its components are no scenarios of the frame.
    """
    _, header = open_networks(vae_weights, rnn_weights, game=GAME)
    if joint and header.config.get("mixture", "joint") != "joint":
        raise InputError(
            f"{rnn_weights}: its mixture is per dimension, so no component stands for a frame; "
            "train one with: python 04_train_rnn.py --mixture joint"
        )
    return header


def network_name(rnn_weights: Path) -> str:
    """Return the name of a run: its folder's, or the file's where weights lie by themselves."""
    path = Path(rnn_weights)
    return path.resolve().parent.name if path.name == RNN_WEIGHTS else path.stem
