"""All stages with frames of 128x128, and what happens where two sizes meet."""

import shlex

import cv2
import gymnasium
import h5py
import numpy as np
import pytest
from conftest import MASKS
from helpers import load_script, write_batch

import reverie.controllers.latent_observations
import reverie.dreams.environment  # noqa: F401  registers the environment
from reverie.headers import (
    ControllerHeader,
    LatentsHeader,
    RolloutsHeader,
    WeightsHeader,
    open_header,
)
from reverie.masks.labelled_frames import LabelledFrames
from reverie.rollouts.storage import find_batches

SHAPE = (128, 128, 3)
RECORD = "--frame_size 128 --total_episodes 4 --batch_size 4 --time_steps 60 --workers 2"


def stage(name, *flags):
    """Run a stage in this process, which has TensorFlow loaded already."""
    return load_script(name).main([str(flag) for flag in flags])


class Folders:
    """Where a run of all stages lies."""

    def __init__(self, folder):
        self.rollouts, self.second = folder / "rollouts", folder / "second"
        self.crafter, self.masks = folder / "crafter", folder / "masks"
        self.vae, self.rnn, self.controller = folder / "vae", folder / "rnn", folder / "controller"
        self.vae_weights = self.vae / "final_full_vae_weights.h5"
        self.rnn_weights = self.rnn / "run_1" / "final_rnn_weights.h5"
        self.latents = self.vae / "rnn_format_data" / "rnn_training_data.npz"
        self.networks = ("--vae_weights", self.vae_weights, "--rnn_weights", self.rnn_weights)

    def commands(self):
        game, numbers = "doomrnn", shlex.split(RECORD)
        quick = shlex.split("--epochs 1 --batch_size 20 --latent_size 8 --precision float32")
        small = shlex.split("--units 16 --epochs 1 --batch_size 4 --output_folder_name run_1")
        search = shlex.split("--population 4 --rollouts 1 --generations 1 --eval_episodes 2")
        search += shlex.split("--workers 2 --time_steps 40")
        played = self.controller / "controller.h5", "--store_folder", self.second
        again = shlex.split("--total_episodes 1 --batch_size 1 --time_steps 20 --workers 1")
        gathered = (*numbers, "--policy", "gatherer", "--store_folder", self.crafter)
        recorded, masks = ("--input_data_folder", self.rollouts), ("--savefolder", self.masks)
        return [
            ("01_generate_data.py", game, *numbers, "--store_folder", self.rollouts),
            ("02_train_vae.py", *recorded, "--savefolder", self.vae, *quick),
            (
                *("03_generate_rnn_data.py", "--obs_folder", self.rollouts),
                *("--loaded_vae_weights", self.vae_weights, "--savefolder", self.vae),
            ),
            (
                *("04_train_rnn.py", "--training_data_file", self.latents, *small),
                *("--upper_level_folder_name", self.rnn),
            ),
            (
                *("05_train_controller.py", game, *self.networks, *search),
                *("--output_folder", self.controller),
            ),
            ("01_generate_data.py", game, *again, "--policy", *played),
            ("01_generate_data.py", "crafter", *gathered),
            ("06_critic_masks.py", "all", "--input_data_folder", self.crafter, *masks, *MASKS),
        ]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folders = Folders(tmp_path_factory.mktemp("large"))
    for command in folders.commands():
        assert stage(*command) == 0, command
    return folders


def test_every_file_says_the_shape(large):
    assert open_header(large.rollouts / "doomrnn_0.h5", RolloutsHeader).frame_shape == SHAPE
    assert open_header(large.vae_weights, WeightsHeader, network="VAE").frame_shape == SHAPE
    assert open_header(large.latents, LatentsHeader).options["frame_size"] == 128
    controller = open_header(large.controller / "controller.h5", ControllerHeader)
    assert controller.options["frame_size"] == 128


def test_a_controller_plays_with_frames_of_its_vae(large):
    (path,) = find_batches(large.second, "doomrnn")
    with h5py.File(path) as file:
        assert file["episode_00000/observations"].shape[1:] == SHAPE
        assert file["episode_00000/infos/object_mask"].shape[1:] == SHAPE[:2]


