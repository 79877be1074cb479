"""Shared fixtures: a small network that dreams, and one run of all stages."""

import shlex

import numpy as np
import pytest
from helpers import load_script, run_stage

from reverie.artifacts import file_hash


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


class Run:
    """One run of all stages with small numbers, and where its files lie."""

    def __init__(self, folder):
        self.folder = folder
        self.rollouts, self.vae, self.rnn = (
            folder / "rollouts",
            folder / "vae",
            folder / "rnn/run_1",
        )
        self.controller = folder / "controller"
        self.vae_weights = self.vae / "final_full_vae_weights.h5"
        self.latents = self.vae / "rnn_format_data" / "rnn_training_data.npz"
        self.rnn_weights = self.rnn / "final_rnn_weights.h5"
        self.commands = commands(folder)

    def record_flags(self, folder, workers, policy="held_random"):
        flags = record_flags(folder, policy)
        return [*flags, "--workers", workers]

    def again(self, number):
        return run_stage(*self.commands[number])

    def files(self):
        """Return what is on the disk, without the times."""
        paths = sorted(p for p in self.folder.rglob("*") if p.is_file())
        return {str(p.relative_to(self.folder)): file_hash(p) for p in paths}


def record_flags(folder, policy="held_random"):
    """Return flags that record twelve short episodes."""
    numbers = shlex.split("--total_episodes 12 --batch_size 6 --time_steps 120 --seed 3")
    return ["doomrnn", *numbers, "--store_folder", folder, "--policy", policy]


def commands(folder):
    """Return the commands of all stages with small numbers; float32 can be compared anywhere."""
    vae, latents = folder / "vae", folder / "vae" / "rnn_format_data" / "rnn_training_data.npz"
    weights, rnn = vae / "final_full_vae_weights.h5", folder / "rnn" / "run_1"
    return {
        "01": ["01_generate_data.py", *record_flags(folder / "rollouts"), "--workers", 2],
        "02": [
            *["02_train_vae.py", "--input_data_folder", folder / "rollouts", "--savefolder", vae],
            *shlex.split("--epochs 2 --latent_size 8 --batch_size 50 --precision float32"),
        ],
        "03": [
            *["03_generate_rnn_data.py", "--obs_folder", folder / "rollouts"],
            *["--loaded_vae_weights", weights, "--savefolder", vae],
        ],
        "04": [
            *["04_train_rnn.py", "--training_data_file", latents],
            *["--upper_level_folder_name", folder / "rnn", "--output_folder_name", "run_1"],
            *shlex.split("--units 32 --epochs 2 --batch_size 16"),
        ],
        "05": [
            *["05_train_controller.py", "doomrnn", "--vae_weights", weights],
            *["--rnn_weights", rnn / "final_rnn_weights.h5"],
            *["--output_folder", folder / "controller"],
            *shlex.split("--population 4 --rollouts 2 --generations 2 --eval_episodes 3"),
            *shlex.split("--workers 2 --time_steps 120"),
        ],
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Run all stages once, in a folder with a space in its name."""
    run = Run(tmp_path_factory.mktemp("a run"))
    for command in run.commands.values():
        result = run_stage(*command)
        assert result.returncode == 0, f"{command[0]}\n{result.stdout}\n{result.stderr}"
    return run


@pytest.fixture(scope="session")
def gathered(tmp_path_factory):
    """Return a folder of rollouts: a gatherer in four small worlds of Crafter."""
    folder = tmp_path_factory.mktemp("crafter")
    numbers = "--total_episodes 4 --batch_size 4 --time_steps 60 --workers 1 --policy gatherer"
    flags = [*shlex.split(numbers), "--store_folder", folder]
    assert run_stage("01_generate_data.py", "crafter", *flags).returncode == 0
    return folder


MASKS = shlex.split(
    "--crafter-dataset-size 64 --judged_frames 40 --batch_size 8 --crafter-windowsize 5 "
    "--crafter-epochs 2 --vae_epochs 1 --mask_epochs 1"
)


@pytest.fixture(scope="session")
def masks_run(gathered, tmp_path_factory):
    """Return the folder of stage 6 after one run of all its commands with small numbers."""
    folder = tmp_path_factory.mktemp("masks") / "seed_0"
    where = ["--input_data_folder", str(gathered), "--savefolder", str(folder)]
    assert load_script("06_critic_masks.py").main(["all", *where, *MASKS]) == 0
    return folder
