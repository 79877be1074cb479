"""What codes cost: a step of an environment of `gym_autoencoder` beside the game's own."""

from pathlib import Path

import gymnasium
import numpy as np

import gym_autoencoder
from benchmarks.rows import Row, alternate, compare, seconds
from benchmarks.workplace import Workplace
from reverie.backend import start_backend
from reverie.games import make_game
from reverie.headers import WeightsHeader
from reverie.models.architectures import ARCHITECTURES
from reverie.training.weights import build_network, save_weights

GAMES = 16
GOAL = 10_000  # steps a second of so many games
ROUNDS = 5


def measure(place: Workplace) -> list[Row]:
    """Measure milliseconds a step of one game, and steps a second of sixteen.

    The weights are those before a training, which take as long.
    """
    start_backend()
    steps = place.size(500, 5)
    names = dict.fromkeys(gym_autoencoder.PUBLISHED.values()) | {"patch": None}
    weights = {name: _weights(place.folder, name) for name in names if name in ARCHITECTURES}
    rows = []
    for name, path in weights.items():
        rows += [_alone(name, path, steps), _together(name, path, steps)]
    return rows


def _weights(folder: Path, architecture: str) -> Path:
    path = folder / f"encoder_{architecture}.h5"
    config = {"architecture": architecture, "frame_shape": [64, 64, 3]}
    network = build_network("VAE", config | ARCHITECTURES[architecture].settings, seed=0)
    save_weights(path, network, WeightsHeader("heist", 1))
    return path


def _id(architecture: str) -> str:
    return next(name for name, known in gym_autoencoder.IDS.items() if known == architecture)


def _alone(architecture: str, path: Path, steps: int) -> Row:
    """Measure one game with codes and the same game without."""
    coded = gymnasium.make(_id(architecture), weights=path).unwrapped
    options = {"distribution_mode": "memory", "use_backgrounds": False, "with_truth": False}
    plain = make_game("heist", **options)
    ours, game = alternate(ROUNDS, *(_player(env, steps) for env in (coded, plain)))
    note = "the game without codes; goal 1 ms more"
    return compare(f"a step of heist seen by {architecture}", ours, game, "ms", note)


def _player(env: gymnasium.Env, steps: int):
    """Return what plays some steps and returns the milliseconds of each."""
    actions = np.random.default_rng(0).integers(15, size=steps)

    def play(_: int) -> float:
        env.reset(seed=0)
        return 1000.0 * seconds(lambda: [env.step(int(action)) for action in actions]) / steps

    return play


def _together(architecture: str, path: Path, steps: int) -> Row:
    """Measure sixteen games whose frames are encoded together."""
    envs = gymnasium.make_vec(_id(architecture), num_envs=GAMES, weights=path)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(15, size=(steps, GAMES))

    def play(_: int) -> float:
        return GAMES * steps / seconds(lambda: [envs.step(each) for each in actions])

    (ours,) = alternate(ROUNDS, play)
    return compare(f"{GAMES} games seen by {architecture}", ours, GOAL, "steps/s", "the goal")
