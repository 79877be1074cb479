"""A population's dreams in one compiled loop against one dream at a time and against gymnasium."""

from collections.abc import Callable

import numpy as np

from benchmarks.rows import Row, alternate, compare, seconds
from benchmarks.workplace import GAME, OPTIONS, Workplace
from reverie.backend import compiled
from reverie.controllers.controller import Controller
from reverie.dreams.dream import Dream
from reverie.dreams.options import DreamOptions
from reverie.games import game_class
from reverie.games.actions import describe_space
from reverie.headers import WeightsHeader
from reverie.latents.storage import Latents
from reverie.runs import RNN_WEIGHTS
from reverie.training.weights import save_weights

ROLLOUTS = 16
Rate = Callable[[int], float]  # takes the number of the round, returns dream steps a second


def measure(place: Workplace) -> list[Row]:
    """Measure dream steps a second at the sizes of stage 5."""
    rnn = place.rnn()
    first = Latents(place.latents()).first_frames()
    bias = game_class(GAME).controller_bias
    controller = Controller("zh", rnn.latent_size, rnn.units, rnn.action_size, bias)
    rng = np.random.default_rng(0)
    population = rng.normal(0.0, 0.1, (place.size(64, 4), controller.size)).astype(np.float32)
    dream = Dream(rnn, *first, DreamOptions(time_steps=OPTIONS["time_steps"]))
    rounds = place.size(2, 1)
    together = _together(dream, controller, population)
    singly = _singly(dream, controller, population[:1], place.size(300, 20))
    gym = _gymnasium(place, rnn, first, controller, population, place.size(30, 5))
    what = f"dreaming, {len(population)} controllers x {ROLLOUTS}"
    ours, one, many = alternate(rounds, together, singly, gym)
    return [
        compare(what, ours, one, "steps/s", "one dream at a time through a compiled step"),
        compare(what, ours, many, "steps/s", "as many dreams in `DreamVectorEnv`"),
    ]


def _together(dream, controller: Controller, population: np.ndarray) -> Rate:
    def rate(seed: int) -> float:
        lengths = []
        duration = seconds(
            lambda: lengths.append(
                dream.controlled(controller, population, ROLLOUTS, seed)[1].sum()
            )
        )
        return float(lengths[0]) / duration

    return rate


def _singly(dream, controller: Controller, parameters: np.ndarray, steps: int) -> Rate:
    """Act and step in one compiled function of one dream, its noise drawn ahead."""

    @compiled
    def step(state: dict, noise: dict) -> tuple:
        actions = controller.act(parameters, state["z"], state["h"], state["c"])
        return dream.step(state, actions, noise)

    def play(seed: int) -> None:
        zeros = np.zeros((1, dream.rnn.units), np.float32)
        state = {"z": dream.first_latents(1, np.random.default_rng(seed)), "h": zeros, "c": zeros}
        noise = {k: np.asarray(v) for k, v in dream.noise((steps, 1), seed, 0).items()}
        for index in range(steps):
            state, _, end = step(state, {k: values[index] for k, values in noise.items()})
            bool(end)  # a caller has to look whether the dream is over

    return lambda seed: steps / seconds(lambda: play(seed))


def _gymnasium(
    place: Workplace, rnn, first: tuple, controller: Controller, population: np.ndarray, steps: int
) -> Rate:
    """Step all dreams of the population through the vector environment."""
    from reverie.dreams.environment import DreamVectorEnv

    path = place.folder / "dreams" / RNN_WEIGHTS
    arrays = dict(zip(("first_mu", "first_logvar"), first))
    header = WeightsHeader(GAME, action_space=describe_space(game_class(GAME).action_space))
    save_weights(path, rnn, header, arrays)
    parameters = np.repeat(population, ROLLOUTS, axis=0)
    environment = DreamVectorEnv(path, len(parameters), controller.features)
    size = rnn.latent_size

    @compiled
    def act(seen: np.ndarray) -> np.ndarray:
        return controller.act(parameters, seen[:, :size], seen[:, size:], None)

    def play(seed: int) -> None:
        seen, _ = environment.reset(seed=seed)
        for _ in range(steps):
            seen = environment.step(np.asarray(act(seen)))[0]

    return lambda seed: steps * len(parameters) / seconds(lambda: play(seed))
