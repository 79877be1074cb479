"""Commands of pipelines as data, the names of files in a run folder, and `make run`."""

import ast
import json
from pathlib import Path

import pytest
from conftest import TINY
from helpers import EVERYTHING, ROOT, load_script

from benchmarks.games import GAMES
from reverie import quickstart, runs
from reverie.runs import Pipeline, RunFolder, Stage, words

FOLDER = Path("a folder")
SEED = 7
PIPELINES = {"make run": quickstart.PIPELINE, "tests": TINY, **GAMES}
NAMES = ("VAE_WEIGHTS", "LATENTS", "RNN_WEIGHTS", "CONTROLLER", "CONFIG", "METRICS", "SCORES")


@pytest.mark.parametrize("name", PIPELINES)
def test_every_stage_takes_its_flags(name):
    for stage in PIPELINES[name].stages(FOLDER, SEED):
        args = vars(load_script(stage.script).parse_args(stage.command()[1:]))
        assert args.get("seed", SEED) == SEED
        for flag, value in stage.flags.items():
            assert str(args[flag]) == str(value)
        paths = [value for value in args.values() if isinstance(value, Path)]
        assert paths
        assert all(path.is_relative_to(FOLDER) for path in paths)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_stage_reads_what_earlier_ones_wrote(name):
    stages = PIPELINES[name].stages(FOLDER)
    assert [stage.script[:2] for stage in stages] == ["01", "02", "03", "04", "05"]
    written = set()
    for stage in stages:
        assert set(stage.inputs) <= written
        written |= set(stage.outputs)
    assert RunFolder(FOLDER).controller in written


def test_jobs_of_an_array_share_a_recording():
    numbers = {"total_episodes": 25, "batch_size": 10, "start_batch": 3}
    record, *others = Pipeline("doomrnn", numbers, {}, {}, {}).stages(FOLDER)
    parts = [record.share(job).flags for job in range(record.shares)]
    assert [part["start_batch"] for part in parts] == [3, 4, 5]
    assert [part["total_episodes"] for part in parts] == [10, 10, 5]
    assert {part["batch_size"] for part in parts} == {10}
    assert [stage.shares for stage in others] == [1, 1, 1, 1]


def strings(path: Path) -> list[str]:
    """Return the strings of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [n.value for n in nodes if isinstance(n.value, str) and id(n) not in said]


def test_names_of_files_are_spelled_once():
    names = [getattr(runs, name) for name in NAMES]
    for path in [*EVERYTHING, *(ROOT / "benchmarks").glob("*.py")]:
        if path == Path(runs.__file__):
            continue
        again = [s for s in strings(path) if any(s == n or s.endswith(f"/{n}") for n in names)]
        assert not again, f"{path}: {again}; import the names from reverie.runs"


def test_notebooks_read_what_make_run_writes():
    files = RunFolder(Path("../runs/doom"))
    known = {*(getattr(files, n) for n, v in vars(RunFolder).items() if isinstance(v, property))}
    known |= {files.search / runs.SCORES, files.root / "analysis"}
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        (cell,) = (c for c in cells if "parameters" in c["metadata"].get("tags", []))
        paths = {s for s in ast.walk(ast.parse("".join(cell["source"]))) if is_run_path(s)}
        assert {Path(s.value) for s in paths} <= known, notebook


def is_run_path(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).startswith("../runs/doom")


def test_flags_become_words():
    assert words({"epochs": 2, "savefolder": Path("a b")}) == [
        "--epochs",
        "2",
        "--savefolder",
        "a b",
    ]


def test_costs_are_kept_and_a_failure_stops_the_run(tmp_path, monkeypatch):
    (tmp_path / "good.py").write_text("sum(range(3_000_000))")
    (tmp_path / "bad.py").write_text("import sys; sys.exit(2)")
    (tmp_path / "never.py").write_text("open('never', 'w')")
    monkeypatch.setattr(quickstart, "ROOT", tmp_path)
    stages = [Stage(f"{name}.py", {}, (), ()) for name in ("good", "bad", "never")]
    costs = tmp_path / "costs.json"
    assert quickstart.run_stages(stages, costs) == 2
    first = json.loads(costs.read_text())
    assert list(first) == ["good.py", "bad.py"]
    assert first["good.py"]["processor_seconds"] > 0
    assert quickstart.run_stages(stages[:1], costs) == 0
    assert json.loads(costs.read_text())["good.py"]["seconds"] > first["good.py"]["seconds"]
