"""All stages one after the other, as a user runs them, and what they leave on the disk."""

import json
import shlex
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import record_flags
from helpers import STAGES, assert_same_rollouts, copy_run, held, load_script, run_stage

from reverie.artifacts import file_hash, read_json_lines
from reverie.controllers.controller import load_controller
from reverie.headers import Recorded, RolloutsHeader, WeightsHeader, open_header
from reverie.latents.storage import Latents
from reverie.lineage import known_vae
from reverie.locks import NAME as LOCK
from reverie.reports.page import generation_curves, write_report
from reverie.rollouts.identity import rollouts_identity
from reverie.runs import RunFolder

VERBATIM = {
    "01_generate_data.py": [
        "doomrnn --total_episodes 2000 --batch_size 200 --store_folder training_data_folder/"
    ],
    "02_train_vae.py": [
        "--savefolder trained_models_folder/ --input_data_folder training_data_folder/ "
        "--epochs 10 --start_batch 0 --max_batch 9 --new_model"
    ],
    "03_generate_rnn_data.py": [
        "--obs_folder training_data_folder/ --loaded_vae_weights "
        "trained_models_folder/final_full_vae_weights.h5 --savefolder trained_models_folder/"
    ],
    "04_train_rnn.py": [
        "--upper_level_folder_name trained_rnn_models --skip_ahead 3 --epochs 1000 "
        "--num_mixtures 5 --output_folder_name run_1 "
        "--training_data_file trained_models_folder/rnn_format_data/rnn_training_data.npz"
    ],
    "05_train_controller.py": ["doomrnn --vae_weights v.h5 --rnn_weights r.h5"],
    "06_critic_masks.py": [
        "train-critic --crafter-windowsize 20 --crafter-dataset-size 50000 --crafter-epochs 400",
        "masks --image FRAME.png",
    ],
}


@pytest.mark.parametrize(("script", "flags"), [(s, f) for s, fs in VERBATIM.items() for f in fs])
def test_published_commands_parse(script, flags):
    load_script(script).parse_args(flags.split())


def test_random_play_holds_its_actions_unless_another_policy_is_asked_for(tmp_path):
    numbers = shlex.split("doomrnn --total_episodes 1 --batch_size 1 --time_steps 20 --workers 1")
    assert run_stage("01_generate_data.py", *numbers, "--store_folder", tmp_path).returncode == 0
    assert open_header(tmp_path / "doomrnn_0.h5", RolloutsHeader).policy == "held_random"


def test_published_commands_mean_what_they_meant():
    def parsed(script):
        return load_script(script).parse_args(VERBATIM[script][0].split())

    record = parsed("01_generate_data.py")
    assert (record.game, record.total_episodes, record.batch_size) == ("doomrnn", 2000, 200)
    train = parsed("02_train_vae.py")
    assert (train.epochs, train.start_batch, train.max_batch) == (10, 0, 9)
    assert train.new_model
    assert str(train.input_data_folder) == "training_data_folder"
    encode = parsed("03_generate_rnn_data.py")
    assert str(encode.savefolder) == "trained_models_folder"
    dream = parsed("04_train_rnn.py")
    assert (dream.skip_ahead, dream.epochs, dream.num_mixtures) == (3, 1000, 5)
    assert str(dream.upper_level_folder_name / dream.output_folder_name) == (
        "trained_rnn_models/run_1"
    )
    assert dream.training_data_file == encode.savefolder / "rnn_format_data/rnn_training_data.npz"


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        ("01_generate_data.py", "doomrnn --total_episodes 0"),
        ("01_generate_data.py", "doomrnn --difficulty 6"),
        ("02_train_vae.py", "--epochs 0"),
        *(("02_train_vae.py", f"--learning_rate {rate}") for rate in ("nan", "0", "-1", "1e30")),
        ("02_train_vae.py", "--seed -1"),
        ("02_train_vae.py", "--detail_weight inf"),
        ("04_train_rnn.py", "--num_mixtures 0"),
        ("04_train_rnn.py", "--patience 0"),
        ("04_train_rnn.py", "--learning_rate inf"),
        ("06_critic_masks.py", "all --patience 0"),
        ("06_critic_masks.py", "all --discount 0"),
        ("04_train_rnn.py", "--data_scaling_factor 0"),
        ("05_train_controller.py", "doomrnn --vae_weights v --rnn_weights r --temperature -1"),
        ("05_train_controller.py", "doomrnn --vae_weights v --rnn_weights r --population 2"),
        ("05_train_controller.py", "doomrnn --vae_weights v --rnn_weights r --temperature nan"),
        ("05_train_controller.py", "doomrnn --vae_weights v --rnn_weights r --temperature inf"),
        ("05_train_controller.py", "doomrnn --vae_weights v --rnn_weights r --time_steps 0"),
        (
            "05_train_controller.py",
            "doomrnn --vae_weights v --rnn_weights r --sigma_temperature -1",
        ),
    ],
)
def test_impossible_flags_are_refused(script, flags, capsys):
    with pytest.raises(SystemExit) as ending:
        load_script(script).parse_args(flags.split())
    assert ending.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("script", STAGES)
