"""Stage 6 on real rollouts of Crafter: labels, measures, methods, and all of its commands."""

import csv
import dataclasses
import json

import cv2
import h5py
import numpy as np
import pytest
from conftest import MASKS
from helpers import OPTIONS, copy_run, load_script, make_episode

from reverie.artifacts import InputError
from reverie.games.crafter import COLUMNS, ROWS, SEMANTIC
from reverie.masks.evaluation import table
from reverie.masks.export import export
from reverie.masks.labelled_frames import (
    NEVER,
    Choice,
    LabelledFrames,
    frame_values,
    open_labelled_frames,
    split_worlds,
    steps_to_reward,
)
from reverie.masks.measures import (
    area_under_curve,
    balanced_accuracy,
    best_threshold,
    cell_means,
    overlap,
)
from reverie.masks.methods import colour_distance, full_mask
from reverie.masks.refinement import best_radius, refined
from reverie.masks.show import networks_folder, views
from reverie.rollouts.recording import Recorder
from reverie.rollouts.storage import find_batches, iterate_episodes, merge_episodes, write_episode


@pytest.fixture(scope="module")
def paths(gathered):
    return find_batches(gathered, "crafter")


def stage(*flags):
    return load_script("06_critic_masks.py").main(list(map(str, flags)))


def refuse(capfd, parts, *flags):
    capfd.readouterr()
    assert stage(*flags) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    for part in parts:
        assert str(part) in errors[0], errors[0]


# Labels


def test_steps_count_down_to_the_frame_before_the_reward():
    earned = np.array([0, 0, 1, 0, 1, 0, 0, 0], bool)
    ended = steps_to_reward(earned, horizon=3, over=True)
    np.testing.assert_array_equal(ended, [2, 1, 0, 1, 0, NEVER, NEVER, NEVER, NEVER])
    cut_off = steps_to_reward(earned, horizon=3, over=False)
    np.testing.assert_array_equal(cut_off, [2, 1, 0, 1, 0, NEVER, -1, -1, -1])


def test_values_fall_with_the_steps_and_end_with_the_window():
    steps = np.array([0, 1, 4, 5, NEVER, -1])
    half = frame_values(steps, Choice("crafter", windowsize=5, discount=0.5))
    np.testing.assert_allclose(half, [1.0, 0.5, 0.0625, 0.0, 0.0, 0.0])
    flat = frame_values(steps, Choice("crafter", windowsize=5))
    np.testing.assert_array_equal(flat, [1, 1, 1, 0, 0, 0])


