"""A VAE and an MDN-RNN that belong together."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError
from reverie.controllers.agents import check_same_vae
from reverie.dreams.memory import load_first_frames, load_rnn, read_rnn_header
from reverie.latents.encoding import load_vae, read_vae_header
from reverie.rollouts.policies import OPEN_LOOP
from reverie.runs import RNN_WEIGHTS

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
        policy: how the recorded episodes were played; dreams are played so too.
    """

    name: str
    vae: "VAE"
    rnn: "MDNRNN"
    first_frames: tuple[np.ndarray, np.ndarray]
    policy: str


def check_world(vae_weights: Path, rnn_weights: Path, joint: bool = True) -> tuple[dict, dict]:
    """Check without TensorFlow that two networks belong together; return the MDN-RNN's header.

    Args:
        vae_weights: what stage 2 wrote.
        rnn_weights: what stage 4 wrote.
        joint: insist on mixture components that span the whole frame.

    Raises:
        InputError: a file cannot be used, the two do not belong together, or the mixture is per
            dimension: its components are no scenarios of the frame.
    """
    read_vae_header(vae_weights, GAME)
    config, notes = read_rnn_header(rnn_weights, GAME)
    check_same_vae(rnn_weights, notes, vae_weights)
    if joint and config["mixture"] != "joint":
        raise InputError(
            f"{rnn_weights}: its mixture is per dimension, so no component stands for a frame; "
            "train one with: python 04_train_rnn.py --mixture joint"
        )
    return config, notes


def load_world(vae_weights: Path, rnn_weights: Path, joint: bool = True) -> World:
    """Load two networks that belong together, see `check_world`."""
    vae_weights, rnn_weights = Path(vae_weights), Path(rnn_weights)
    _, notes = check_world(vae_weights, rnn_weights, joint)
    policy = notes.get("recorded", {}).get("policy")
    return World(
        name=world_name(rnn_weights),
        vae=load_vae(vae_weights),
        rnn=load_rnn(rnn_weights),
        first_frames=load_first_frames(rnn_weights),
        policy=policy if policy in OPEN_LOOP else "held_random",
    )


def world_name(rnn_weights: Path) -> str:
    """Return the name of a run: its folder's, or the file's where weights lie by themselves."""
    path = Path(rnn_weights)
    return path.resolve().parent.name if path.name == RNN_WEIGHTS else path.stem