def test_help_shows_commands_to_copy(script, capsys):
    with pytest.raises(SystemExit):
        load_script(script).parse_args(["--help"])
    assert capsys.readouterr().out.count(f"python {script}") >= 2


def test_rollouts(run):
    assert sorted(p.name for p in run.rollouts.glob("*.h5")) == ["doomrnn_0.h5", "doomrnn_1.h5"]
    seeds = []
    for number in range(2):
        path = run.rollouts / f"doomrnn_{number}.h5"
        header = open_header(path, RolloutsHeader)
        assert header.total_episodes == 6
        assert header.env_id == "VizdoomTakeCover"
        assert header.options == {"difficulty": 4, "time_steps": 120}
        with h5py.File(path) as file:
            for group in file.values():
                check_episode(group)
                seeds.append(int(group.attrs["seed"]))
    assert len(set(seeds)) == 12


def check_episode(group):
    steps = group.attrs["total_steps"]
    kinds = {name: (group[name].shape, group[name].dtype) for name in group if name != "infos"}
    assert kinds == {
        "observations": ((steps + 1, 64, 64, 3), np.uint8),
        "actions": ((steps, 1), np.float32),
        "rewards": ((steps,), np.float32),
        "terminations": ((steps,), bool),
        "truncations": ((steps,), bool),
    }
    assert all(len(values) == steps + 1 for values in group["infos"].values())
    assert {"health", "damage", "monsters", "fireballs", "object_mask"} <= set(group["infos"])
    ended = group["terminations"][:] | group["truncations"][:]
    assert ended.tolist() == [False] * (steps - 1) + [True]
    assert group["terminations"][-1] == (group["infos/health"][-1] == 0)


def test_number_of_workers_does_not_change_the_data(run, tmp_path):
    result = run_stage(*run.commands["01"][:1], *record_flags(tmp_path, workers=1))
    assert result.returncode == 0, result.stderr
    for number in range(2):
        name = f"doomrnn_{number}.h5"
        assert_same_rollouts(run.rollouts / name, tmp_path / name)


def test_vae(run):
    header = open_header(run.vae_weights, WeightsHeader, network="VAE", game="doomrnn")
    assert header.config["latent_size"] == 8
    assert header.preprocessing == 1
    rows = read_json_lines(run.vae / "metrics.jsonl", "write it anew")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["loss"] < rows[0]["loss"]
    assert all(np.isfinite(row["mse"]) for row in rows)
    for name in ("epoch_001.png", "epoch_002.png"):
        assert (run.vae / "reconstructions" / name).read_bytes()[:4] == b"\x89PNG"
    check_run_folder(run.vae)


