"""Stage 1's workers, writing and merging included, against a loop around the bare engine."""

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import vizdoom

from benchmarks.rows import Row, alternate, compare, seconds
from benchmarks.workplace import GAME, OPTIONS, POLICY, Workplace, recorder
from reverie.cores import usable_cores
from reverie.games import game_class
from reverie.rollouts.policies import episode_seeds, open_loop_actions
from reverie.rollouts.workers import GameWorkers

BUTTONS = ([1, 0], [0, 0], [0, 1])
bare: dict[str, vizdoom.DoomGame] = {}  # the engine of a process of the reference


def measure(place: Workplace) -> list[Row]:
    """Measure steps a second of a worker, alone and with one worker a core."""
    rates = {count: _rates(place, count) for count in sorted({1, usable_cores()})}
    rows = [
        compare(
            f"recording, {count} worker{'s' * (count > 1)}",
            *(rate / count for rate in pair),
            "steps/s per worker",
            "bare ViZDoom loop that renders the same and keeps nothing; goal 0.8",
        )
        for count, pair in rates.items()
    ]
    if usable_cores() > 1:
        ours, reference = (rates[usable_cores()][i] / rates[1][i] for i in range(2))
        what = f"recording, from 1 worker to {usable_cores()}"
        rows.append(compare(what, ours, reference, "times faster", "bare ViZDoom loop"))
    return rows


def _rates(place: Workplace, count: int) -> tuple[float, float]:
    """Return steps a second of all workers together, ours and bare."""
    episodes = place.size(12, 2) * count
    folder = place.folder / "recording"
    played: dict[str, int] = {}
    pool = ProcessPoolExecutor(count, get_context("spawn"), _start_bare)
    with GameWorkers(GAME, OPTIONS, count) as workers, pool:

        def ours(index: int) -> float:
            record = recorder(folder)
            duration = seconds(lambda: record.record(workers, index, index * episodes, episodes))
            shutil.rmtree(folder)
            played["ours"] = record.steps
            return record.steps / duration

        def reference(index: int) -> float:
            seeds = episode_seeds(0, index * episodes, episodes)
            duration = seconds(lambda: played.update(bare=sum(pool.map(_play_bare, seeds))))
            if played["bare"] != played["ours"]:
                raise RuntimeError(f"not the same episodes were played: {played}")
            return played["bare"] / duration

        return alternate(place.size(5, 1), ours, reference)


def _start_bare() -> None:
    game = vizdoom.DoomGame()
    game.load_config(os.path.join(vizdoom.scenarios_path, "take_cover.cfg"))
    game.set_doom_config_path(os.devnull)
    game.set_screen_resolution(vizdoom.ScreenResolution.RES_160X120)
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_render_hud(True)
    game.set_labels_buffer_enabled(True)
    game.set_available_game_variables([vizdoom.GameVariable.HEALTH])
    game.set_doom_skill(OPTIONS["difficulty"])
    game.set_episode_timeout(0)
    game.set_window_visible(False)
    game.set_mode(vizdoom.Mode.PLAYER)
    game.init()
    bare["game"] = game


def _play_bare(seed: int) -> int:
    """Play the episode that a worker records under the same seed; return its length."""
    game, space = bare["game"], game_class(GAME).action_space
    actions = open_loop_actions(POLICY, seed, OPTIONS["time_steps"], space)[:, 0]
    moves = (1 + (actions > 1 / 3).astype(int) - (actions < -1 / 3).astype(int)).tolist()
    game.set_seed(seed)
    game.new_episode()
    steps = 0
    while steps < len(moves) and not game.is_episode_finished():
        game.get_state()
        game.make_action(BUTTONS[moves[steps]])
        steps += 1
    return steps
