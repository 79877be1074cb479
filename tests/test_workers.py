"""Workers whose processes are killed in the middle of an episode: the data are the same."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import odd
import pytest
from helpers import assert_same_rollouts, load_script

from reverie.artifacts import InputError
from reverie.rollouts.lockstep import play_in_lockstep
from reverie.rollouts.policies import open_loop_actions
from reverie.rollouts.workers import LOST, REPLAYS, GameWorkers

GAME, OPTIONS = "odd:Mortal-v0", {"time_steps": 30}
PROCGEN = {"num_levels": 0, "start_level": 0, "distribution_mode": "easy", "time_steps": 60}
SEEDS = [3, 4, 5]


@pytest.fixture
def deaths(tmp_path, monkeypatch):
    """Return a function that says how often the game's process dies."""
    path = tmp_path / "deaths"
    path.write_text("")
    monkeypatch.setenv(odd.DEATHS, str(path))

    def die(count):
        path.write_text("x" * count)

    die.left = lambda: len(path.read_text())
    return die


def recorded(workers, folder):
    """Record an episode of every seed with `play`; return their lengths and returns."""
    jobs = [(seed, "held_random", folder / f"{seed}.h5") for seed in SEEDS]
    return {seed: result for (seed, *_), result in workers.map("play", jobs)}


@pytest.mark.parametrize("game", [GAME, "odd:Greedy-v0"])
def test_an_episode_whose_process_dies_is_played_again(game, tmp_path, deaths, capsys):
    with GameWorkers(game, OPTIONS, 2) as workers:
        assert len(workers) == 2
        expected = recorded(workers, tmp_path / "undisturbed")
        deaths(REPLAYS)
        assert recorded(workers, tmp_path / "killed") == expected
    assert deaths.left() == 0
    for seed in SEEDS:
        path = f"{seed}.h5"
        assert_same_rollouts(tmp_path / "undisturbed" / path, tmp_path / "killed" / path)
    fate = "ran out of memory" if "Greedy" in game else r"was killed by SIGKILL (out of memory?)"
    assert capsys.readouterr().out.count(f"the game's process {fate}; it is played again") == 3


def test_an_episode_that_always_kills_its_process_stops_the_stage(tmp_path, deaths, capsys):
    deaths(10)
    flags = [GAME, "--store_folder", tmp_path, "--total_episodes", 1, "--workers", 1]
    assert load_script("01_generate_data.py").main([str(flag) for flag in flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {GAME}, seed ")
    assert "the game's process was killed by SIGKILL (out of memory?), 4 times" in line
    assert deaths.left() == 10 - 1 - REPLAYS


class Players:
    """Agents that repeat the actions of a policy; each counts its own steps."""

    def __init__(self, count, seeds):
        space = odd.Base.action_space
        self.actions = [open_loop_actions("fresh_random", seed, 40, space) for seed in seeds]
        self.jobs, self.steps, self.begun = [0] * count, [0] * count, []

    def begin(self, worker, job):
        self.jobs[worker], self.steps[worker] = job, 0
        self.begun.append(job)

    def act(self, frames):
        assert frames.shape == (len(self.jobs), 64, 64, 3)
        actions = [self.actions[job][min(step, 39)] for job, step in zip(self.jobs, self.steps)]
        self.steps = [step + 1 for step in self.steps]
        return np.array(actions)


def in_lockstep(workers, folder):
    players = Players(len(workers), SEEDS)
    jobs = [(seed, folder / f"{seed}.h5") for seed in SEEDS]
    return players, sorted(play_in_lockstep(workers, jobs, players.begin, players.act))


def test_in_lockstep_the_episode_and_its_agent_begin_again(tmp_path, deaths):
    with GameWorkers(GAME, OPTIONS, 2) as workers:
        players, expected = in_lockstep(workers, tmp_path / "undisturbed")
        assert players.begun == [0, 1, 2]
        assert [length for _, length, _ in expected] == [30, 30, 30]
        deaths(2)
        players, results = in_lockstep(workers, tmp_path / "killed")
        assert results == expected
        assert sorted(players.begun) != [0, 1, 2]
        assert len(players.begun) == 5
        deaths(10)
        with pytest.raises(InputError, match=r"seed . *: the game's process was killed by SIGKILL"):
            in_lockstep(workers, tmp_path / "always")
    for seed in SEEDS:
        path = f"{seed}.h5"
        assert_same_rollouts(tmp_path / "undisturbed" / path, tmp_path / "killed" / path)


def test_an_episode_is_left_after_the_longest(deaths):
    with GameWorkers(GAME, OPTIONS, 2) as workers:
        players = Players(2, SEEDS)
        jobs = [(seed, None) for seed in SEEDS]
        played = list(play_in_lockstep(workers, jobs, players.begin, players.act, longest=7))
    assert [length for _, length, _ in played] == [7, 7, 7]


def test_a_lost_answer_says_so(deaths):
    with GameWorkers(GAME, OPTIONS, 1) as workers:
        (process,) = multiprocessing.active_children()
        assert workers.ask({0: ("reset", 3)})[0].shape == (64, 64, 3)
        os.kill(process.pid, signal.SIGKILL)
        assert workers.ask({0: ("step", 1)})[0] is LOST
        assert workers.ask({0: ("reset", 3)})[0].shape == (64, 64, 3)


def kill_when(sign, process):
    while not sign():
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)


def test_many_that_one_process_plays_are_all_played_again(tmp_path):
    folders = tmp_path / "undisturbed", tmp_path / "killed"
    jobs = [[(seed, folder / f"{seed}.h5") for seed in range(20)] for folder in folders]
    with GameWorkers("bigfish", PROCGEN, 1) as workers:
        (process,) = multiprocessing.active_children()
        ((_, expected),) = workers.map("play_many", [(jobs[0], "held_random")])
        killer = threading.Thread(
            target=kill_when, args=(lambda: list(folders[1].glob("[0-9]*.h5")), process)
        )
        killer.start()
        ((_, results),) = workers.map("play_many", [(jobs[1], "held_random")])
        killer.join()
        assert multiprocessing.active_children()[0].pid != process.pid
    assert results == expected
    for _, path in jobs[0]:
        assert_same_rollouts(path, folders[1] / path.name)


def play_until_the_end(workers):
    with contextlib.suppress(OSError, InputError):
        list(workers.map("play", [(seed, "held_random") for seed in range(len(workers))]))


def test_workers_end_together(monkeypatch):
    monkeypatch.setattr("reverie.rollouts.workers.GRACE", 1.0)
    with GameWorkers("odd:Sleeper-v0", OPTIONS, 4) as workers:
        processes = multiprocessing.active_children()
        workers.ask({worker: ("reset", worker) for worker in range(4)})
        threading.Thread(target=play_until_the_end, args=(workers,)).start()
        time.sleep(0.5)
        start = time.monotonic()
    assert time.monotonic() - start < 3  # the grace of one, not of four
    assert not any(process.is_alive() for process in processes)