def check_run_folder(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["command"].split()[0] in STAGES
    assert config["inputs"]
    for name, entry in config["inputs"].items():
        path = Path(entry["path"])
        is_batch = name == path.name
        assert entry["hash"] == (rollouts_identity([path])[name] if is_batch else file_hash(path))
    assert list(folder.glob("logs/*tfevents*")) or not (folder / "checkpoint.h5").exists()
    assert not [p.name for p in folder.rglob(".*.tmp")]


def test_latents(run):
    latents = Latents(run.latents)
    frames = int(latents.lengths.sum()) + 12
    assert len(latents.lengths) == 12
    with np.load(run.latents, allow_pickle=False) as file:
        kinds = {key: (file[key].shape[1:], file[key].dtype) for key in file.files}
        assert len(file["mu"]) == frames
    header = kinds.pop("header")
    assert header[1].kind == "U"
    infos = {key: kinds.pop(key) for key in list(kinds) if key.startswith("infos/")}
    assert infos.keys() >= {"infos/health", "infos/monsters", "infos/position_y"}
    assert {shape for shape, _ in infos.values()} == {()}
    assert kinds == {
        "mu": ((8,), np.float16),
        "logvar": ((8,), np.float16),
        "actions": ((1,), np.float32),
        "rewards": ((), np.float32),
        "terminations": ((), bool),
        "truncations": ((), bool),
        "episode_lengths": ((), np.int64),
        "policy_index": ((), np.int64),
        "batch_index": ((), np.int64),
    }
    assert latents.batch_index.tolist() == [0] * 6 + [1] * 6
    assert latents.header.vae == file_hash(run.vae_weights)
    first = latents.arrays["actions"][: latents.lengths[0]]
    with h5py.File(run.rollouts / "doomrnn_0.h5") as file:
        np.testing.assert_array_equal(first, file["episode_00000/actions"])


def test_rnn(run):
    header = open_header(run.rnn_weights, WeightsHeader, network="MDNRNN", game="doomrnn")
    config = header.config
    assert (config["latent_size"], config["units"], config["action_size"]) == (8, 32, 1)
    assert header.vae == file_hash(run.vae_weights)
    lengths = tuple(Latents(run.latents).lengths.tolist())
    assert header.recorded == Recorded(
        ("held_random",), (0,) * 12, lengths, {"difficulty": 4, "time_steps": 120}
    )
    assert header.notes["latents"] == file_hash(run.latents)
    assert known_vae(run.rnn_weights, header).samefile(run.vae_weights)
    scores = json.loads((run.rnn / "scores.json").read_text())
    assert len(scores["nats_per_frame"]) == 3
    assert np.isfinite(list(scores["nats_per_frame"].values())).all()
    for name in ("curves.png", "hazard.png"):
        assert (run.rnn / name).read_bytes()[:4] == b"\x89PNG"
    check_run_folder(run.rnn)


def test_controller(run):
    controller, parameters, header = load_controller(run.controller)
    assert (controller.inputs, controller.size) == (8 + 32, 40)
    assert parameters.shape == (40,)
    assert header.game == "doomrnn"
    result = json.loads((run.search / "scores.json").read_text())
    assert {"dream", "game", "held_random", "constant"} <= set(result["scores"])
    for score in result["scores"].values():
        assert score["episodes"] == 3
        assert score["interval"][0] <= score["mean"] <= score["interval"][1]
    rows = read_json_lines(run.search / "metrics.jsonl", "write it anew")
    assert [row["generation"] for row in rows] == [1, 2]
    assert b"ftyp" in (run.search / "film.mp4").read_bytes()[:12]
    check_run_folder(run.search)


@pytest.mark.parametrize("number", ["01", "02", "03", "04", "05"])
def test_a_finished_stage_says_so(run, number):
    before = run.files()
    result = run.again(number)
    assert result.returncode == 0, result.stderr
    assert "nothing to do" in result.stdout
    assert run.files() == before


@pytest.mark.parametrize(
    ("number", "flag", "folder"),
    [
        ("02", "--savefolder", "."),
        ("03", "--savefolder", "rnn_format_data"),
        ("04", "--upper_level_folder_name", "rnn"),
        ("05", "--output_folder", "."),
    ],
)
def test_a_folder_has_one_writer_at_a_time(run, tmp_path, number, flag, folder):
    line = [tmp_path if before == flag else word for before, word in pairs(run.commands[number])]
    with held(tmp_path / folder) as owner:
        result = run_stage(*line)
    assert result.returncode == 2, result.stderr
    (refusal,) = [text for text in result.stderr.splitlines() if text.startswith("error: ")]
    assert f"{tmp_path / folder}: process {owner.pid} on " in refusal
    assert "has been writing here since" in refusal
    assert [path.name for path in (tmp_path / folder).iterdir()] == [LOCK]


def pairs(line):
    """Return every word of a command with the word before it."""
    return zip([None, *line], line)


def test_shares_encoded_by_several_jobs_are_joined(run, tmp_path, capsys):
    flags = ["--obs_folder", run.rollouts, "--loaded_vae_weights", run.vae_weights]
    line = [str(word) for word in (*flags, "--savefolder", tmp_path)]
    stage = load_script("03_generate_rnn_data.py")
    assert stage.main([*line, "--share", "1/2"]) == 0
    assert "encoded share 1 of 2, 1 of 2 batches" in capsys.readouterr().out
    result = tmp_path / "rnn_format_data" / run.latents.name
    (parts,) = result.parent.glob(".parts_*")
    assert [path.name[:9] for path in parts.glob("*.npz")] == ["doomrnn_1"]
    assert not result.exists()
    with held(parts / "share_1_of_2"):
        assert stage.main(line) == 2
        assert "has been writing here since" in capsys.readouterr().err
        assert stage.main([*line, "--share", "0/2"]) == 0
    before = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert len(before) == 2
    assert stage.main(line) == 0
    ours, theirs = Latents(run.latents), Latents(result)
    assert ours.header == theirs.header
    assert ours.arrays.keys() == theirs.arrays.keys()
    for key in ours.arrays:
        np.testing.assert_array_equal(ours.arrays[key], theirs.arrays[key])
    assert not parts.exists()
    assert stage.main([*line, "--share", "0/2"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_controller_records(run, tmp_path):
    moved = shutil.copytree(run.root, tmp_path / "moved")
    controller = moved / run.controller.relative_to(run.root)
    flags = record_flags(tmp_path, workers=2, policy=controller)
    result = run_stage("01_generate_data.py", *flags, "--total_episodes", 2)
    assert result.returncode == 0, result.stderr
    path = tmp_path / "doomrnn_0.h5"
    assert open_header(path, RolloutsHeader).policy == f"controller:{file_hash(run.controller)}"
    with h5py.File(path) as file, h5py.File(run.rollouts / "doomrnn_0.h5") as random:
        check_episode(file["episode_00000"])
        actions = [f["episode_00000/actions"][:20] for f in (file, random)]
        assert (actions[0] != actions[1]).any()


def test_evolving_in_the_game(run, tmp_path):
    command = [*run.commands["05"], "--train_in", "game", "--output_folder", tmp_path]
    result = run_stage(*command)
    assert result.returncode == 0, result.stderr
    assert "generation 2: game mean" in result.stdout
    parameters, header = load_controller(tmp_path / "controller.h5")[1:]
    assert header.train_in == "game"
    assert (parameters != load_controller(run.controller)[1]).any()
    result = run_stage(*command, "--train_in", "dream", "--generations", 3)
    assert result.returncode == 2
    assert "of a search with {'train_in': 'game'}" in result.stderr


def test_report(run, tmp_path):
    copy_run(run.root, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    write_report(run)
    text = run.report.read_text()
    assert text.count("data:image/png;base64,") >= 6
    assert "data:video/mp4;base64," in text
    assert 'src="http' not in text
    for row in ("controller, in the game", "controller, in its dream"):
        assert f"<td>{row}</td>" in text
    assert "<td>random play (held actions), in the game</td>" in text
    for stage in ("record", "train the VAE", "encode", "train the MDN-RNN", "all"):
        assert f"<td>{stage}</td>" in text
    run.costs.unlink()
    write_report(run)
    assert "processor minutes" not in run.report.read_text()


def test_the_search_is_a_curve_over_all_generations(run):
    curves, *labels = generation_curves(run.search)
    history = read_json_lines(run.search / "metrics.jsonl", "write it anew")
    assert curves["mean of the candidates, in the dream"] == ([1, 2], [r["mean"] for r in history])
    assert curves["best of the candidates, in the dream"] == ([1, 2], [r["best"] for r in history])
    for name in ("dream", "game"):
        numbers, means, _ = curves[f"mean of the search, in the {name}"]
        assert (numbers, means) == ([2], [history[-1][f"{name}_score"]["mean"]])
    assert labels == ["generation", "score (bands: standard error)"]
