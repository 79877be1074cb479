"""Rounds: their commands as data, and a run of two that is killed and goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SEED, TINY
from helpers import ROOT, copy_run, load_script

from reverie.headers import ControllerHeader, LatentsHeader, WeightsHeader, open_header
from reverie.numbers import NUMBERS, read_numbers
from reverie.quickstart import PIPELINE
from reverie.rounds import Rounds, describe
from reverie.runs import LATENTS

FOLDER = Path("a folder")
LATER = {"record": {"total_episodes": 12}, "play": {"total_episodes": 2}, "rnn": {"epochs": 1}}
PIPELINES = {
    "make run": PIPELINE,
    "full": read_numbers(NUMBERS, "doomrnn").pipeline,
    "kept VAE": replace(TINY, rounds=LATER),
    "trained VAE": replace(TINY, rounds={**LATER, "vae": {"epochs": 1}}),
}


@pytest.fixture(params=PIPELINES)
def rounds(request):
    return Rounds(PIPELINES[request.param], FOLDER, SEED)


def flags_of(stage):
    return vars(load_script(stage.script).parse_args(stage.command()[1:]))


def test_a_round_reads_what_was_written_before(rounds):
    written = set()
    for number in (1, 2, 3):
        for stage in (*rounds.stages(number), *rounds.control_stages(number)):
            args = flags_of(stage)
            paths = {Path(v) for v in stage.flags.values() if isinstance(v, Path)}
            assert all(path.is_relative_to(FOLDER) for path in paths)
            assert all(str(args[name]) == str(value) for name, value in stage.flags.items())
            assert set(stage.inputs) <= written
            written |= set(stage.outputs)


def test_episodes_and_files_of_rounds_are_their_own(rounds):
    stages = [s for n in (1, 2, 3) for s in (*rounds.stages(n), *rounds.control_stages(n))]
    records = [stage for stage in stages if stage.script.startswith("01")]
    assert len(records) == 5
    batches = [
        flags_of(record.share(n))["start_batch"] for record in records for n in range(record.shares)
    ]
    assert batches == list(range(len(batches)))
    assert {record.flags["batch_size"] for record in records} == {records[0].flags["batch_size"]}
    outputs = [path for stage in stages if stage not in records for path in stage.outputs]
    assert len(set(outputs)) == len(outputs)
    encodes = [stage for stage in stages if stage.script.startswith("03")]
    ends = [sum(r.shares for r in records[: 2 * n + 1]) - 1 for n in range(3)]
    assert [flags_of(stage)["max_batch"] for stage in encodes] == ends


def test_a_control_differs_by_its_data_alone(rounds):
    for number in (2, 3):
        pairs = zip(rounds.stages(number)[-2:], rounds.control_stages(number))
        for stage, control in pairs:
            ours, theirs = flags_of(stage), flags_of(control)
            differing = {name for name in ours if ours[name] != theirs[name]}
            assert all(isinstance(ours[name], Path) for name in differing)
        first = rounds.folder(1).latents
        assert rounds.control_stages(number)[0].flags["training_data_file"] == first
        assert flags_of(rounds.control_stages(number)[1])["seed"] == SEED + number - 1


@pytest.mark.parametrize("trained", [False, True])
def test_a_controller_goes_on_where_its_vae_stays(trained):
    rounds = Rounds(PIPELINES["trained VAE" if trained else "kept VAE"], FOLDER)
    search = flags_of(rounds.stages(3)[-1])
    assert (search["initial_controller"] is None) == trained
    number = 3 if trained else 1
    assert search["vae_weights"] == rounds.folder(number).vae_weights
    assert flags_of(rounds.stages(3)[0])["policy"] == "mix"


def row(number, multiple, **scores):
    score = {"mean": 100.0, "std": 30.0, "episodes": 9, "interval": [80.0, 120.0], "median": 99.0}
    row = {"round": number, "free_running": multiple, "dream": score, "game": score}
    return row | {"free_running_interval": [0.5, 2.0]} | scores


@pytest.mark.parametrize(
    ("last", "now", "worse"),
    [(0.8, 0.6, True), (0.8, 1.3, True), (0.8, 1.1, False), (None, 0.6, True), (0.6, None, False)],
)
def test_a_worse_dream_is_said(last, now, worse):
    lines = describe(row(2, now), row(1, last))
    assert any("worse than that of the last round" in line for line in lines) == worse


@pytest.fixture(scope="module")
def killed(run, tmp_path_factory):
    """Go on from a run of all stages with a second round that is killed on its way."""
    folder, numbers = tmp_path_factory.mktemp("rounds") / "of doom", "numbers.json"
    copy_run(run.root, folder)
    values = {name: getattr(TINY, name) for name in ("record", "vae", "rnn", "controller", "rules")}
    numbers = folder.parent / numbers
    numbers.write_text(
        json.dumps({**values, "rounds": {**LATER, "controller": {"generations": 1}}})
    )
    command = [sys.executable, "-m", "reverie.rounds", "doomrnn", "--rounds", "2"]
    command += ["--folder", str(folder), "--numbers", str(numbers), "--seed", str(SEED)]
    latents = folder / "round_2/vae" / LATENTS
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)
    while not latents.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stamp = latents.stat().st_mtime_ns
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert latents.stat().st_mtime_ns == stamp  # what was done is not done again
    return folder, result.stdout


def test_killed_rounds_go_on_to_the_end(killed):
    folder, said = killed
    (first, second) = json.loads((folder / "rounds.json").read_text())["rounds"]
    assert first["round"] == 1
    assert "control" not in first
    assert second["gain"] == second["game"]["mean"] - second["control"]["mean"]
    assert f"round 2: {second['gain']:+.1f} ± " in said
    for page in (folder, folder / "round_2", folder / "control_2"):
        assert (page / "report.html").stat().st_size > 100_000


def test_a_second_round_knows_both_kinds_of_play(killed):
    folder, _ = killed
    header = open_header(folder / "round_2/vae" / LATENTS, LatentsHeader)
    held, mix, played = header.policies
    assert held == "held_random"
    assert mix.startswith("mix:wandering")
    assert played.startswith("controller:")
    assert played.endswith(", noise 0.3")
    rnn = open_header(folder / "round_2/rnn/final_rnn_weights.h5", WeightsHeader)
    assert len(rnn.recorded.lengths) == 12 + 12 + 2
    controller = open_header(folder / "round_2/controller/controller.h5", ControllerHeader)
    assert controller.vae == open_header(folder / "controller/controller.h5", ControllerHeader).vae
