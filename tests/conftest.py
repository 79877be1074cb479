"""Shared fixtures: a small network that dreams, and one run of all stages."""

import fcntl
import os
import shlex
import shutil
import sys

import numpy as np
import pytest
from helpers import load_script, run_stage
from pages import CHROMIUM

from reverie.artifacts import file_hash
from reverie.quickstart import run_stages
from reverie.runs import Pipeline, RunFolder, words


@pytest.fixture(autouse=True)
def full_precision():
    """Let a stage that ran inside a test leave no half precision behind for the next one."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def dreamer():
    """Return a random MDN-RNN whose dreams end after some 30 steps."""
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(latent_size=3, action_size=1, units=8, num_mixtures=2, seed=1)
    rng = np.random.default_rng(0)
    for variable in rnn.trainable_variables:
        variable.assign(0.3 * rng.standard_normal(variable.shape))
    bias = np.array(rnn.head.bias)
    bias[-2:] = 1.0, -4.5  # reward and termination
    rnn.head.bias.assign(bias)
    return rnn


@pytest.fixture(scope="session")
def first_frames():
    """Return `mu` and `logvar` of twenty first frames."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((20, 3)).astype(np.float32), np.full((20, 3), -2.0, np.float32)


SEED = 3
TINY = Pipeline(
    game="doomrnn",
    record={"total_episodes": 12, "batch_size": 6, "policy": "held_random", "workers": 2},
    vae={"epochs": 2, "latent_size": 8, "batch_size": 50, "precision": "float32"},
    rnn={"units": 32, "epochs": 2, "batch_size": 16},
    controller={
        "population": 4,
        "rollouts": 2,
        "generations": 2,
        "eval_episodes": 3,
        "workers": 2,
    },
    rules={"time_steps": 120},
)


def commands(folder):
    """Return the commands of all stages with small numbers; float32 can be compared anywhere."""
    return {stage.script[:2]: stage.command() for stage in TINY.stages(folder, SEED)}


class Run(RunFolder):
    """One run of all stages with small numbers, and where its files lie."""

    @property
    def commands(self):
        return commands(self.root)

    def again(self, number):
        return run_stage(*self.commands[number])

    def files(self):
        """Return what is on the disk, without the times."""
        paths = sorted(p for p in self.root.rglob("*") if p.is_file())
        return {str(p.relative_to(self.root)): file_hash(p) for p in paths}


def record_flags(folder, policy="held_random", workers=2):
    """Return flags that record twelve short episodes."""
    flags = {**TINY.record, **TINY.rules, "seed": SEED, "store_folder": folder}
    return ["doomrnn", *words({**flags, "policy": policy, "workers": workers})]


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Return a function `(name, fill)` that returns a folder filled once for all worker processes.

    The worker processes of a run share a parent folder; the first that wants a folder fills it, the
    others wait for it.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def get(name, fill):
        folder, whole = root / name, root / f"{name} is whole"
        with open(root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return get


@pytest.fixture(scope="session")
def run(once):
    """Run all stages once, in a folder with a space in its name."""

    def fill(folder):
        assert run_stages(TINY.stages(folder, SEED), RunFolder(folder).costs) == 0

    return Run(once("a run", fill))


@pytest.fixture(scope="session")
def gathered(once):
    """Return a folder of rollouts: a gatherer in four small worlds of Crafter."""

    def fill(folder):
        numbers = "--total_episodes 4 --batch_size 4 --time_steps 60 --workers 1 --policy gatherer"
        flags = [*shlex.split(numbers), "--store_folder", folder]
        assert run_stage("01_generate_data.py", "crafter", *flags).returncode == 0

    return once("crafter", fill)


MASKS = shlex.split(
    "--crafter-dataset-size 64 --judged_frames 40 --batch_size 8 --crafter-windowsize 5 "
    "--crafter-epochs 2 --vae_epochs 1 --mask_epochs 1"
)


@pytest.fixture(scope="session")
def masks_run(gathered, once):
    """Return the folder of stage 6 after one run of all its commands with small numbers."""

    def fill(folder):
        where = ["--input_data_folder", str(gathered), "--savefolder", str(folder / "seed_0")]
        assert load_script("06_critic_masks.py").main(["all", *where, *MASKS]) == 0

    return once("masks", fill) / "seed_0"


@pytest.fixture(scope="module")
def browser():
    """Return Chromium; without one its tests are skipped."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium, or `make browser` as root")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
