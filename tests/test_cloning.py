"""Stage 7: what is cut into windows, what is measured, and that a rule is imitated and played."""

import json

import numpy as np
import pytest
from helpers import load_script, write_batch, write_latents

from reverie.cloning.classes import ActionClasses
from reverie.cloning.measures import COMMONEST, REPEAT, Habits, compare, confusion, rare
from reverie.cloning.recordings import FrameRecordings, LatentRecordings, split_sessions
from reverie.cloning.windows import WindowStream, before
from reverie.headers import open_clone
from reverie.latents.storage import Latents

KEYS = {"type": "MultiBinary", "shape": [2], "dtype": "int8"}
BOX = {"type": "Box", "shape": [1], "dtype": "float32", "low": -1.0, "high": 1.0, "levels": 3}
LENGTHS = [190, 170, 180, 165, 175, 185, 150, 160]


def main(*argv):
    return load_script("07_clone_behaviour.py").main([str(word) for word in argv])


def write_play(folder, seed=0):
    """Write latents of somebody who goes where the first latent was two frames ago."""
    rng = np.random.default_rng(seed)
    frames = sum(LENGTHS) + len(LENGTHS)
    mu = rng.standard_normal((frames, 4)).astype(np.float16)
    actions, start = [], 0
    for length in LENGTHS:
        shown = mu[start : start + length, 0].astype(np.float32)
        actions.append(np.sign(np.concatenate([[0.0, 0.0], shown[:-2]])))
        start += length + 1
    path = folder / "latents.npz"
    write_latents(path, LENGTHS, mu=mu, actions=np.concatenate(actions)[:, None].astype("float32"))
    return path


def test_every_combination_that_is_played_is_a_class():
    held = np.array([[0, 0], [1, 0], [1, 1], [1, 0]], np.int8)
    classes = ActionClasses.of_actions(KEYS, [held[:2], held[2:]], ("w", "a"))
    assert classes.names == ("none", "w", "w+a")
    assert classes.labels(held).tolist() == [0, 1, 2, 1]
    np.testing.assert_array_equal(classes.actions(classes.labels(held)), held)
    assert classes.labels(np.array([[0, 1]])).tolist() == [-1]  # nobody has played that


def test_numbers_of_a_box_are_sorted_as_the_game_sorts_them():
    classes = ActionClasses.of_actions(BOX, [np.array([[-1.0], [-0.2], [0.9], [1.0]], "f")])
    labels = classes.labels(np.array([[-0.5], [0.0], [0.5]], "f"))
    assert labels.tolist() == [0, 1, 2]
    np.testing.assert_allclose(classes.actions(labels)[:, 0], [-2 / 3, 0.0, 2 / 3], atol=1e-6)


def test_choices_are_called_as_the_game_calls_them():
    space = {"type": "Discrete", "shape": [], "dtype": "int64", "n": 4, "start": 0}
    classes = ActionClasses.of_actions(
        space, [np.array([3, 1, 3])], ("noop", "left", "right", "up")
    )
    assert classes.names == ("left", "up")
    assert classes.actions(np.array([1, 0])).tolist() == [3, 1]


def test_sessions_are_held_out_whole():
    train, held_out, unit = split_sessions(np.array([0, 0, 1, 1, 1, 2]))
    assert (train, held_out, unit) == ([0, 1, 2, 3, 4], [5], "sessions")
    train, held_out, unit = split_sessions(np.zeros(12, int))
    assert (len(train), held_out, unit) == (11, [9], "episodes")


def test_latents_say_which_batch_an_episode_is_from(tmp_path):
    assert Latents(write_play(tmp_path)).batch_index.tolist() == [0] * 4 + [1] * 4