def test_the_labelled_frame_still_shows_the_tree_and_the_next_one_does_not(paths):
    """The published fork calls the next frame positive, in which the tree is gone."""
    from reverie.games import game_class

    seen = 0
    for _, _, episode in iterate_episodes(paths):
        infos = {name: values[:] for name, values in episode["infos"].items()}
        earned = game_class("crafter").earned("wood", episode["rewards"][:], infos)
        steps = steps_to_reward(earned, 5, False)
        for t in np.flatnonzero(steps[:-1] == 0):
            x, y = infos["facing"][t] + (COLUMNS // 2, ROWS // 2)
            assert infos["semantic"][t, y, x] == SEMANTIC["tree"]
            assert infos["semantic"][t + 1, y, x] == SEMANTIC["grass"]
            seen += 1
    assert seen >= 4


def test_worlds_are_split_once():
    split = split_worlds(35)
    assert split["test"] == [9, 19, 29]
    assert split["validation"] == [8, 18, 28]
    assert sorted(n for worlds in split.values() for n in worlds) == list(range(35))
    assert split_worlds(3) == {"train": [0], "validation": [1], "test": [2]}
    with pytest.raises(InputError, match="at least 3"):
        split_worlds(2)


def test_moments_are_balanced_unique_cut_and_true(paths, tmp_path):
    choice = Choice("crafter", windowsize=5, dataset_size=80, judged=50)
    labelled = open_labelled_frames(tmp_path / "moments.h5", paths, choice)
    values = labelled.read("train", "values")
    assert labelled.sizes["train"] == len(values) <= 80
    assert (values > 0).sum() == (values == 0).sum() >= 8
    frames = labelled.read("train")
    assert frames.shape[1:] == (49, 63, 3)
    assert set(np.unique(labelled.read("train", "episodes"))) <= {0, 1}
    assert set(np.unique(labelled.read("validation", "episodes"))) == {2}
    assert set(np.unique(labelled.read("test", "episodes"))) == {3}
    truth = labelled.read("test", "truth")
    with h5py.File(paths[0]) as file:
        group = file["episode_00003"]
        shown = group["observations"][:, :49, :63]
        trees = group["infos/semantic"][:] == SEMANTIC["tree"]
    assert len(truth) == len(shown)
    np.testing.assert_array_equal(labelled.read("test"), shown)
    np.testing.assert_array_equal(cell_means(truth, 7) == 1, trees)
    assert trees.any()


def test_batches_hold_whole_rows_in_another_order_for_another_seed(paths, tmp_path):
    choice = Choice("crafter", windowsize=5, dataset_size=60)
    labelled = open_labelled_frames(tmp_path / "moments.h5", paths, choice)
    frames, values = labelled.read("train"), labelled.read("train", "values")
    batches = list(labelled.batches("train", 8, seed=1))
    assert len(batches) == len(frames) // 8
    rows = {frame.tobytes(): value for frame, value in zip(frames, values)}
    for batch, targets in batches:
        assert [rows[frame.tobytes()] for frame in batch] == targets.tolist()
    again = list(labelled.batches("train", 8, seed=1))
    other = list(labelled.batches("train", 8, seed=2))
    assert all((a[0] == b[0]).all() for a, b in zip(batches, again))
    assert any((a[0] != b[0]).any() for a, b in zip(batches, other))


def test_doom_goes_through_the_same_door(tmp_path):
    """Damage is what a frame of Doom announces, monsters and fireballs are what does it."""
    parts = [tmp_path / f"{number}.h5" for number in range(3)]
    for number, part in enumerate(parts):
        episode = make_episode(12, number)
        damage = np.zeros(13, np.float32)
        damage[7] = 20.0  # between frames 6 and 7
        masks = np.zeros((13, 64, 64), np.uint8)
        masks[:, :8, :8], masks[:, 60:, :] = 2, 4  # a fireball, and what is neither
        infos = {"damage": damage, "object_mask": masks}
        write_episode(part, dataclasses.replace(episode, infos=infos))
    path = tmp_path / "doomrnn_0.h5"
    recorder = Recorder(tmp_path, "doomrnn", None, "held_random", 0, OPTIONS)
    merge_episodes(parts, path, recorder.header())
    choice = Choice("doomrnn", reward="damage", windowsize=3, dataset_size=6)
    labelled = open_labelled_frames(tmp_path / "moments.h5", [path], choice)
    np.testing.assert_array_equal(labelled.read("test", "steps")[:8], [6, 5, 4, 3, 2, 1, 0, NEVER])
    truth = labelled.read("test", "truth")
    assert truth.shape == (13, 64, 64)
    assert truth[:, :8, :8].all()
    assert truth.sum() == 13 * 64


# Measures


def test_area_under_curve_is_the_chance_to_rank_right():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 6, 60) / 6, rng.random(60) < 0.4
    pairs = np.subtract.outer(scores[positive], scores[~positive])
    assert area_under_curve(scores, positive) == pytest.approx(np.mean(np.sign(pairs) / 2 + 0.5))
    assert np.isnan(area_under_curve(scores, np.ones(60, bool)))


def test_a_constant_has_a_balanced_accuracy_of_one_half():
    positive = np.arange(100) < 5
    assert balanced_accuracy(np.zeros(100), positive, 0.5) == 0.5
    assert balanced_accuracy(positive.astype(float), positive, 0.5) == 1.0


def test_the_best_threshold_is_the_best_of_all():
    rng = np.random.default_rng(1)
    truth = rng.random((4, 5, 6)) < 0.3
    scores = np.round(rng.random(truth.shape) + 0.4 * truth, 1)
    best = best_threshold(scores, truth)
    ious = {cut: overlap(scores >= cut, truth)["iou"] for cut in np.unique(scores)}
    assert ious[best] == max(ious.values())


