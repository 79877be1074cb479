"""A wheel, installed in a folder of its own and used from somebody else's project."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT

from reverie.flags import artifact
from reverie.reports.notebooks import main as notebooks
from reverie.runs import NOTEBOOKS, PRETRAINED

SOURCES = ("reverie", "gym_autoencoder", "models", "pretrained", "notebooks", "docs")
FILES = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")
BUILD = "from setuptools import build_meta; print(build_meta.build_sdist({!r}))"


def call(*line: object, folder: Path, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, *map(str, line)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build a wheel from a source distribution of the files that a clone has."""
    folder = tmp_path_factory.mktemp("built")
    clone = folder / "clone"
    clone.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        shutil.copytree(ROOT / name, clone / name, symlinks=True, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, clone)
    call("-c", BUILD.format(str(folder)), folder=clone)
    (source,) = folder.glob("*.tar.gz")
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder]
    call("-m", "pip", "wheel", *options, source, folder=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory):
    """Return the folder of a project that has a `models` package of its own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    (folder / "models" / "__init__.py").write_text("OURS = True\n")
    call("-m", "pip", "install", "--no-deps", "--target", "site", wheel, folder=folder)
    return folder


def use(project: Path, *line: object) -> str:
    return call(*line, folder=project, PYTHONPATH=str(project / "site"))


def test_what_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"reverie", "gym_autoencoder"}
    for folder in ("models", "pretrained", "notebooks"):
        there = {p for p in (ROOT / folder).rglob("*") if p.is_file()}
        there = {p for p in there if "__pycache__" not in p.parts}
        assert {f"reverie/{p.relative_to(ROOT)}" for p in there} <= names
    modules = {p for p in (ROOT / "reverie").rglob("*.py")}
    assert {str(path.relative_to(ROOT)) for path in modules} <= names


def test_dreams_and_weights_beside_a_package_called_models(project):
    code = """
import gymnasium, models
import reverie.dreams.environment, reverie.models.vae
from reverie.reports.export import main
from reverie.runs import PRETRAINED

assert models.OURS
dreams = gymnasium.make_vec(
    "reverie/Dream-v0",
    num_envs=2,
    vectorization_mode="vector_entry_point",
    rnn_weights=PRETRAINED / "doom_rnn_joint.h5",
)
observations, _ = dreams.reset(seed=0)
print(observations.shape, reverie.__file__)
networks = ["--vae_weights", "pretrained/doom_vae.h5"]
networks += ["--rnn_weights", "pretrained/doom_rnn_joint.h5"]
assert main([*networks, "--folder", "copies"]) == 0
"""
    said = use(project, "-c", code)
    assert said.startswith(f"(2, 288) {project / 'site'}")
    assert (project / "copies" / "doom_rnn_joint.h5").is_file()


def test_an_installed_reverie_says_where_the_scripts_are(project):
    line = [sys.executable, "-m", "reverie.quickstart"]
    environment = os.environ | {"PYTHONPATH": str(project / "site")}
    result = subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert "no numbered scripts there; run this in a clone" in result.stderr


def test_own_files_come_before_those_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert artifact("pretrained/doom_vae.h5") == PRETRAINED / "doom_vae.h5"
    own = tmp_path / "pretrained" / "doom_vae.h5"
    own.parent.mkdir()
    own.touch()
    assert artifact("pretrained/doom_vae.h5").resolve() == own
    assert artifact("else/doom_vae.h5") == Path("else/doom_vae.h5")


def test_no_notebooks_is_no_success(tmp_path, capsys):
    assert len(list(NOTEBOOKS.glob("*.ipynb"))) >= 7
    flags = ["--folder", str(tmp_path), "--output_folder", str(tmp_path / "out")]
    assert notebooks(flags) == 2
    assert f"{tmp_path}: no notebooks there" in capsys.readouterr().err
    shutil.copy(ROOT / "notebooks" / "7_masks_of_what_is_rewarding.ipynb", tmp_path)
    assert notebooks(flags) == 2
    assert "make run" in capsys.readouterr().err
