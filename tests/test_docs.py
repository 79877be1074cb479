"""Every command that README, docs and docstrings show is one that its parser takes."""

import ast
import importlib
import re
import shlex

import pytest
from helpers import EVERYTHING, ROOT, load_script

PAGES = [ROOT / "README.md", ROOT / "pretrained" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
FENCED = re.compile(r"^```(?:bash|sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"python (?:\d\d_\w+\.py|-m (?:reverie|benchmarks)[.\w]*)(?: .*)?$")
SETTING = re.compile(r'(\w+)="(python .*)"$')


def commands(text: str) -> list[str]:
    """Return the commands of a shell script that start a stage or a module, one a line.

    Variables that hold such a command are put in, others become the number 0.
    """
    found, known = [], {}
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        for name, value in known.items():
            line = line.replace(f"${name} ", f"{value} ")
        line = re.sub(r"\$\{?\w+\}?|\bSEED\b", "0", line.strip())
        if setting := SETTING.match(line):
            known[setting[1]] = setting[2]
        elif command := COMMAND.match(line):
            found.append(command[0])
    return found


def of_page(path) -> list[str]:
    return [c for block in FENCED.findall(path.read_text()) for c in commands(block)]


def of_docstring(path) -> list[str]:
    return commands(ast.get_docstring(ast.parse(path.read_text())) or "")


def parse(command: str) -> None:
    """Hand a command's flags to the parser of its script or module; it exits if one is wrong."""
    _, name, *flags = shlex.split(command, comments=True)
    if name != "-m":
        load_script(name).parse_args(flags)
        return
    name, *flags = flags
    if importlib.util.find_spec(name).submodule_search_locations:
        name = f"{name}.__main__"
    importlib.import_module(name).parse_args(flags)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_a_page(path):
    for command in of_page(path):
        parse(command)


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_a_docstring(path):
    for command in of_docstring(path):
        parse(command)


def test_commands_are_found():
    counts = {path.name: len(of_page(path)) for path in PAGES if path.parent.name != "pretrained"}
    assert counts["README.md"] >= 8
    assert counts["games.md"] >= 15
    script = ROOT / "05_train_controller.py"
    assert len(of_docstring(script)) == script.read_text().count("\n    python ") >= 4
    text = 'a="python 05_x.py --b 1"\n$a --c $SEED\nfor s in 1; do\n  python -m reverie.x --s $s\n'
    assert commands(text) == ["python 05_x.py --b 1 --c 0", "python -m reverie.x --s 0"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_are_there(path):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    missing = [t for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert not missing
