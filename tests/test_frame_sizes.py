"""Frames of other sizes than 64x64, in every family of games that can show them."""

import json
import os

import cv2
import h5py
import numpy as np
import pytest
from gymnasium.envs.box2d import car_racing
from helpers import ROOT, load_script, run_stage

from reverie.games import game_class, make_game
from reverie.games.game import FRAME_SHAPE, FRAME_SIZES, frame_options, frame_shape
from reverie.headers import WeightsHeader
from reverie.models.detector import Detector
from reverie.rollouts.policies import chooser
from reverie.rollouts.storage import find_batches, read_rows
from reverie.training.weights import load_network, save_weights

OWN = "bandit:OwnBandit-v0"
GAMES = {
    "doomrnn": {},
    "carracing": {"renderer": "fast"},
    "carracing by gymnasium": {"renderer": "gymnasium"},
    "crafter": {},
    "enduro": {},
    OWN: {},
}
STEPS = 30


def play(name, **options):
    """Return frames and infos of the same short episode, whatever the options."""
    game = make_game(name.split(" by ")[0], **GAMES[name], **options)
    rows = [game.reset(seed=5)]
    game.action_space.seed(0)
    for _ in range(STEPS):
        frame, *_, info = game.step(game.action_space.sample())
        rows.append((frame, info))
    space = game.observation_space
    game.close()
    frames, infos = zip(*rows)
    assert all(space.contains(frame) for frame in frames)
    return np.stack(frames), infos


@pytest.fixture(scope="module")
def small():
    return {name: play(name) for name in GAMES}


@pytest.mark.parametrize("name", GAMES)
def test_the_default_is_64(name, small):
    frames, _ = small[name]
    assert frames.shape == (STEPS + 1, *FRAME_SHAPE)
    np.testing.assert_array_equal(frames, play(name, frame_size=64)[0])


@pytest.mark.parametrize("size", [96, 128])
@pytest.mark.parametrize("name", GAMES)
def test_larger_frames_show_the_same_in_more_pixels(name, size, small):
    frames, infos = play(name, frame_size=size)
    assert frames.shape == (STEPS + 1, size, size, 3)
    for one, other in zip(infos, small[name][1]):
        for key in set(one) - {"object_mask", "monsters", "fireballs"}:  # counted in pixels
            np.testing.assert_array_equal(one[key], other[key])
    if name == "crafter":  # its cells have a whole number of pixels, so nothing lies in place
        return
    shrunk = [cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA) for frame in frames]
    difference = np.abs(np.stack(shrunk).astype(int) - small[name][0]).mean()
    others = np.abs(np.stack(shrunk[::-1]).astype(int) - small[name][0]).mean()
    assert difference < 10  # of 255
    assert difference < others  # it is the same moment


def test_frames_of_64_are_what_they_always_were():
    """Doom's and CarRacing's, from the pictures that engine and gymnasium give."""
    game = make_game("doomrnn")
    frame, _ = game.reset(seed=5)
    screen = game.engine.get_state().screen_buffer
    assert screen.shape == (120, 160, 3)
    np.testing.assert_array_equal(frame, cv2.resize(screen[:100], (64, 64), interpolation=3))
    game.close()
    frame, _ = make_game("carracing", renderer="gymnasium").reset(seed=5)
    picture, _ = car_racing.CarRacing().reset(seed=5)
    cut = np.ascontiguousarray(picture[:84])
    np.testing.assert_array_equal(frame, cv2.resize(cut, (64, 64), interpolation=3))


@pytest.mark.parametrize("size", [96, 128])
def test_doom_masks_lie_where_the_frame_changes(size):
    game = game_class("doomrnn")(time_steps=400, frame_size=size)
    episode = game.play_through(3, np.zeros((400, 1), np.float32))
    game.close()
    frames, masks = episode.observations, episode.infos["object_mask"]
    assert masks.shape == frames.shape[:3]
    seen = (masks & game.objects["fireball"]).astype(bool)
    assert seen.any()
    departure = np.abs(frames - np.median(frames, axis=0)).mean(axis=-1)
    assert departure[seen].mean() > 3 * departure[~seen].mean()


def test_doom_plays_through_as_step_by_step():
    actions = np.random.default_rng(0).uniform(-1, 1, (25, 1)).astype(np.float32)
    game = game_class("doomrnn")(time_steps=25, frame_size=128)
    episode = game.play_through(3, actions)
    frames = [game.reset(seed=3)[0], *(game.step(action)[0] for action in actions)]
    game.close()
    np.testing.assert_array_equal(episode.observations, frames)


@pytest.mark.parametrize("size", FRAME_SIZES)
def test_both_drawings_of_carracing_agree(size):
    one, other = (play(f"carracing{by}", frame_size=size)[0] for by in ("", " by gymnasium"))
    difference = np.abs(one.astype(int) - other).mean(axis=(1, 2, 3))
    assert difference.mean() < 1.0
    assert difference.max() < 4.0


def test_procgen_says_what_it_can(capfd):
    code = load_script("01_generate_data.py").main(["heist", "--frame_size", "128"])
    assert code == 2
    assert capfd.readouterr().err == (
        "error: heist shows frames of 64x64 pixels, not of 128x128; leave --frame_size away, or "
        "name networks that see such frames\n"
    )


@pytest.mark.parametrize(("size", "extra"), [(64, {}), (128, {"frame_size": 128})])
def test_the_size_is_recorded_unless_it_is_the_default(size, extra, tmp_path):
    flags = ["--total_episodes", 2, "--batch_size", 2, "--time_steps", 5, "--workers", 1]
    flags += ["--frame_size", size, "--store_folder", tmp_path]
    paths = os.pathsep.join(map(str, (ROOT / "tests", ROOT)))
    result = run_stage("01_generate_data.py", OWN, *flags, PYTHONPATH=paths)
    assert result.returncode == 0, result.stderr
    (path,) = find_batches(tmp_path, OWN)
    with h5py.File(path) as file:
        options = json.loads(file.attrs["options"])
        space = json.loads(file.attrs["observation_space"])
        shapes = {episode["observations"].shape[1:] for episode in file.values()}
    assert options == {"time_steps": 5} | extra
    assert tuple(space["shape"]) == frame_shape(options) == (size, size, 3)
    assert frame_options(space["shape"]) == extra
    assert shapes == {(size, size, 3)}


@pytest.mark.parametrize("size", [64, 128])
def test_rows_are_read_as_if_all_were_in_memory(size, tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2500 if size == 64 else 600, size, size, 3), np.uint8)
    rows = rng.permutation(len(frames))[:50]
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frames"], file["numbers"] = frames, np.arange(len(frames))
        np.testing.assert_array_equal(read_rows(file["frames"], rows), frames[rows])
        np.testing.assert_array_equal(read_rows(file["numbers"], rows), rows)


def test_a_detector_remembers_the_frames_that_it_judges(tmp_path):
    path, statements = tmp_path / "detector.h5", [["monsters", least] for least in (1, 2, 3)]
    notes = {"statements": statements, "thresholds": [0.0] * 3, "accuracy": {}, "floor": {}}
    header = WeightsHeader("doomrnn", notes=notes)
    save_weights(path, Detector(3, (96, 96, 3)), header)
    logits = load_network(path, "Detector")(np.zeros((2, 96, 96, 3), np.float32))
    assert logits.shape == (2, 3)


def test_the_articles_explorer_sees_64():
    large = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    shrunk = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    space = game_class("carracing").action_space
    actions = [chooser("random_networks", 3, 1, space)(0, frame) for frame in (large, shrunk)]
    np.testing.assert_array_equal(*actions)
