"""Environments whose observations are codes: `gymnasium.make("gym_autoencoder:auto-unpool-v0")`.

Importing the package makes them known to gymnasium, and to the old gym. It starts neither a game
nor TensorFlow.
"""

import gymnasium

from reverie.games.game import import_gym
from reverie.models.architectures import ARCHITECTURES

PUBLISHED = {  # ids of ProcgenAutoencoder and the architectures behind them
    "auto-unpool": "conv_unpool",
    "auto-maxpool": "conv_maxpool",
    "auto-maxpool-big": "conv_maxpool_big",
    "auto-no-bottleneck": "conv_no_bottleneck",
    "vae-alex": "vae_alex",
    "vae-paper": "vae_paper",
}
OTHERS = {name.replace("_", "-"): name for name in ARCHITECTURES if name not in PUBLISHED.values()}
IDS = {  # id of an environment -> architecture of its encoder
    **{f"{name}-v0": architecture for name, architecture in (PUBLISHED | OTHERS).items()},
    **{f"heist-{name}-v0": architecture for name, architecture in PUBLISHED.items()},
}


def register() -> None:
    """Make the environments known."""
    old = import_gym()
    for name, architecture in IDS.items():
        settings = {"kwargs": {"architecture": architecture}}
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point="gym_autoencoder.environment:EncodedEnv",
                vector_entry_point="gym_autoencoder.vector:EncodedVectorEnv",
                **settings,
            )
        if name not in old.envs.registry:
            old.register(name, entry_point="gym_autoencoder.old_gym:OldEncodedEnv", **settings)


register()
