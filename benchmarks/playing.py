"""Recording of every other game, writing and merging included, against a bare loop around it."""

import shutil
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from benchmarks.rows import Row, alternate, compare, seconds
from benchmarks.workplace import Workplace
from reverie.games import GAMES, game_class
from reverie.games.atari import SETTINGS
from reverie.rollouts.players import named_player
from reverie.rollouts.recording import Recorder
from reverie.rollouts.workers import GameWorkers

POLICY = "held_random"
LEVELS = {"num_levels": 0, "start_level": 0, "distribution_mode": "easy"}
PROCGEN = [name for name, family in GAMES.items() if family.module == "procgen"]
NOTE = "bare loop around the package's own environment"


def measure(place: Workplace) -> list[Row]:
    """Measure steps a second of one process."""
    from reverie.games.crafter import crafter

    game_class("enduro")  # makes Atari known to gymnasium
    rows = [
        _single(place, "carracing", {"renderer": "fast"}, gymnasium.make("CarRacing-v3")),
        _single(place, "crafter", {}, crafter.Env()),
        _single(place, "enduro", {}, gymnasium.make("ALE/Enduro-v5", **SETTINGS)),
        _single(place, "CarRacing-v3", {}, gymnasium.make("CarRacing-v3")),
    ]
    rows += [_procgen(place, [name]) for name in ("heist", "chaser", "coinrun")]
    return [*rows, _procgen(place, PROCGEN[: place.size(16, 2)])]


def _single(place: Workplace, name: str, options: dict, env: Any) -> Row:
    """Compare a game that a process plays one at a time; `env` is the package's own."""
    episodes, steps = place.size(4, 1), place.size(300, 20)
    space = game_class(name).action_space

    def bare(_: int) -> float:
        actions = [space.sample() for _ in range(episodes * steps)]
        return len(actions) / seconds(lambda: _loop(env, actions))

    rates = _rates(place, name, options | {"time_steps": steps}, episodes, bare)
    return compare(f"recording {name}", *rates, "steps/s", NOTE)


def _loop(env: Any, actions: list) -> None:
    """Play in gymnasium's interface, or in gym's older one, which has one flag where it has two."""
    env.reset()
    for action in actions:
        if any(env.step(action)[2:-1]):
            env.reset()


def _procgen(place: Workplace, names: list[str]) -> Row:
    """Compare games that a process plays many at a time, by the time of all of them."""
    count = game_class(names[0]).at_once
    pairs = np.array([_procgen_rates(place, name, count) for name in names])
    what = names[0] if len(names) == 1 else f"Procgen's {len(names)} games"
    rates = 1.0 / (1.0 / pairs).mean(axis=0)
    return compare(f"recording {what}", *rates.tolist(), "steps/s", f"{NOTE}, {count} at a time")


def _procgen_rates(place: Workplace, name: str, count: int) -> tuple[float, ...]:
    from reverie.games.procgen import ProcgenGym3Env

    steps = place.size(300, 20)
    engine = ProcgenGym3Env(count, name, num_threads=0, distribution_mode="easy")
    actions = np.random.default_rng(0).integers(15, size=(steps, count), dtype=np.int32)

    def play() -> None:
        for row in actions:
            engine.act(row)
            engine.observe()

    options = LEVELS | {"time_steps": steps}
    return _rates(place, name, options, 2 * count, lambda _: actions.size / seconds(play))


def _rates(
    place: Workplace, name: str, options: dict, episodes: int, bare: Callable[[int], float]
) -> tuple[float, ...]:
    """Return steps a second that one worker records, and those of a bare loop."""
    folder = place.folder / "playing"
    player = named_player(POLICY, game_class(name).at_once)
    with GameWorkers(name, options, 1) as workers:

        def ours(index: int) -> float:
            recorder = Recorder(folder, name, player, POLICY, 0, options)
            recorder.record(workers, index, index * episodes, episodes)
            shutil.rmtree(folder)
            return recorder.steps / recorder.seconds

        return alternate(place.size(3, 1), ours, bare)
