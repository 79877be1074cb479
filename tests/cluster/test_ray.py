"""Episodes played on a Ray cluster of several real nodes on this machine, some of them killed."""

import contextlib
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import record_flags
from helpers import assert_same_rollouts, command, run_stage

from reverie.artifacts import InputError, read_json_lines
from reverie.controllers.controller import load_controller
from reverie.rollouts.shares import Evaluator, Shares
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CONTROLLER, METRICS
from reverie.stage import EXIT_REQUEUE, Stopped
from slurm import wait_until

cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.timeout(1500)  # on a machine that others use as well
GAME, OPTIONS = "doomrnn", {"difficulty": 4, "time_steps": 60}
JOBS = [(seed, "held_random") for seed in range(16)]
SMALL = {"object_store_memory": 80_000_000}


class Nodes:
    """A head without processors, and nodes that come and go."""

    def __init__(self):
        head = {"num_cpus": 0, "include_dashboard": False, **SMALL}
        self.cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        self.nodes = []

    @property
    def address(self):
        return self.cluster.address

    def have(self, count, cores=1):
        """Have so many nodes of so many cores, and no others."""
        while self.nodes:
            self.lose()
        self.nodes = [self.cluster.add_node(num_cpus=cores, **SMALL) for _ in range(count)]
        self.cluster.wait_for_nodes(timeout=120)

    def lose(self):
        """Kill all processes of a node."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def nodes():
    nodes = Nodes()
    yield nodes
    nodes.cluster.shutdown()


@pytest.fixture(scope="module")
def expected():
    with GameWorkers(GAME, OPTIONS, 2) as workers:
        return dict(workers.map("play", JOBS))


def shares_of(nodes):
    return Shares(nodes.address, Evaluator, (GAME, OPTIONS), 1)


def evaluators():
    """Return the processes of evaluators."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().startswith(b"ray::Evaluator"):
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("lost", ["nothing", "an evaluator", "a node"])
def test_what_is_lost_is_played_again_with_the_same_result(nodes, expected, lost, capsys):
    nodes.have(2)
    found = {}
    with shares_of(nodes) as shares:
        assert len(shares) == 2
        for job, answer in shares.map("play", JOBS):
            assert job not in found
            found[job] = answer
            if len(found) == 1 and lost == "an evaluator":
                os.kill(evaluators()[0], signal.SIGKILL)
            elif len(found) == 1 and lost == "a node":
                nodes.lose()
                wait_until(lambda: len(evaluators()) == 1, "the end of its evaluator")
    assert found == expected
    assert ("an evaluator was lost" in capsys.readouterr().out) == (lost != "nothing")


def test_nobody_left(nodes):
    nodes.have(1)
    with shares_of(nodes) as shares:
        answers = shares.map("play", JOBS * 8)
        next(answers)
        nodes.lose()
        with pytest.raises(Stopped, match="no evaluator is left"):
            list(answers)


def test_no_cluster_and_no_room(nodes):
    with pytest.raises(InputError, match=r"127.0.0.1:1: no Ray cluster there"):
        Shares("127.0.0.1:1", Evaluator, (GAME, OPTIONS), 1)
    nodes.have(1)
    with pytest.raises(InputError, match="--workers 2: no node of the Ray cluster"):
        Shares(nodes.address, Evaluator, (GAME, OPTIONS), 2)


@pytest.mark.parametrize("address", [None, "local"])
def test_a_recording_on_the_cluster_equals_one_here(nodes, run, tmp_path, address):
    nodes.have(2, cores=2)
    flags = [*record_flags(tmp_path), *engine(nodes)]
    result = run_stage("01_generate_data.py", *flags, *(["--ray_address", address] * bool(address)))
    assert result.returncode == 0, result.stderr
    for name in ("doomrnn_0.h5", "doomrnn_1.h5"):
        assert_same_rollouts(run.rollouts / name, tmp_path / name)


def engine(nodes):
    return ["--engine", "ray", "--ray_address", nodes.address]


def search(run, folder, *flags):
    numbers = "--train_in game --population 4 --rollouts 4 --generations 2 --eval_every 9"
    numbers += " --eval_episodes 2 --workers 2 --time_steps 60"
    networks = ["--vae_weights", run.vae_weights, "--rnn_weights", run.rnn_weights]
    line = ["05_train_controller.py", GAME, *shlex.split(numbers), *networks]
    return [*line, "--output_folder", folder, *flags]


def test_a_search_on_the_cluster_equals_one_here(nodes, run, tmp_path):
    nodes.have(2, cores=2)
    here, there = tmp_path / "here", tmp_path / "there"
    result = run_stage(*search(run, here))
    assert result.returncode == 0, result.stderr
    line = command(*search(run, there, *engine(nodes)))
    output = tmp_path / "output.txt"
    with open(output, "w") as file:
        stage = subprocess.Popen(line, stdout=file, stderr=file)
    sign = "generation 1:"
    wait_until(lambda: sign in output.read_text() or stage.poll() is not None, sign)
    nodes.lose()
    nodes.lose()
    assert stage.wait(600) == EXIT_REQUEUE, output.read_text()
    assert "no evaluator is left; the same command continues" in output.read_text()
    nodes.have(1, cores=2)
    result = run_stage(*search(run, there, *engine(nodes)))
    assert result.returncode == 0, result.stderr
    ours, theirs = (load_controller(folder / CONTROLLER)[1] for folder in (here, there))
    assert (ours == theirs).all()
    rows = [read_json_lines(folder / METRICS, "") for folder in (here, there)]
    ours, theirs = ([(row["mean"], row["best"]) for row in part] for part in rows)
    assert ours == theirs
