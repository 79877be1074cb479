"""The chain of a cluster's jobs as data, and the job script, without a scheduler."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT, load_script

from reverie import rounds
from reverie.artifacts import InputError
from reverie.jobs import chain, main
from reverie.numbers import NUMBERS, read_numbers
from reverie.stage import EXIT_REQUEUE

TINY = NUMBERS.with_name("tiny.json")
ROUNDS = '{"record": {}, "vae": {}, "rnn": {}, "controller": {}, "rounds": {"recording": {}}}'
PARSERS = {name.name: name for name in ROOT.glob("0*_*.py")}


def jobs_of(root, path=TINY, **changes):
    return {job.name: job for job in chain(read_numbers(path, "doomrnn"), root, **changes)}


@pytest.mark.parametrize("path", [NUMBERS, TINY])
def test_a_chain_has_every_stage_and_its_scripts_take_the_flags(tmp_path, path):
    jobs = jobs_of(tmp_path, path, seeds=(0, 1), mixtures=(1, 5))
    order = ["record", "vae", "encode", "join", "rnn", "controller", "analysis"]
    assert list(jobs) == order
    assert jobs["record"].dependency == "none"
    assert jobs["vae"].dependency == "afterok:record"
    assert jobs["controller"].dependency == "aftercorr:rnn"
    for job in jobs.values():
        for python, script, *flags in job.commands:
            assert python == "python"
            if script in PARSERS:
                load_script(script).parse_args(flags)


def test_arrays_divide_the_work_and_leave_nothing_out(tmp_path):
    jobs = jobs_of(tmp_path, seeds=(3, 4), mixtures=(1, 5))
    parse = load_script("01_generate_data.py").parse_args
    parts = [parse(list(command[2:])) for command in jobs["record"].commands]
    assert [(a.start_batch, a.total_episodes, a.batch_size) for a in parts] == [
        (0, 6, 6),
        (1, 6, 6),
    ]
    shares = [command[command.index("--share") + 1] for command in jobs["encode"].commands]
    assert shares == ["0/2", "1/2"]
    assert "--share" not in jobs["join"].commands[0]
    parse = load_script("04_train_rnn.py").parse_args
    rnns = [parse(list(command[2:])) for command in jobs["rnn"].commands]
    names = ["k1_seed3", "k1_seed4", "k5_seed3", "k5_seed4"]
    assert [a.output_folder_name for a in rnns] == names
    assert [(a.num_mixtures, a.seed) for a in rnns] == [(1, 3), (1, 4), (5, 3), (5, 4)]
    parse = load_script("05_train_controller.py").parse_args
    searches = [parse(list(command[2:])) for command in jobs["controller"].commands]
    assert [a.output_folder.name for a in searches] == names
    assert [a.rnn_weights.parent.name for a in searches] == names


def test_one_run_lies_where_make_run_puts_it(tmp_path):
    jobs = jobs_of(tmp_path)
    assert [len(job.commands) for job in jobs.values()] == [2, 1, 2, 1, 1, 1, 1]
    assert jobs["controller"].dependency == "afterok:rnn"
    assert str(tmp_path / "rnn" / "final_rnn_weights.h5") in jobs["analysis"].commands[0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"record": 3}', '{"recording": {}}', ROUNDS])
def test_damaged_numbers_are_named(tmp_path, text, capsys):
    path = tmp_path / "numbers.json"
    path.write_text(text)
    assert main(["doomrnn", str(tmp_path), "--numbers", str(path)]) == 2
    assert f"error: {path}: " in capsys.readouterr().err
    with pytest.raises(InputError, match="no numbers of a pipeline there"):
        read_numbers(tmp_path / "nowhere", "doomrnn")


def lines_of(capsys, *flags):
    assert main(["doomrnn", *map(str, flags), "--numbers", str(TINY)]) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_a_chain_of_rounds_waits_for_what_it_reads(tmp_path, capsys):
    lines = lines_of(capsys, tmp_path, "--rounds", 3)
    after = {name: dependency.partition(":")[2] for name, dependency, _ in lines}
    assert after["record-2"] == "controller"
    assert after["controller-3"] == "rnn-3"
    assert after["control_rnn-2"] == "controller"
    assert after["control_rnn-3"] == "control_controller-2"
    assert after["round-3"] == "controller-3,control_controller-3"
    names = list(dict.fromkeys(name for name, *_ in lines))
    for name, before in after.items():
        assert all(names.index(b) < names.index(name) for b in before.split(",") if b)
    for name, _, command in lines:
        script, *flags = shlex.split(command)[1:]
        if script in PARSERS:
            load_script(script).parse_args(flags)
        else:
            assert name.startswith("round-")
            assert rounds.parse_args(flags[1:]).rounds == int(name[-1])
    shares = [command for name, _, command in lines if name == "encode-3"]
    assert [command.split()[-1] for command in shares] == [f"{n}/6" for n in range(6)]


def test_rounds_go_on_from_one_network(tmp_path, capsys):
    assert main(["doomrnn", str(tmp_path), "--rounds", "2", "--seeds", "0"]) == 2
    assert "--rounds: goes on from one MDN-RNN" in capsys.readouterr().err


def pipeline(*flags, **environment):
    return subprocess.run(
        [ROOT / "slurm" / "pipeline.sh", *map(str, flags)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHON": sys.executable} | environment,
    )


def test_a_dry_run_of_rounds_waits_for_several_jobs(tmp_path):
    profile = tmp_path / "profile.sh"
    profile.write_text("RESOURCES=([rnn]='--gres=gpu:1')\n")
    flags = ["--numbers", TINY, "--rounds", 2, "--profile", profile, "--dry_run"]
    result = pipeline("doomrnn", tmp_path, *flags)
    assert result.returncode == 0, result.stderr
    lines = [shlex.split(line) for line in result.stdout.splitlines()]
    submits = {line[2].partition("=")[2]: line for line in lines if line[0] == "sbatch"}
    last = "--dependency=afterok:<controller-2>:<control_controller-2>"
    assert last in submits["round-2"]
    gpu = [name for name, line in submits.items() if "--gres=gpu:1" in line]
    assert gpu == ["rnn", "rnn-2", "control_rnn-2"]


def test_a_dry_run_prints_what_it_would_submit(tmp_path):
    run, profile = tmp_path / "a run", tmp_path / "profile.sh"
    profile.write_text("COMMON=(--account=us)\nRESOURCES=([vae]='--partition=gpu --gres=gpu:1')\n")
    flags = ["--numbers", TINY, "--seeds", 0, 1, "--profile", profile, "--dry_run"]
    result = pipeline("doomrnn", run, *flags)
    assert result.returncode == 0, result.stderr
    lines = [shlex.split(line) for line in result.stdout.splitlines()]
    submits = {line[2].partition("=")[2]: line for line in lines if line[0] == "sbatch"}
    assert len(submits) == 7
    assert all("--account=us" in line for line in submits.values())
    assert {"--partition=gpu", "--gres=gpu:1"} <= set(submits["vae"])
    assert "--array=0-1" in submits["record"]
    assert f"--output={run}/slurm/record-%a.out" in submits["record"]
    assert "--dependency=aftercorr:<rnn>" in submits["controller"]
    commands = [line for line in lines if line[0] == "python"]
    assert len(commands) == 11
    assert not run.exists()


def test_bad_input_submits_nothing(tmp_path):
    result = pipeline("nogame", tmp_path / "run", "--dry_run")
    assert result.returncode == 2
    assert "unknown game 'nogame'" in result.stderr
    result = pipeline("doomrnn", tmp_path / "run", "--profile", tmp_path / "nowhere")
    assert result.returncode == 2
    assert "nowhere: no such file" in result.stderr
    assert list(tmp_path.iterdir()) == []


STAGE = """
import signal, sys, time
def stop(number, frame):
    print("asked to stop by", number, flush=True)
    time.sleep(0.3)
    sys.exit(75)
