"""The pipeline on a real Slurm cluster, interrupted in the middle of its stages."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import ROOT, assert_same_rollouts

from reverie.artifacts import read_json_lines
from reverie.controllers.controller import load_controller
from reverie.latents.storage import Latents
from reverie.numbers import read_numbers
from reverie.runs import METRICS, SCORES, RunFolder
from reverie.stage import EXIT_REQUEUE
from slurm import Cluster, running_cluster, wait_until

pytestmark = pytest.mark.timeout(1500)  # on a machine that others use as well
GAME, NODES = "doomrnn", ("n1", "n2")
JOB_SCRIPT = ROOT / "slurm" / "stage.sbatch"
NUMBERS = {
    "record": {"total_episodes": 60, "batch_size": 30, "time_steps": 120, "workers": 1},
    "vae": {
        **{"epochs": 2, "latent_size": 8, "batch_size": 50, "max_batch": 0},
        "precision": "float32",
    },
    "rnn": {"units": 32, "epochs": 12, "batch_size": 16, "skip_ahead": 20},
    "controller": {
        **{"train_in": "dream", "population": 8, "rollouts": 8, "generations": 6},
        **{"eval_episodes": 2, "eval_every": 3, "workers": 2, "time_steps": 120},
    },
}
# One thread adds numbers in one order, so that two runs can be compared to the last digit.
SETUP = (
    f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
    "export TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1"
)


@pytest.fixture(scope="module")
def cluster():
    with running_cluster(NODES) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    path = tmp_path_factory.mktemp("numbers") / "numbers.json"
    path.write_text(json.dumps(NUMBERS))
    return path


@pytest.fixture(scope="module")
def reference(numbers, tmp_path_factory):
    """Run the same pipeline without a scheduler and without an interruption, in the background."""
    run, failures = tmp_path_factory.mktemp("reference") / "a run", []

    def work():
        for stage in read_numbers(numbers, GAME).pipeline.stages(run):
            line = f"{SETUP}; exec python {shlex.join(stage.command())}"
            result = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
            if result.returncode:
                failures.append(result.stdout + result.stderr)
                return

    worker = threading.Thread(target=work)
    worker.start()

    def finished() -> RunFolder:
        worker.join()
        assert not failures, failures[0]
        return RunFolder(run)

    yield finished
    worker.join()


def submit_pipeline(cluster: Cluster, run: Path, numbers: Path) -> dict[str, str]:
    """Submit a pipeline; return the numbers of its jobs."""
    profile = numbers.parent / "profile.sh"
    profile.write_text(f"SETUP={shlex.quote(SETUP)}\nCOMMON=(--cpus-per-task=2 --time=30)\n")
    result = subprocess.run(
        [ROOT / "slurm" / "pipeline.sh", GAME, run, "--numbers", numbers, "--profile", profile],
        env=cluster.environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    return {words[0].rstrip(":"): words[2].rstrip(",") for words in lines}


class Watch:
    """Interrupts a job of the chain where its output shows that it is in the middle.

    Args:
        cluster: where it runs.
        job: its number.
        output: file that it prints to.
    """

    def __init__(self, cluster: Cluster, job: str, output: Path) -> None:
        self.cluster, self.number, self.output = cluster, job, output

    def text(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    def starts(self) -> int:
        return sum(
            line.startswith("== ") and ", start " in line for line in self.text().splitlines()
        )

    def time_limit(self, sign) -> None:
        """Send what Slurm sends before the time limit, to the script alone."""
        self._interrupt(sign, "scancel", "--batch", "--signal=USR1", self.number)
        assert "saved, queued again" in self.text()

    def preemption(self, sign) -> None:
        """Queue the job again, as a job of higher priority makes Slurm do."""
        self._interrupt(sign, "scontrol", "requeue", self.number)

    def _interrupt(self, sign, *command: str) -> None:
        wait_until(lambda: sign() or self.ended(), f"a sign of work of {self.output.name}")
        assert not self.ended(), f"ended before it was interrupted: {self.text()}"
        before = self.starts()
        self.cluster.ask(*command)
        wait_until(lambda: self.starts() > before, f"another start of {self.output.name}")

    def ended(self) -> bool:
        return self.cluster.job(self.number)["JobState"] in ("COMPLETED", "FAILED", "TIMEOUT")


def episodes_in(folder: Path, batch: int) -> int:
    return len(list(folder.glob(f".doomrnn_{batch}.parts/0*.h5")))


def rows(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_an_interrupted_pipeline_equals_one_that_is_not(cluster, reference, numbers, tmp_path):
    run = RunFolder(tmp_path / "a run")
    jobs = submit_pipeline(cluster, run.root, numbers)
    output = run.root / "slurm"

    def parts():
        return episodes_in(run.rollouts, 1)

    record = Watch(cluster, f"{jobs['record']}_1", output / "record-1.out")
    record.time_limit(lambda: parts() > 2)
    before = parts()
    assert before > 2
    record.preemption(lambda: parts() > before)

    vae = Watch(cluster, jobs["vae"], output / "vae.out")
    vae.time_limit(lambda: "parameters" in vae.text())
    vae.preemption(lambda: rows(run.vae / METRICS) == 1)

    rnn = Watch(cluster, jobs["rnn"], output / "rnn.out")
    rnn.time_limit(lambda: rows(run.rnn / METRICS) > 2)
    before = rows(run.rnn / METRICS)
    rnn.preemption(lambda: rows(run.rnn / METRICS) > before)

    search = Watch(cluster, jobs["controller"], output / "controller.out")
    search.time_limit(lambda: rows(run.search / METRICS) > 0)
    before = rows(run.search / METRICS)
    search.preemption(lambda: rows(run.search / METRICS) > before)

    wait_until(search.ended, "the end of the chain")
    for name, number in jobs.items():
        assert set(cluster.states(number)) == {"COMPLETED"}, name
    assert_same_runs(reference(), run)


def assert_same_runs(one: RunFolder, other: RunFolder) -> None:
    for name in ("doomrnn_0.h5", "doomrnn_1.h5"):
        assert_same_rollouts(one.rollouts / name, other.rollouts / name)
    assert not list(other.rollouts.glob(".*.parts"))
    for name in ("vae_weights", "rnn_weights"):
        assert_same_weights(getattr(one, name), getattr(other, name))
    ours, theirs = Latents(one.latents).arrays, Latents(other.latents).arrays
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
    np.testing.assert_array_equal(
        load_controller(one.controller)[1], load_controller(other.controller)[1]
    )
    for name in ("vae", "rnn", "search"):
        ours, theirs = (getattr(run, name) for run in (one, other))
        assert numbers_of(ours / METRICS) == numbers_of(theirs / METRICS)
        scores = [json.loads((folder / SCORES).read_text()) for folder in (ours, theirs)]
        assert without_seconds(scores[0]) == without_seconds(scores[1])


def numbers_of(path: Path) -> list[dict]:
    return [without_seconds(row) for row in read_json_lines(path, "run the test again")]


def without_seconds(row: dict) -> dict:
    return {name: value for name, value in row.items() if name != "seconds"}


def assert_same_weights(one: Path, other: Path) -> None:
    with h5py.File(one) as ours, h5py.File(other) as theirs:
        names = []
        ours["weights"].visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        assert names
        for name in names:
            np.testing.assert_array_equal(
                ours["weights"][name][()], theirs["weights"][name][()], err_msg=name
            )


def test_a_job_is_queued_again_so_often_and_no_more(cluster, tmp_path):
    command = [sys.executable, "-c", "raise SystemExit(75)"]
    output = tmp_path / "job.out"
    job = cluster.submit(f"--output={output}", "--export=ALL,REQUEUES=1", JOB_SCRIPT, *command)
    watch = Watch(cluster, job, output)
    wait_until(watch.ended, "the end of the job")
    assert cluster.job(job)["ExitCode"] == f"{EXIT_REQUEUE}:0"
    assert watch.starts() == 2
    assert "REQUEUES=1 allows no more" in watch.text()


def recording(cluster: Cluster, folder: Path, episodes: int, *flags: str, engine="local") -> Watch:
    """Submit a recording of one batch, by this engine."""
    output = folder / "job.out"
    line = ["doomrnn", "--total_episodes", episodes, "--batch_size", episodes, "--workers", 1]
    line += ["--time_steps", 120, "--store_folder", folder / "rollouts"]
    command = [sys.executable, ROOT / "01_generate_data.py", *line]
    if engine == "ray":
        path = f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
        command = ["env", path, ROOT / "slurm" / "ray.sh", *command, "--engine", engine]
    job = cluster.submit(*flags, f"--output={output}", f"--chdir={ROOT}", JOB_SCRIPT, *command)
    return Watch(cluster, job, output)


def test_slurm_itself_warns_before_the_time_limit(cluster, tmp_path):
    watch = recording(cluster, tmp_path, 10000, "--time=1")
    wait_until(lambda: "saved, queued again" in watch.text() or watch.ended(), "the warning")
    wait_until(lambda: cluster.job(watch.number)["JobState"] == "PENDING", "the job in the queue")
    cluster.ask("scancel", watch.number)
    assert "stopped by a signal; the same command continues" in watch.text()
    assert episodes_in(tmp_path / "rollouts", 0) > 0


def test_ray_plays_on_all_nodes_of_a_job(cluster, reference, tmp_path):
    nodes = ["--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2"]
    watch = recording(cluster, tmp_path, 30, *nodes, engine="ray")
    watch.time_limit(lambda: episodes_in(tmp_path / "rollouts", 0) > 2)
    wait_until(watch.ended, "the end of the recording")
    assert cluster.job(watch.number)["JobState"] == "COMPLETED", watch.text()
    assert watch.text().count("Ray: 4 evaluators on 2 nodes") == 2
    assert "stopped by a signal; the same command continues" in watch.text()
    assert_same_rollouts(reference().rollouts / "doomrnn_0.h5", tmp_path / "rollouts/doomrnn_0.h5")


def test_the_loss_of_a_node_costs_the_running_episode_alone(cluster, reference, tmp_path):
    watch, rollouts = recording(cluster, tmp_path, 30), tmp_path / "rollouts"
    wait_until(lambda: episodes_in(rollouts, 0) > 2 or watch.ended(), "some episodes")
    lost = cluster.job(watch.number)["NodeList"]
    cluster.lose_node(lost)
    kept = {path: path.stat().st_mtime_ns for path in rollouts.glob(".doomrnn_0.parts/0*.h5")}
    assert len(kept) > 2
    wait_until(lambda: watch.starts() == 2, "another start")
    assert cluster.job(watch.number)["NodeList"] != lost
    wait_until(watch.ended, "the end of the recording")
    recorded = re.search(r"recorded (\d+) episodes", watch.text())
    assert int(recorded[1]) <= 30 - len(kept)
    cluster.start_node(lost)
    wait_until(lambda: cluster.node_states() == {"idle"}, "both nodes")
    assert_same_rollouts(reference().rollouts / "doomrnn_0.h5", rollouts / "doomrnn_0.h5")