def test_overlap_on_a_small_example():
    truth = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], bool)[:, None]
    masks = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], bool)[:, None]
    numbers = overlap(masks, truth)
    assert numbers["iou"] == pytest.approx(2 / 5)
    assert numbers["frame_iou"] == pytest.approx((1 / 3 + 1) / 2)  # of frames with something
    assert numbers["precision"] == pytest.approx(2 / 4)
    assert numbers["recall"] == pytest.approx(2 / 3)


def test_methods_that_are_not_trained(paths, tmp_path):
    labelled = open_labelled_frames(tmp_path / "moments.h5", paths, Choice("crafter", windowsize=5))
    frames, truth = labelled.read("test"), labelled.read("test", "truth")
    share = overlap(full_mask(frames) >= 1, truth)["iou"]
    assert share == pytest.approx(truth.mean())
    assert 0.0 <= colour_distance(frames).min() < colour_distance(frames).max() <= 1.0


def test_refinement_moves_a_blurred_mask_to_the_edges_and_keeps_what_is_even():
    truth = np.zeros((4, 24, 24), bool)
    truth[:, 8:15, 8:15] = True
    frames = np.where(truth[..., None], 60, 160).repeat(3, axis=-1).astype(np.uint8)
    blurred = np.stack([cv2.blur(mask.astype(np.float32), (9, 9)) for mask in truth])
    noisy = blurred + np.random.default_rng(0).normal(0, 0.15, blurred.shape)

    def iou(scores):
        return overlap(scores >= best_threshold(scores, truth), truth)["iou"]

    radius = best_radius(frames, noisy, truth)
    assert radius > 0
    assert iou(refined(frames, noisy, radius)) > iou(noisy) + 0.1
    assert refined(frames, noisy, 0) is noisy
    even = np.full(truth.shape, 0.3)
    np.testing.assert_allclose(refined(frames, even, 3), even, atol=1e-5)


def test_the_table_has_mean_and_spread():
    def run(iou):
        numbers = {"iou": iou, "frame_iou": 0.5, "precision": 0.5, "recall": 0.5}
        return {"a method": {"pixels": {"threshold": 0.1, "all": numbers}}}

    assert "| a method | 0.500 ± 0.141 |" in table([run(0.4), run(0.6)])
    assert "| a method | 0.400 |" in table([run(0.4)])


# The stage


def test_a_run_leaves_everything(masks_run):
    names = {path.name for path in masks_run.iterdir()}
    assert names >= {"moments.h5", "critic", "local", "vae", "masks", "ceiling"}
    assert names >= {"scores.json", "table.md", "inject.png", "inject.json"}
    with open(masks_run / "critic" / "crafter_critic_training_log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for part in ("train", "val"):
        assert float(rows[0][f"{part}_loss"]) > 0
        assert 0 <= float(rows[0][f"{part}_auc"]) <= 1
        assert 0 <= float(rows[0][f"{part}_balanced_accuracy"]) <= 1
    picture = cv2.imread(str(masks_run / "vae" / "reconstructions" / "epoch_001.png"))
    assert picture.std() > 5
    scores = json.loads((masks_run / "scores.json").read_text())
    learned = ("local critic", "critic-VAE", "guided masks")
    refinable = ("colour distance", "gradient saliency", *learned)
    both = [name for method in refinable for name in (method, f"{method}, refined")]
    assert list(scores["methods"]) == ["full mask", *both, "exact masks (supervised upper bound)"]
    whole = scores["methods"]["full mask"]["pixels"]["all"]
    assert whole["iou"] == pytest.approx(scores["truth_share"])
    assert whole["recall"] == 1.0
    for numbers in scores["methods"].values():
        assert {"threshold", "all", "day"} <= set(numbers["pixels"])
        assert 0.0 <= numbers["cells"]["all"]["iou"] <= 1.0
    edits = json.loads((masks_run / "inject.json").read_text())
    assert set(edits["added"]) == {"frames", "critic", "truth"}


def test_again_there_is_nothing_to_train(masks_run, gathered, capfd):
    before = {p: p.stat().st_mtime_ns for p in masks_run.rglob("*.h5")}
    assert (
        stage("train-critic", "--input_data_folder", gathered, "--savefolder", masks_run, *MASKS)
        == 0
    )
    assert "trained already" in capfd.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in masks_run.rglob("*.h5")}


