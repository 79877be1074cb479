"""What temperature does to the dream of a controller: its look, its length, its dream score."""

from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, read_json
from reverie.controllers.controller import MEND, Controller, load_controller
from reverie.controllers.footage import dream_footage
from reverie.dreams.options import DreamOptions
from reverie.mixtures.world_model import WorldModel
from reverie.reports.scores import summary

TEMPERATURES = (0.1, 0.5, 1.0, 1.15, 1.3, 1.5)  # the five of arXiv 1803.10122, and one more


def open_controller(path: Path, world_model: WorldModel) -> tuple[Controller, np.ndarray]:
    """Load a controller that was evolved in this world model.

    Raises:
        InputError: the file cannot be used, or the controller was evolved with another network.
    """
    controller, parameters, header = load_controller(Path(path))
    sizes = (controller.latent_size, controller.units, controller.action_size)
    rnn = world_model.rnn
    if sizes != (rnn.latent_size, rnn.units, rnn.action_size):
        raise InputError(
            f"{path}: a controller for {header.rnn_weights}, not for {world_model.name}; name "
            "the networks that it was evolved with"
        )
    return controller, parameters


def dream_scores(
    world_model: WorldModel,
    agent: tuple[Controller, np.ndarray],
    count: int,
    seed: int = 0,
    temperatures: tuple[float, ...] = TEMPERATURES,
    steps: int = 2100,
) -> dict[str, dict]:
    """Return by temperature how long a controller lives in its dreams, see `scores.summary`."""
    controller, parameters = agent
    result = {}
    for temperature in temperatures:
        dream = world_model.dream(DreamOptions(temperature, steps))
        _, lengths = dream.controlled(controller, parameters[None], count, seed)
        result[f"{temperature:g}"] = summary(lengths[0], steps)
    return result


def filmed(
    world_model: WorldModel,
    agent: tuple[Controller, np.ndarray],
    seed: int = 0,
    temperatures: tuple[float, ...] = TEMPERATURES,
    steps: int = 2100,
) -> dict[str, np.ndarray]:
    """Film one dream of a controller at each temperature, from the same first frame."""
    dreams = {t: world_model.dream(DreamOptions(t, steps)) for t in temperatures}
    return {
        f"{temperature:g}": dream_footage(dream, world_model.vae, *agent, seed, longest=steps)
        for temperature, dream in dreams.items()
    }


def game_score(path: Path) -> dict:
    """Return the summary of the controller's score in the game, as stage 5 wrote it.

    Raises:
        InputError: the file is missing or something else.
    """
    try:
        return read_json(Path(path), MEND, "scores")["scores"]["game"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: no scores of stage 5 ({error}); {MEND}") from error
