"""The house rules: which way imports point, what is never used, how long a function is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import EVERYTHING, ROOT, STAGES

MODELS = sorted((ROOT / "models").rglob("*.py"))
REVERIE = sorted((ROOT / "reverie").rglob("*.py"))
SCRIPTS = [ROOT / name for name in STAGES]
ENVIRONMENTS = {"gymnasium", "gym", "vizdoom", "h5py", "argparse", "cma", "cv2"}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


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
    return found


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def test_there_is_something_to_check():
    assert len(SCRIPTS) >= 5
    assert len(MODELS) >= 5
    assert len(REVERIE) >= 20


@pytest.mark.parametrize("path", MODELS, ids=name_of)
def test_models_know_neither_files_nor_games(path):
    assert not packages(path) & ({"reverie"} | ENVIRONMENTS)


@pytest.mark.parametrize("path", REVERIE, ids=name_of)
def test_reverie_imports_no_script(path):
    assert not [name for name in imports(path) if name.lstrip(".")[:1].isdigit()]
    assert 'import_module("0' not in path.read_text()


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_no_path_edits_and_no_pickles(path):
    source = path.read_text()
    assert "sys.path" not in source
    assert "allow_pickle" not in source
    assert not packages(path) & PICKLES


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_functions_are_short(path):
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)]
    too_long = {n.name: n.end_lineno - n.lineno + 1 for n in nodes if n.end_lineno - n.lineno >= 80}
    assert not too_long


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


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
