"""Judging codes: probes find what is there and nothing else, errors are those inside things."""

import json

import h5py
import numpy as np
import pytest
from helpers import ROOT, load_script, write_batch

from reverie.artifacts import InputError
from reverie.encoders.__main__ import main
from reverie.encoders.probes import Part, place_score, presence_scores, standardised
from reverie.encoders.reader import recall_scores
from reverie.encoders.samples import Samples, load_samples
from reverie.encoders.tables import comparison
from reverie.games import game_class
from reverie.rollouts.frames import split_episodes

EPISODES, LENGTH, SIZE = 60, 10, 24


def parts(rng, informed):
    """Return codes with what they shall tell, in training and held out."""
    found = []
    for first in (0, EPISODES):
        episodes = np.repeat(np.arange(first, first + EPISODES), LENGTH)
        shown = rng.random((len(episodes), 2)) < (0.5, 0.1)
        places = rng.normal(size=(len(episodes), 2))
        codes = rng.normal(size=(len(episodes), SIZE))
        if informed:
            codes[:, :2] += 6.0 * shown
            codes[:, 2:4] = 100.0 * places + 7.0
        found.append((Part(codes.astype(np.float32), episodes), shown, places))
    return found


@pytest.mark.parametrize("informed", [True, False])
def test_probes_find_what_is_in_a_code(informed):
    train, test = parts(np.random.default_rng(0), informed)
    codes = standardised(train[0], test[0])
    clear = np.ones_like(train[1])
    scores = presence_scores((codes[0], train[1], clear), (codes[1], test[1], clear))
    places = place_score((codes[0], train[2]), (codes[1], test[2]))
    for score in (*scores, places):
        assert score.low <= score.value <= score.high
    if informed:
        assert min(score.value for score in scores) > 0.97
        assert places.value > 0.99
    else:
        assert max(abs(score.value - 0.5) for score in scores) < 0.12
        assert places.value < 0.1


def test_a_probe_without_both_answers_is_no_probe():
    train, test = parts(np.random.default_rng(0), True)
    always = np.ones_like(train[1])
    labelled = [(part, always, always) for part, *_ in (train, test)]
    assert presence_scores(*labelled) == [None, None]


def synthetic(seed, count=200):
    """Return frames of Doom in which a red square is a fireball and a green one a monster."""
    rng, game = np.random.default_rng(seed), game_class("doomrnn")
    frames = rng.integers(0, 40, (count, 64, 64, 3), dtype=np.uint8)
    masks = np.zeros((count, 64, 64), np.uint8)
    for number in range(count):
        for colour, bit in enumerate(game.objects.values()):
            y, x = rng.integers(4, 56, size=2)
            frames[number, y : y + 5, x : x + 5, colour] = 250
            masks[number, y : y + 5, x : x + 5] = bit
    areas = game.pixels_in_view(masks)
    return Samples(game, frames, np.arange(count) // 5, masks, areas, np.zeros((count, 0)))


def test_recall_falls_where_things_vanish():
    train, test = synthetic(0), synthetic(1)
    pictures = test.frames / 255.0
    scores = recall_scores(train, test, pictures)
    assert min(score.value for score in scores["frame"].values()) > 0.8
    assert scores["reconstruction"] == scores["frame"]
    pictures[(test.masks & 2) > 0] = 0.08  # fireballs
    scores = recall_scores(train, test, pictures.astype(np.float32))["reconstruction"]
    assert scores["fireball"].value < 0.2
    assert scores["monster"].value > 0.7


def test_samples_are_split_as_trainings_are(tmp_path):
    path = write_batch(tmp_path, [6] * 20)
    train, test = load_samples([path], 1000)
    ours, held_out = split_episodes(20)
    assert sorted(set(train.episodes)) == ours
    assert sorted(set(test.episodes)) == held_out
    assert len(train) == 7 * len(ours)
    few, _ = load_samples([path], 50)
    assert 25 <= len(few) <= 50
    assert len(set(few.episodes)) > 10


def test_a_game_without_truth_is_refused(tmp_path):
    path = write_batch(tmp_path, [6] * 4)
    with h5py.File(path, "a") as file:
        for group in file.values():
            del group["infos"]
    with pytest.raises(InputError, match="holds no truth"):
        load_samples([path], 10)


WEIGHTS = ROOT / "pretrained" / "doom_vae.h5"


def test_one_command_evaluates_weights(tmp_path, capsys):
    rollouts = [
        "doomrnn",
        "--policy",
        "wandering",
        "--total_episodes",
        "10",
        "--time_steps",
        "60",
        "--workers",
        "1",
    ]
    load_script("01_generate_data.py").main([*rollouts, "--store_folder", str(tmp_path)])
    line = ["evaluate", "--weights", WEIGHTS, "--rollouts", tmp_path, "--frames", 100]
    line += ["--output_folder", tmp_path / "vae" / "evaluation"]
    assert main(list(map(str, line))) == 0
    folder = tmp_path / "vae" / "evaluation"
    results = json.loads((folder / "evaluation.json").read_text())
    assert 0 < results["mse"]["monster"] < results["mse_mean_frame"]["monster"]
    assert results["mse"]["monster"] > results["mse"]["all"]
    assert set(results["probes"]) == {"code", "random", "pixels"}
    films = ("reconstructions.png", "reconstructions.mp4")
    for name in ("evaluation.md", "metrics.npz", "summary.txt", *films):
        assert (folder / name).stat().st_size > 100
    with np.load(folder / "metrics.npz") as arrays:
        assert arrays["frame_error"].mean() == pytest.approx(results["mse"]["all"], rel=1e-4)
    assert "monster" in comparison({"ours": results})
    capsys.readouterr()
    assert main(["table", "--runs", str(tmp_path / "vae")]) == 0
    assert "| vae |" in capsys.readouterr().out


def test_weights_of_another_game_are_refused(tmp_path, capsys):
    write_batch(tmp_path, [6] * 4)
    line = ["evaluate", "--rollouts", str(tmp_path), "--weights"]
    assert main([*line, str(ROOT / "pretrained" / "carracing_vae.h5")]) == 2
    assert "no rollouts carracing" in capsys.readouterr().err


def test_stage_2_evaluates_at_the_end(tmp_path, capsys):
    script = load_script("02_train_vae.py").main
    rollouts = ["doomrnn", "--total_episodes", "10", "--time_steps", "20", "--workers", "1"]
    load_script("01_generate_data.py").main([*rollouts, "--store_folder", str(tmp_path)])
    line = ["--input_data_folder", tmp_path, "--savefolder", tmp_path / "vae", "--epochs", 1]
    line = [str(word) for word in [*line, "--architecture", "conv_maxpool", "--evaluate"]]
    assert script(line) == 0
    path = tmp_path / "vae" / "evaluation" / "evaluation.json"
    written = path.stat().st_mtime_ns
    assert json.loads(path.read_text())["architecture"] == "conv_maxpool"
    assert script(line) == 0
    assert path.stat().st_mtime_ns == written
    assert "nothing to do" in capsys.readouterr().out