@pytest.mark.parametrize("kind", ["latents", "frames"])
def test_windows_hold_every_step_once(kind, tmp_path):
    if kind == "latents":
        recordings = LatentRecordings(Latents(write_play(tmp_path)))
    else:
        recordings = FrameRecordings(
            [write_batch(tmp_path, [33, 12]), write_batch(tmp_path, [9], 1)]
        )
    count = len(recordings.lengths)
    labels = {e: np.arange(recordings.lengths[e], dtype=np.int16) for e in range(count)}
    stream = WindowStream(recordings, labels, 16, 4)
    found = []
    for inputs, targets in stream.batches(1):
        assert inputs["seen"].shape == (4, 16, *recordings.shape)
        for row in range(4):
            steps = targets["actions"][row][targets["mask"][row] > 0]
            assert (np.diff(steps) == 1).all()
            assert (inputs["previous"][row][: len(steps)] == steps - 1).all()
            found += steps.tolist()
            if kind == "frames" and len(steps):
                assert (inputs["seen"][row, : len(steps), 0, 0, 2] == steps).all()
    assert sorted(found) == sorted(np.concatenate(list(labels.values())).tolist())
    firsts = [next(iter(stream.batches(epoch)))[1]["actions"] for epoch in (0, 0, 1)]
    assert (firsts[0] == firsts[1]).all()
    assert not (firsts[0] == firsts[2]).all()


def test_measures():
    actions, previous = np.array([0, 0, 1, 1, 0]), np.array([-1, 0, 0, 1, 1])
    habits = Habits.of([np.array([0, 0, 0, 1, 1, 0, 0, 0])], 2)
    assert (habits.counts.tolist(), habits.stay) == ([6, 2], 5 / 7)
    sure = np.eye(2)[[0, 0, 1, 0, 0]] * 0.8 + 0.1
    found = compare(sure, actions, previous, habits)
    clone, commonest, repeat = found["clone"], found[COMMONEST], found[REPEAT]
    assert clone["accuracy"] == pytest.approx(4 / 5)
    assert clone["macro_recall"] == pytest.approx((1.0 + 0.5) / 2)
    assert clone["change_recall"] == 1.0
    assert clone["nll"] == pytest.approx(-(4 * np.log(0.9) + np.log(0.1)) / 5)
    blind = -(3 * np.log(0.7) + 2 * np.log(0.3)) / 5
    assert commonest["nll"] == pytest.approx(blind)
    assert clone["relative_cross_entropy"] == pytest.approx(100 * (1 - clone["nll"] / blind))
    assert (commonest["accuracy"], commonest["macro_recall"]) == (3 / 5, 1 / 2)
    assert (repeat["accuracy"], repeat["change_recall"]) == (3 / 5, 0.0)
    assert confusion(sure, actions).tolist() == [[3, 0], [1, 1]]
    assert rare(habits, ("none", "w")) == {"none": 6, "w": 2}


def test_before():
    assert before(np.array([4, 5, 6])).tolist() == [-1, 4, 5]