def test_masks_of_a_picture_and_of_an_episode(masks_run, gathered, tmp_path):
    labelled = LabelledFrames(masks_run / "moments.h5")
    frame = np.pad(labelled.read("test")[0], ((0, 15), (0, 1), (0, 0)))
    cv2.imwrite(str(tmp_path / "frame.png"), frame[..., ::-1])
    strip = tmp_path / "strip.png"
    flags = ("masks", "--savefolder", masks_run)
    assert stage(*flags, "--image", tmp_path / "frame.png", "--output", strip) == 0
    assert cv2.imread(str(strip)).shape[1] > 6 * 63
    film = tmp_path / "film.mp4"
    where = ("--input_data_folder", gathered, "--episode", 1, "--output", film)
    assert stage(*flags, *where) == 0
    assert film.stat().st_size > 1000


def test_shared_networks_mark_the_same(masks_run, tmp_path):
    frames = np.pad(
        LabelledFrames(masks_run / "moments.h5").read("test")[:4], ((0, 0), (0, 15), (0, 1), (0, 0))
    )
    shared = tmp_path / "shared"
    written = export(masks_run, shared)
    assert [path.name for path in written] == ["vae.h5", "local.h5", "masks.h5", "scores.json"]
    assert all(path.stat().st_size < 1e6 for path in written)
    ours, theirs = views(masks_run, frames), views(shared, frames)
    assert list(ours) == list(theirs)
    assert {"difference", "guided masks", "critic-VAE, refined", "guided masks, refined"} <= set(
        ours
    )
    for name in ("own value", "local critic", "guided masks"):
        assert np.abs(ours[name].astype(int) - theirs[name]).mean() < 2.0


def test_whose_networks_are_shown(tmp_path):
    named, usual = tmp_path / "named", tmp_path / "usual"
    assert networks_folder(named, usual, "crafter") == named
    with pytest.raises(InputError, match="no networks of doomrnn"):
        networks_folder(None, usual, "doomrnn")
    usual.mkdir()
    assert networks_folder(None, usual, "crafter") == usual


def test_bad_input(masks_run, gathered, tmp_path, capfd):
    data = ("--input_data_folder", gathered)
    fresh = ("--savefolder", tmp_path / "new")
    cv2.imwrite(str(tmp_path / "big.png"), np.zeros((80, 90, 3), np.uint8))
    masks = ("masks", "--savefolder", masks_run)
    refuse(capfd, ["big.png", "90x80", "64x64"], *masks, "--image", tmp_path / "big.png")
    refuse(capfd, ["none.png", "no picture"], *masks, "--image", tmp_path / "none.png")
    refuse(capfd, ["--episode 9", "0 to 3"], *masks, *data, "--episode", 9)
    refuse(capfd, ["--image", "--episode"], *masks)
    refuse(capfd, ["gold", "wood"], "train-critic", *data, *fresh, "--reward", "gold")
    refuse(capfd, ["never earned", "gatherer"], "all", *data, *fresh, "--reward", "diamond")
    refuse(capfd, ["local.h5", "train-local"], "train-vae", *data, *fresh, *MASKS)
    refuse(capfd, ["critic.h5", "train-critic"], "train-masks", *data, *fresh, *MASKS)
    refuse(capfd, ["no such folder"], "all", *fresh, "--input_data_folder", tmp_path / "x")
    refuse(capfd, ["scores.json", "evaluate"], "table", "--runs", tmp_path)
    other = ("--savefolder", masks_run, *MASKS, "--learning_rate", 0.5)
    refuse(capfd, ["other flags", "--new_model"], "train-critic", *data, *other)


def test_without_truth_there_are_masks_but_no_scores(gathered, tmp_path, capfd):
    folder = tmp_path / "blind"
    copy_run(gathered, folder)
    with h5py.File(folder / "crafter_0.h5", "a") as file:
        for group in file.values():
            del group["infos/semantic"]
    flags = ("--input_data_folder", folder, "--savefolder", tmp_path / "run", *MASKS)
    refuse(capfd, ["not scored", "moments.h5"], "evaluate", *flags)
    assert stage("train-critic", *flags) == 0