def test_pictures_and_films_have_the_size(large):
    picture = cv2.imread(str(next((large.vae / "reconstructions").iterdir())))
    assert picture.shape[0] == 2 * (2 * 128 + 4)  # frames and reconstructions, enlarged, framed
    strip = cv2.imread(str(large.controller / "film.png"))
    assert strip.shape[0] == 3 * (2 * 128 + 4)
    film = cv2.VideoCapture(str(large.controller / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_HEIGHT) > 4 * 128


def test_environments_show_frames_of_the_size(large):
    networks = {"vae_weights": large.vae_weights, "rnn_weights": large.rnn_weights}
    for name, options in (("Awake", {"game": "doomrnn", "time_steps": 5}), ("Dream", {})):
        env = gymnasium.make(f"reverie/{name}-v0", render_mode="rgb_array", **networks, **options)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        assert env.render().shape == SHAPE
        env.close()


def test_masks_are_of_the_map_in_its_own_cells(large):
    labelled = LabelledFrames(large.masks / "moments.h5")
    assert labelled.choice.shape == (7 * 14, 9 * 14)
    frames, truth = labelled.read("test"), labelled.read("test", "truth")
    assert frames.shape[1:3] == truth.shape[1:] == labelled.choice.shape
    cells = truth.reshape(len(truth), 7, 14, 9, 14)
    np.testing.assert_array_equal(cells.any(axis=(2, 4)), cells.all(axis=(2, 4)))
    assert (large.masks / "scores.json").is_file()
    assert (large.masks / "gallery.png").is_file()


def refuse(capfd, parts, name, *flags):
    capfd.readouterr()
    assert stage(name, *flags) == 2
    (line,) = [e for e in capfd.readouterr().err.splitlines() if e.startswith("error: ")]
    for part in parts:
        assert str(part) in line


def test_masks_of_a_picture_of_the_trained_size(large, tmp_path, capfd):
    with h5py.File(large.crafter / "crafter_0.h5") as file:
        frame = file["episode_00000/observations"][0]
    cv2.imwrite(str(tmp_path / "large.png"), frame)
    cv2.imwrite(str(tmp_path / "small.png"), frame[::2, ::2])
    command = ("06_critic_masks.py", "masks", "--savefolder", large.masks, "--image")
    assert stage(*command, tmp_path / "large.png", "--output", tmp_path / "strip.png") == 0
    assert cv2.imread(str(tmp_path / "strip.png")).shape[0] > 4 * 98
    refuse(capfd, ["small.png", "64x64", "128x128"], *command, tmp_path / "small.png")


def test_two_sizes_do_not_meet(large, tmp_path, capfd):
    small = write_batch(tmp_path / "small", [5, 5, 5]).parent
    data = ("--input_data_folder", large.rollouts, "--savefolder", tmp_path / "vae")
    refuse(
        capfd,
        ["64x64", "--architecture patch"],
        "02_train_vae.py",
        *data,
        "--architecture",
        "article",
    )
    weights = ("--initial_weights", large.vae_weights, "--latent_size", 8)
    other = ("--input_data_folder", small, "--savefolder", tmp_path / "vae")
    refuse(capfd, ["64x64", "128x128", "--frame_size 128"], "02_train_vae.py", *other, *weights)
    encode = ("--obs_folder", small, "--loaded_vae_weights", large.vae_weights)
    refuse(
        capfd, ["64x64", "128x128"], "03_generate_rnn_data.py", *encode, "--savefolder", tmp_path
    )
    policy = ("--policy", large.controller / "controller.h5", "--store_folder", tmp_path / "more")
    refuse(
        capfd,
        ["--frame_size 64", "128x128", "leave the flag away"],
        *("01_generate_data.py", "doomrnn", "--frame_size", 64, *policy),
    )
    mixed = tmp_path / "mixed"
    stage("01_generate_data.py", "doomrnn", *shlex.split(RECORD), "--store_folder", mixed)
    write_batch(mixed, [5, 5], batch=1)
    refuse(
        capfd,
        ["frame_shape (64, 64, 3)", "(128, 128, 3)"],
        "02_train_vae.py",
        "--input_data_folder",
        mixed,
    )
