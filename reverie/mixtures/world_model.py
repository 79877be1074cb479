"""A VAE and an MDN-RNN that belong together."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError
from reverie.headers import Recorded, WeightsHeader, open_networks
from reverie.latents.storage import load_first_frames
from reverie.rollouts.policies import blind_policy
from reverie.runs import RNN_WEIGHTS
from reverie.training.weights import load_network

if TYPE_CHECKING:
    from reverie.models.mdn_rnn import MDNRNN
    from reverie.models.vae import VAE

GAME = "doomrnn"  # situations and events are TakeCover's


@dataclass(frozen=True)
class World:
    """What dreams and what shows the dream.

    Attributes:
        name: of the MDN-RNN, for tables.
        vae: decodes latents.
        rnn: trained on that VAE's latents.
        first_frames: `mu` and `logvar` `(E, Z)` of the recorded episodes' first frames.
        policies: of those that do not look, how each recorded episode was played, `held_random`
            for the others; a dream is played as the episode that it begins with.
    """

    name: str
    vae: "VAE"
    rnn: "MDNRNN"
    first_frames: tuple[np.ndarray, np.ndarray]
    policies: tuple[str, ...]


def check_world(vae_weights: Path, rnn_weights: Path, joint: bool = True) -> WeightsHeader:
    """Check without TensorFlow that two networks belong together; return the MDN-RNN's header.

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


def load_world(vae_weights: Path, rnn_weights: Path, joint: bool = True) -> World:
    """Load two networks that belong together, see `check_world`."""
    vae_weights, rnn_weights = Path(vae_weights), Path(rnn_weights)
    recorded = check_world(vae_weights, rnn_weights, joint).recorded or Recorded()
    first_frames = load_first_frames(rnn_weights)
    policies = map(recorded.policy_of, range(len(first_frames[0])))
    return World(
        name=world_name(rnn_weights),
        vae=load_network(vae_weights, "VAE"),
        rnn=load_network(rnn_weights, "MDNRNN"),
        first_frames=first_frames,
        policies=tuple(map(blind_policy, policies)),
    )


def world_name(rnn_weights: Path) -> str:
    """Return the name of a run: its folder's, or the file's where weights lie by themselves."""
    path = Path(rnn_weights)
    return path.resolve().parent.name if path.name == RNN_WEIGHTS else path.stem
