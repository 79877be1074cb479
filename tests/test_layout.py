"""The house rules: which way imports point, what is never used, how long a function is."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import EVERYTHING, ROOT, STAGES

MODELS = sorted((ROOT / "models").rglob("*.py"))
REVERIE = sorted((ROOT / "reverie").rglob("*.py"))
SCRIPTS = [ROOT / name for name in STAGES]
TESTS = sorted((ROOT / "tests").glob("*.py"))
ENVIRONMENTS = {"gymnasium", "gym", "vizdoom", "h5py", "argparse", "cma", "cv2"}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# A folder imports only what stands before it. What is no folder is the ground, which imports no
# folder; what runs whole pipelines stands above all.
GROUND = "the ground"
FOLDERS = (
    GROUND,
    *("games", "rollouts", "training", "latents", "dreams", "controllers", "masks", "mixtures"),
    *("encoders", "evaluate", "cloning", "play", "pipelines"),
)
PIPELINES = ("quickstart", "numbers", "rounds", "jobs")
REPORTS = "reports"  # used by everything; uses the ground alone


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
            if node.module == "reverie":
                found |= {f"reverie.{alias.name}" for alias in node.names}
    return found


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def folder_of(module: str) -> str:
    """Return the folder of a module of `reverie`, e.g. `games` of `reverie.games.doom`."""
    name = module.split(".")[1] if "." in module else ""
    if name in PIPELINES:
        return "pipelines"
    return name if name and (ROOT / "reverie" / name).is_dir() else GROUND


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_there_is_something_to_check():
    assert len(SCRIPTS) >= 5
    assert len(MODELS) >= 5
    assert len(REVERIE) >= 20
    assert {folder_of(module_of(path)) for path in REVERIE} <= {*FOLDERS, REPORTS}
    assert folder_of("reverie.games.doom") == "games"
    assert folder_of("reverie.runs") == folder_of("reverie") == GROUND


@pytest.mark.parametrize("path", MODELS, ids=name_of)
def test_models_know_neither_files_nor_games(path):
    assert not packages(path) & ({"reverie"} | ENVIRONMENTS)


@pytest.mark.parametrize("path", REVERIE, ids=name_of)
def test_reverie_imports_no_script(path):
    assert not [name for name in imports(path) if name.lstrip(".")[:1].isdigit()]
    assert 'import_module("0' not in path.read_text()


@pytest.mark.parametrize("path", REVERIE, ids=name_of)
def test_a_folder_imports_what_stands_before_it(path):
    ours = folder_of(module_of(path))
    used = {name: folder_of(name) for name in imports(path) if name.split(".")[0] == "reverie"}
    used = {name: folder for name, folder in used.items() if folder not in (REPORTS, "models")}
    allowed = {GROUND, REPORTS} if ours == REPORTS else {*FOLDERS[: FOLDERS.index(ours) + 1]}
    assert {name for name, folder in used.items() if folder not in allowed} == set()


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_no_path_edits_and_no_pickles(path):
    source = path.read_text()
    assert "sys.path" not in source
    assert "allow_pickle" not in source
    assert not packages(path) & PICKLES


def lengths(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of each function of a file, and its name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.end_lineno - node.lineno + 1, f"{name_of(path)}: {node.name}"


def test_functions_are_short():
    """Half are under 10 lines, nine in ten under 30, none over 80."""
    found = sorted(item for path in EVERYTHING for item in lengths(path))
    sizes = [size for size, _ in found]
    assert found[-1][0] <= 80, found[-1]
    assert sum(size < 10 for size in sizes) >= len(sizes) / 2
    assert sum(size < 30 for size in sizes) >= len(sizes) * 0.9


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def private_names() -> set[str]:
    """Return the names with an underscore that our own code defines."""
    found = set()
    for path in EVERYTHING:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found |= {node.attr} if getattr(node.value, "id", "") == "self" else set()
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def reached(path: Path) -> set[str]:
    """Return what a file imports by name, and attributes that are not those of `self`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") != "self":
            found.add(node.attr)
    return found


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_reach_into_nothing_private(path):
    found = reached(path) & private_names()
    assert not found


# Imports stand at the top of a file. Inside functions stand what only some users have installed or
# need, heavy modules in what a user starts (scripts and `__main__`, after their checks), and those:
OPTIONAL = {
    *("IPython", "ale_py", "cma", "gym", "imageio_ffmpeg", "jax", "matplotlib", "minari"),
    *("nbformat", "papermill", "cv2", "av", "pyarrow", "ray"),
}
LATE = {
    "reverie/backend.py": {"keras", "tensorflow"},
    "reverie/controllers/controller.py": {"keras"},  # headers of controllers are read without it
    "reverie/controllers/film.py": {"reverie"},  # as `python -m`
    "reverie/controllers/latent_observations.py": {"reverie"},  # after a fork
    "reverie/dreams/environment.py": {"reverie"},  # after a fork
    "reverie/games/actions.py": {"keras"},  # game processes have none
    "reverie/games/crafter.py": {"reverie"},  # the gatherer knows the game
    "reverie/latents/perceptual_task.py": {"keras", "reverie"},  # as `python -m`
    "reverie/masks/methods.py": {"keras"},
    "reverie/mixtures/detectors.py": {"reverie"},  # training, where there is no detector yet
    "reverie/training/devices.py": {"tensorflow"},
    "reverie/training/metrics.py": {"tensorflow"},
}


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_imports_stand_at_the_top(path):
    late = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    late |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    late.add((node.module or "").split(".")[0])
    started = path in SCRIPTS or path.name == "__main__.py"
    assert started or late <= LATE.get(name_of(path), set()) | OPTIONAL


def test_a_script_is_light_until_it_runs():
    """Game workers import the script again, and bad input is found before TensorFlow starts."""
    code = (
        "import importlib.util, sys\n"
        "for path in sys.argv[1:]:\n"
        "    spec = importlib.util.spec_from_file_location('stage', path)\n"
        "    spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
        "print(sorted({'tensorflow', 'keras', 'jax'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, SCRIPTS)], cwd=ROOT, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]", result.stderr