if {listens}:
    signal.signal(signal.SIGUSR1, stop)
    signal.signal(signal.SIGTERM, stop)
print("at work", flush=True)
time.sleep(30)
"""


class Job:
    """The job script at work, with a `scontrol` that writes down what it is asked for."""

    def __init__(self, folder, *command, **environment):
        self.asked, self.output = folder / "asked", folder / "output"
        tool = folder / "bin" / "scontrol"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(self.asked))}\n')
        tool.chmod(0o755)
        path = f"{tool.parent}:{os.environ['PATH']}"
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                ["bash", str(ROOT / "slurm" / "stage.sbatch"), *map(str, command)],
                env=os.environ | {"SLURM_JOB_ID": "12", "PATH": path} | environment,
                stdout=output,
                stderr=output,
            )

    def signal(self, number):
        while "\nat work\n" not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.02)
        self.process.send_signal(number)

    def end(self):
        code = self.process.wait(30)
        return code, self.asked.read_text().splitlines() if self.asked.exists() else []


def test_a_signal_before_the_stage_has_started_is_not_lost(tmp_path):
    command = [sys.executable, "-c", STAGE.format(listens=True)]
    job = Job(tmp_path, *command, SETUP="echo; echo at work; sleep 0.5")
    job.signal(signal.SIGUSR1)
    assert job.end() == (EXIT_REQUEUE, ["requeue 12"])


@pytest.mark.parametrize("listens", [True, False])
def test_a_time_limit_queues_the_job_again(tmp_path, listens):
    job = Job(tmp_path, sys.executable, "-c", STAGE.format(listens=listens))
    job.signal(signal.SIGUSR1)
    assert job.end() == (EXIT_REQUEUE, ["requeue 12"])
    assert ("asked to stop by 10" in job.output.read_text()) == listens


def test_a_task_of_an_array_queues_itself_alone(tmp_path):
    array = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}
    job = Job(tmp_path, sys.executable, "-c", STAGE.format(listens=True), **array)
    job.signal(signal.SIGUSR1)
    assert job.end() == (EXIT_REQUEUE, ["requeue 12_3"])


def test_scancel_and_preemption_are_for_slurm_to_decide(tmp_path):
    job = Job(tmp_path, sys.executable, "-c", STAGE.format(listens=True))
    job.signal(signal.SIGTERM)
    assert job.end() == (EXIT_REQUEUE, [])
    assert "asked to stop by 15" in job.output.read_text()


@pytest.mark.parametrize(("restarts", "asked"), [(2, ["requeue 12"]), (3, [])])
def test_a_job_is_queued_again_so_often_and_no_more(tmp_path, restarts, asked):
    limits = {"REQUEUES": "3", "SLURM_RESTART_COUNT": str(restarts)}
    job = Job(tmp_path, sys.executable, "-c", "raise SystemExit(75)", **limits)
    assert job.end() == (EXIT_REQUEUE, asked)
    assert ("allows no more" in job.output.read_text()) == (not asked)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_other_exit_codes_are_the_jobs(tmp_path, code):
    assert Job(tmp_path, sys.executable, "-c", f"raise SystemExit({code})").end() == (code, [])


def test_a_task_runs_its_line(tmp_path):
    commands = tmp_path / "a list"
    lines = [[sys.executable, "-c", f"print('line {n}', 'a  b')"] for n in range(3)]
    commands.write_text("".join(shlex.join(line) + "\n" for line in lines))
    task = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "2"}
    job = Job(tmp_path, "--commands", commands, **task)
    assert job.end() == (0, [])
    assert "\nline 2 a  b\n" in job.output.read_text()
    job = Job(tmp_path, "--commands", commands, **task | {"SLURM_ARRAY_TASK_ID": "3"})
    assert job.end() == (2, [])
    assert "no command for task 3" in job.output.read_text()
