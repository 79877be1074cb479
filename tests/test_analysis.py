"""The analyses as a user runs them: the command, what it refuses, its notebooks."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import SEED
from helpers import ROOT

from reverie.artifacts import InputError, file_hash
from reverie.controllers.controller import load_controller
from reverie.lineage import find_networks
from reverie.mixtures.__main__ import main
from reverie.mixtures.detectors import (
    detection_accuracy,
    load_detector,
    open_detector,
    scene_of,
    smoothed,
)
from reverie.mixtures.networks import check_networks
from reverie.mixtures.recordings import around_explosion, encode_recordings, find_recordings
from reverie.mixtures.scenes import Scene
from reverie.mixtures.tables import creativity_rows
from reverie.mixtures.training_runs import read_runs, training_table
from reverie.mixtures.world_model import load_world_model
from reverie.reports.export import export
from reverie.reports.notebooks import absent, execute
from reverie.reports.notebooks import parameters as parameters_of
from reverie.reports.tables import markdown

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PRETRAINED = ROOT / "pretrained"
SMALL = ["--episodes", 2, "--dreams", 10, "--steps", 60]


def flags(run, folder, **changes):
    line = {
        "--rollouts": run.rollouts,
        "--vae_weights": run.vae_weights,
        "--rnn_weights": run.rnn_weights,
        "--output_folder": folder,
    } | changes
    return [str(word) for pair in line.items() for word in pair] + list(map(str, SMALL))


@pytest.fixture(scope="module")
def analysed(run, tmp_path_factory):
    """Return where the command wrote its figures and numbers."""
    folder = tmp_path_factory.mktemp("an analysis")
    assert main(flags(run, folder)) == 0
    return folder


def test_the_command_writes_numbers_and_figures(analysed):
    whole = json.loads((analysed / "analysis.json").read_text())
    network = whole["networks"]["rnn"]
    assert network["components"] == 5
    for part in ("real", "dreams", "dreams_earlier", "committed", "creativity", "reality"):
        assert network[part]
    assert set(network["creativity"]) == {"0.5", "1", "1.5"}
    assert np.shape(network["committed"]["per_1000"]) == (5, 2, 9)
    use = network["real"]["use"]
    assert sum(use["weight"]) == pytest.approx(1.0, abs=1e-4)
    assert 1.0 <= use["effective"] <= 5.0
    assert set(network["detector"]) == set(network["committed"]["labels"])
    rows = creativity_rows(whole["networks"])
    assert [(row["components"], row["temperature"]) for row in rows] == [
        ("5", temperature) for temperature in ("0.5", "1", "1.5")
    ]
    rate = network["creativity"]["1"]["rates"]["creativity"]
    assert rows[1]["creativity, per 1,000"] == rate["per_1000"]
    assert [row["run"] for row in whole["training"]] == ["rnn"]
    pictures = {path.name for path in analysed.rglob("*.png")}
    assert {
        "training.png",
        "creativity.png",
        "committed.png",
        "situations_real.png",
        "events_dreams.png",
    } <= pictures


def test_the_command_again_does_nothing(run, analysed, capsys):
    before = {path: file_hash(path) for path in analysed.rglob("*") if path.is_file()}
    assert main(flags(run, analysed)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert before == {path: file_hash(path) for path in analysed.rglob("*") if path.is_file()}


def refused(capsys, line, *parts):
    assert main(line) == 2
    (error,) = [row for row in capsys.readouterr().err.splitlines() if row.startswith("error")]
    for part in parts:
        assert str(part) in error


def test_bad_input_of_the_command(run, tmp_path, capsys):
    folder = tmp_path / "out"
    missing = tmp_path / "none.h5"
    refused(capsys, flags(run, folder, **{"--rnn_weights": missing}), missing, "04_train_rnn.py")
    refused(capsys, flags(run, folder, **{"--vae_weights": missing}), missing, "02_train_vae.py")
    refused(capsys, flags(run, folder, **{"--rollouts": missing}), missing, "01_generate_data.py")
    swapped = flags(run, folder, **{"--vae_weights": run.rnn_weights})
    refused(capsys, swapped, run.rnn_weights, "holds no VAE")
    twice = flags(run, folder)
    twice.insert(twice.index("--rnn_weights") + 1, str(run.rnn_weights))
    refused(capsys, twice, "two networks are called 'rnn'")
    assert not folder.exists()


def spoiled(run, tmp_path, **changes):
    """Return a copy of the MDN-RNN with other notes or another configuration."""
    path = tmp_path / "run_2.h5"
    path.write_bytes(run.rnn_weights.read_bytes())
    with h5py.File(path, "a") as file:
        for attribute, change in changes.items():
            content = json.loads(file.attrs[attribute]) | change
            file.attrs[attribute] = json.dumps(content)
    return path


def test_networks_that_cannot_be_analysed(run, tmp_path, capsys):
    other = spoiled(run, tmp_path, notes={"vae": "0" * 16})
    line = flags(run, tmp_path / "out", **{"--rnn_weights": other})
    refused(capsys, line, other, "latents of another VAE")
    apart = spoiled(run, tmp_path, config={"mixture": "per_dim"})
    with h5py.File(apart, "a") as file:
        del file["weights/mdnrnn/head/bias"]
        file["weights/mdnrnn/head/bias"] = np.zeros(3 * 5 * 8 + 2, np.float32)
    line = flags(run, tmp_path / "out", **{"--rnn_weights": apart})
    refused(capsys, line, apart, "--mixture joint")
    check_networks(run.vae_weights, apart, joint=False)


def test_rollouts_without_ground_truth(tmp_path):
    from helpers import write_batch

    write_batch(tmp_path, [5] * 3)
    with pytest.raises(InputError, match="lacks the ground truth 'monsters'"):
        find_recordings(tmp_path, 2, held_out=True)


def test_held_out_episodes_are_those_of_training(run):
    (held_out,) = find_recordings(run.rollouts, 50, held_out=True)
    known = find_recordings(run.rollouts, 50, held_out=False)
    assert len(known) == 11
    assert held_out not in known
    assert held_out == (run.rollouts / "doomrnn_1.h5", "episode_00003")  # the tenth of twelve
    assert len(find_recordings(run.rollouts, 4, held_out=False)) == 4


def test_recordings(run):
    world_model = load_world_model(run.vae_weights, run.rnn_weights)
    assert set(world_model.policies) == {"held_random"}
    recordings = encode_recordings(
        world_model.vae, find_recordings(run.rollouts, 3, held_out=False)
    )
    for recording in recordings:
        steps = len(recording.actions)
        assert recording.mu.shape == (steps + 1, 8)
        assert len(recording.scene) == steps + 1
        assert recording.frames().shape == (steps + 1, 64, 64, 3)
    found, start = around_explosion(recordings, 20)
    assert 0 <= start < len(found.actions)


def test_the_stretch_around_an_explosion():
    from reverie.mixtures.recordings import Recording

    def recording(at):
        nothing = np.zeros(101, int)
        explosion = nothing > 0
        explosion[at] = True
        scene = Scene(nothing, nothing, explosion, nothing > 0, nothing > 0)
        return Recording(None, "", *np.zeros((2, 101, 2)), np.zeros((100, 1)), scene)

    early, late, middle = recording(3), recording(99), recording(50)
    assert around_explosion([early, late, middle], 20) == (middle, 40)
    assert around_explosion([early, late], 20)[1] == 0


def test_the_detector_is_kept_and_belongs_to_its_vae(run, analysed, tmp_path):
    world_model = load_world_model(run.vae_weights, run.rnn_weights)
    path = analysed / "detector.h5"
    before = file_hash(path)
    scene_detector = open_detector(path, world_model.vae, run.vae_weights, run.rollouts)
    assert file_hash(path) == before
    (held_out,) = encode_recordings(
        world_model.vae, find_recordings(run.rollouts, 1, held_out=True)
    )
    scene = scene_detector.scene(held_out.mu)
    assert len(scene) == len(held_out.mu)
    assert scene.monsters.min() >= scene_detector.notes["floor"]["monsters"]
    other = tmp_path / "other.h5"
    other.write_bytes(run.vae_weights.read_bytes() + b" ")
    with pytest.raises(InputError, match="another VAE"):
        open_detector(path, world_model.vae, other, run.rollouts)


def test_counts_begin_at_their_floor():
    statements = [("fireballs", 1), ("fireballs", 2), ("monsters", 3), ("explosion", 1)]
    holds = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]], bool)
    scene = scene_of(holds, statements, {"monsters": 2, "fireballs": 0})
    assert scene.fireballs.tolist() == [2, 1, 1]
    assert scene.monsters.tolist() == [2, 3, 3]
    assert scene.explosion.tolist() == [False, False, True]
    assert not scene.left_wall.any()


def test_a_detector_does_not_flicker():
    holds = np.array([0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0], bool)[:, None]
    smooth = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert smoothed(holds)[:, 0].astype(int).tolist() == smooth


def test_judging_a_detector():
    """Half of the explosion found, one false; an event counts up to three frames away."""
    nothing = np.zeros(40, int)

    def scene(explosion, monsters):
        on = nothing > 0
        on[explosion] = True
        return Scene(monsters, nothing, on, nothing > 0, nothing > 0)

    count = np.where(np.arange(40) >= 25, 3, 2)
    found = detection_accuracy(
        [scene([10, 11, 12, 13], count)], [scene([12, 13, 39], np.roll(count, 3) | (count > 2))]
    )
    row = found["explosion"]
    assert (row["prevalence"], row["precision"], row["recall"]) == (0.1, pytest.approx(2 / 3), 0.5)
    assert row["accuracy"] == pytest.approx((0.5 + 35 / 36) / 2)
    assert found["monster appears"]["recall"] == 1.0
    assert found["left wall"]["recall"] is None


def test_training_runs_are_read(run, tmp_path):
    runs = read_runs([run.root / "rnn", run.rnn])
    assert [r.name for r in runs] == ["rnn", "rnn"]
    assert (runs[0].mixtures, runs[0].mixture, runs[0].seed) == (5, "joint", SEED)
    row = training_table(runs)[0]
    scores = json.loads((run.rnn / "scores.json").read_text())["nats_per_frame"]
    assert row["held out"] == pytest.approx(scores["mixture"])
    assert row["one component"] == pytest.approx(scores["one component"])
    with pytest.raises(InputError, match="no run with a metrics"):
        read_runs([tmp_path])
    with pytest.raises(InputError, match="no training of an MDN-RNN"):
        read_runs([run.search])


def test_tables():
    rows = [{"name": "a", "share": 0.1234, "n": 3}, {"name": "b", "share": None, "n": [1, 2]}]
    expected = ["| name | share | n |", "| --- | ---: | ---: |", "| a | 0.123 | 3 |"]
    assert markdown(rows).splitlines() == [*expected, "| b | – | 1, 2 |"]


def test_exported_weights_dream_the_same(run, analysed, tmp_path):
    inputs = run.vae_weights, run.rnn_weights
    files = analysed / "detector.h5", run.controller
    vae_path, rnn_path, detector, controller = export(*inputs, tmp_path, "tiny", *files)
    assert load_detector(detector, vae_path)[1]["accuracy"]
    world_model = load_world_model(vae_path, rnn_path)
    original = load_world_model(run.vae_weights, run.rnn_weights)
    for ours, theirs in zip(world_model.rnn.weights, original.rnn.weights):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
    assert rnn_path.stat().st_size < 0.7 * run.rnn_weights.stat().st_size
    with h5py.File(rnn_path) as file:
        origin = json.loads(file.attrs["notes"])["origin"]
    assert origin["command"].startswith("04_train_rnn.py")
    assert origin["scores"]["nats_per_frame"]
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    _, parameters, header = load_controller(moved / controller.name)
    assert find_networks(moved / controller.name, header) == (
        moved / vae_path.name,
        moved / rnn_path.name,
    )
    np.testing.assert_array_equal(parameters, load_controller(files[1])[1])


def test_pretrained_weights_belong_together():
    world_model = load_world_model(PRETRAINED / "doom_vae.h5", PRETRAINED / "doom_rnn_joint.h5")
    assert world_model.rnn.num_mixtures == 5
    scene_detector = open_detector(
        PRETRAINED / "doom_detector.h5",
        world_model.vae,
        PRETRAINED / "doom_vae.h5",
        Path("nowhere"),
    )
    assert scene_detector.accuracy["explosion"]["recall"] > 0.9
    assert scene_detector.accuracy["fireball"]["precision"] > 0.8


# Notebooks.


def parameters(run, masks_run, name, folder):
    """Return the parameters of a notebook with which it runs on small artifacts."""
    world_model = {"vae_weights": run.vae_weights, "rnn_weights": run.rnn_weights}
    looked = world_model | {"rollouts": run.rollouts, "detector": folder / "detector.h5"}
    return {
        "1": looked | {"episodes": 2, "dreams": 4, "steps": 60},
        "2": looked | {"episodes": 2, "steps": 40},
        "3": looked | {"output": folder, "dreams": 2, "steps": 40},
        "4": {"folders": [str(run.rnn)]},
        "5": looked | {"episodes": 2, "steps": 20},
        "6": world_model
        | {"controller": run.controller, "scores": run.search / "scores.json"}
        | {"dreams": 3, "steps": 40},
        "7": {"folder": masks_run.parent, "shown": 4},
    }[name[0]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(run, masks_run, analysed, tmp_path, path):
    values = parameters(run, masks_run, path.stem, analysed)
    values = {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}
    execute(path, tmp_path / path.name, values)
    cells = json.loads((tmp_path / path.name).read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [cell for cell in cells if "papermill" in cell["metadata"]]


def test_a_notebook_that_fails_is_named(tmp_path):
    folder = tmp_path / "none"
    with pytest.raises(InputError, match=r"4_training_performance.*no run with a metrics"):
        execute(NOTEBOOKS[3], tmp_path / "out.ipynb", {"folders": [str(folder)]})
    assert not list(tmp_path.iterdir())


def test_notebooks_run_on_another_run(tmp_path):
    assert parameters_of(NOTEBOOKS[3], ROOT / "runs" / "doom") == {}
    assert parameters_of(NOTEBOOKS[3], tmp_path) == {
        "folders": ["../pretrained/runs", f"{tmp_path}/rnn"]
    }
    assert parameters_of(NOTEBOOKS[0], tmp_path) == {"rollouts": f"{tmp_path}/rollouts"}
    assert parameters_of(NOTEBOOKS[6], tmp_path) == {}


def test_a_notebook_without_its_own_run_is_left_out():
    assert not [path for notebook in NOTEBOOKS[:6] for path in absent(notebook)]
    run = "../runs/masks"
    assert absent(NOTEBOOKS[6]) == ([] if (ROOT / "notebooks" / run).exists() else [run])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebooks(path):
    """Stored with their outputs, small, one tagged cell of parameters, no logic of their own."""
    assert path.stat().st_size < 1.2e6
    cells = json.loads(path.read_text())["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell["outputs"])
    assert not [o for cell in code for o in cell["outputs"] if o["output_type"] == "error"]
    source = "".join("".join(cell["source"]) for cell in code)
    assert "def " not in source
    assert cells[0]["source"][0].startswith("# ")
    assert cells[-1]["source"][0].startswith("## What was found")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_rests_on_the_detector_says_how_good_it_is(path):
    """Its held-out accuracy stands below every figure and table that a detector's word is in."""
    cells = json.loads(path.read_text())["cells"]
    detected = {"scene_detector"}
    for cell in [cell for cell in cells if cell["cell_type"] == "code"]:
        source = "".join(line for line in cell["source"] if not line.startswith("%"))
        names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        used = {node.id for node in names}
        if used & detected and "open_detector" not in used:
            detected |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
            shows = any("data" in output for output in cell["outputs"])
            assert not shows or used & {"note", "accuracy_table"}, source


def test_there_are_seven_notebooks():
    assert [path.name[0] for path in NOTEBOOKS] == list("1234567")


def test_the_command_is_light_until_it_runs():
    code = "import reverie.mixtures.__main__, sys; print('tensorflow' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    assert result.stdout.strip() == "False", result.stderr