TINY = ("--width", 32, "--blocks", 2, "--context", 8, "--heads", 2, "--batch_size", 8)
TINY += ("--sequence_length", 16, "--dropout", 0.0, "--learning_rate", 3e-3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone")
    flags = ("--training_data_file", write_play(folder), "--savefolder", folder / "clone", *TINY)
    assert main("train", *flags, "--epochs", 40) == 0
    return folder, flags


def test_a_rule_is_imitated(trained, capsys):
    folder, flags = trained
    scores = json.loads((folder / "clone" / "scores.json").read_text())
    clone = scores["measures"]["clone"]
    assert scores["split_by"] == "sessions"
    recalls = {row["class"]: row["recall"] for row in scores["classes"]}
    assert min(recalls["-0.7"], recalls["+0.7"]) > 0.9
    assert clone["change_recall"] > 0.9
    assert clone["relative_cross_entropy"] > 50
    for name in (COMMONEST, REPEAT):
        assert scores["measures"][name]["accuracy"] < 0.7
    assert scores["rare"] == {"+0.0": 8}  # two steps at each of four beginnings
    assert (folder / "clone" / "confusion.png").stat().st_size > 1000
    assert main("train", *flags, "--epochs", 40) == 0
    said = capsys.readouterr().out
    assert "nothing to do" in said
    assert "rare, hardly to be imitated: +0.0 (8 steps)" in said


def test_a_clone_is_measured_on_other_recordings(trained, tmp_path):
    weights = trained[0] / "clone" / "clone.h5"
    other = write_play(tmp_path, seed=1)
    assert main("evaluate", "--weights", weights, "--training_data_file", other) == 2  # no VAE


def test_previous_actions_come_with_a_warning(tmp_path, capsys):
    flags = ("--training_data_file", write_play(tmp_path), "--savefolder", tmp_path / "clone")
    assert main("train", *flags, *TINY, "--epochs", 1, "--previous_actions") == 0
    assert "tends to repeat it" in capsys.readouterr().out
    assert open_clone(tmp_path / "clone" / "clone.h5").config["previous_actions"]


def test_weights_of_classes_make_up_for_their_numbers(tmp_path):
    flags = ("--training_data_file", write_play(tmp_path), "--savefolder", tmp_path / "clone")
    assert main("train", *flags, *TINY, "--epochs", 1, "--class_weights", "balanced") == 0
    header = open_clone(tmp_path / "clone" / "clone.h5")
    weights, counts = np.array(header.config["class_weights"]), np.array(header.notes["counts"])
    np.testing.assert_allclose(weights * counts, counts.sum() / 3)


def test_bad_input_is_refused_in_a_line(trained, tmp_path, run, capsys):
    folder, flags = trained
    weights = folder / "clone" / "clone.h5"
    cases = {
        ("train", "--width", 30, "--heads", 4): "--width 30",
        ("train", *flags, "--epochs", 3, "--loss", "focal"): "loss",
        ("train", "--training_data_file", tmp_path / "no.npz"): "no.npz",
        ("train", "--input_data_folder", tmp_path): "03_generate_rnn_data.py",
        ("train", "--architecture", "visual", "--input_data_folder", tmp_path): "no rollouts",
        ("evaluate", "--weights", tmp_path / "no.h5", "--game_episodes", 2): "07_clone_behaviour",
        ("evaluate", "--weights", run.rnn_weights, "--game_episodes", 2): "no clone but MDNRNN",
        ("evaluate", "--weights", weights): "--game_episodes",
        ("play", "--weights", weights): "where the VAE",
        ("play", "--weights", weights, "--output", "film.gif"): ".mp4",
        ("play", "--weights", weights, "--vae_weights", run.vae_weights): "another VAE",
    }
    for argv, words in cases.items():
        assert main(*argv) == 2, argv
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


@pytest.mark.parametrize("architecture", ["latent", "visual"])
def test_a_clone_of_a_recorded_run_is_scored_and_filmed(architecture, run, tmp_path, capsys):
    latent = architecture == "latent"
    data = (
        ("--training_data_file", run.latents) if latent else ("--input_data_folder", run.rollouts)
    )
    where = ("--savefolder", tmp_path, "--architecture", architecture)
    assert main("train", *data, *where, *TINY, "--epochs", 1) == 0
    weights = ("--weights", tmp_path / "clone.h5")
    assert main("evaluate", *weights, *data, "--game_episodes", 2, "--workers", 2) == 0
    trained = json.loads((tmp_path / "scores.json").read_text())
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert found["measures"] == trained["measures"]  # its own recordings: the held-out ones again
    assert found["scores"].keys() == {"clone", COMMONEST, "random play"}
    first = found["scores"]["clone"]["mean"]
    assert main("evaluate", *weights, "--game_episodes", 2, "--workers", 1) == 0
    again = json.loads((tmp_path / "evaluation.json").read_text())
    assert again["scores"]["clone"]["mean"] == first  # however many play at a time
    film = tmp_path / "film.mp4"
    assert main("play", *weights, "--output", film, "--steps", 30) == 0
    assert "film in" in capsys.readouterr().out
    assert film.stat().st_size > 1000
