"""`--config FILE.yaml`: defaults of flags, in every stage."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import ROOT, STAGES, load_script, write_batch

from reverie import flags
from reverie.artifacts import InputError
from reverie.models.architectures import ARCHITECTURES

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("game", nargs="?", default="doom")
    parser.add_argument("--epochs", type=flags.positive_int, default=10)
    parser.add_argument("--learning_rate", type=flags.learning_rate)
    parser.add_argument("--kind-of-loss", choices=("mse", "mae"), default="mse")
    parser.add_argument("--runs", type=Path, nargs="+", default=[])
    parser.add_argument("--backgrounds", type=flags.json_object)
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--folder", type=Path, required=True)
    return parser


def read(tmp_path, text, *argv):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return flags.parsed(parser(), ["--config", str(path), *argv])


def test_values_are_read_as_flags_are(tmp_path):
    text = (
        "game: heist\nepochs: 3\nlearning_rate: 1e-4\nkind-of-loss: mae\nruns: [a, b]\n"
        'backgrounds: {"on": false}\nlive: true\nfolder: out\n'
    )
    args = read(tmp_path, text)
    assert vars(args) == {
        "game": "heist",
        "epochs": 3,
        "learning_rate": 1e-4,
        "kind_of_loss": "mae",
        "runs": [Path("a"), Path("b")],
        "backgrounds": {"on": False},
        "live": True,
        "folder": Path("out"),
        "config": tmp_path / "c.yaml",
    }


def test_the_command_line_wins(tmp_path):
    args = read(tmp_path, "epochs: 3\ngame: heist\nfolder: out\n", "chaser", "--epochs", "4")
    assert (args.epochs, args.game, args.folder) == (4, "chaser", Path("out"))


def test_without_a_file_nothing_changes():
    args = flags.parsed(parser(), ["--folder", "out"])
    assert (args.epochs, args.config) == (10, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lerning_rate: 1", "'lerning_rate' is no flag of this stage; did you mean learning_rate"),
        ("qqqqq: 1", "'qqqqq' is no flag of this stage; --help lists them"),
        ("config: a.yaml", "'config' is no flag"),
        ("epochs: -1", "epochs: '-1' is no whole number"),
        ("epochs: [1, 2]", "epochs: '.1, 2.' is no whole number"),
        ("kind_of_loss: huber", "choose from mse, mae"),
        ("live: often", "live is 'often', but can only be true or false"),
        ("a: [", "no YAML"),
        ("- epochs", "holds no names with values"),
    ],
)
def test_what_does_not_fit_is_named(text, fault, tmp_path):
    with pytest.raises(InputError, match=f"c.yaml: .*{fault}"):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no configuration there"):
        flags.parsed(parser(), ["--config", str(tmp_path / "none.yaml")])


def test_flags_of_commands_are_set(tmp_path):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "play"):
        command = commands.add_parser(name)
        command.add_argument("--seed", type=int, default=0)
    path = tmp_path / "c.yaml"
    path.write_text("seed: 5\n")
    args = flags.parsed(parser, ["play", "--config", str(path)])
    assert (args.command, args.seed) == ("play", 5)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_takes_a_file(stage, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("no_such_flag: 1\n")
    command = {"06_critic_masks.py": ["table"], "07_clone_behaviour.py": ["play"]}.get(stage, [])
    with pytest.raises(InputError, match="no_such_flag"):
        load_script(stage).parse_args([*command, "--config", str(path)])


def test_every_architecture_has_its_file():
    assert {path.stem for path in CONFIGS} == {*ARCHITECTURES}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_files_of_architectures(path):
    args = load_script("02_train_vae.py").parse_args(["--config", str(path)])
    values = yaml.safe_load(path.read_text())
    assert args.architecture == path.stem
    assert {name: getattr(args, name) for name in values} == values


def test_what_was_used_is_kept(tmp_path):
    write_batch(tmp_path, [8, 8, 8])
    path = tmp_path / "c.yaml"
    path.write_text("architecture: conv_maxpool\nepochs: 2\nlatent_size: 3\nbatch_size: 8\n")
    folders = ["--input_data_folder", str(tmp_path), "--savefolder", str(tmp_path / "vae")]
    script = load_script("02_train_vae.py")
    assert script.main([*folders, "--config", str(path), "--epochs", "1"]) == 0
    used = json.loads((tmp_path / "vae" / "config.json").read_text())["arguments"]
    assert (used["epochs"], used["latent_size"], used["patience"]) == (1, 3, 10)
    assert used["config"] == str(path)
    reported = tmp_path / "vae" / "evaluation"
    assert {each.name for each in reported.iterdir()} == {
        "metrics.npz",
        "reconstructions.mp4",
        "summary.txt",
    }
    with np.load(reported / "metrics.npz") as arrays:
        assert arrays["epoch_test_loss"].shape == (1,)
        assert arrays["frame_error"].shape == (9,)  # one episode of three is held out
    written = (reported / "summary.txt").stat().st_mtime_ns
    assert script.main([*folders, "--config", str(path), "--epochs", "1"]) == 0
    assert (reported / "summary.txt").stat().st_mtime_ns == written
