"""What `make run` runs."""

from pathlib import Path

import pytest
from helpers import load_script

from reverie.quickstart import commands

FOLDER = Path("a folder")
SEED = 7


@pytest.mark.parametrize("command", commands(FOLDER, SEED), ids=lambda command: command[0])
def test_every_stage_takes_its_flags(command):
    args = load_script(command[0]).parse_args(command[1:])
    if hasattr(args, "seed"):
        assert args.seed == SEED
    paths = [value for value in vars(args).values() if isinstance(value, Path)]
    assert paths
    assert all(path.is_relative_to(FOLDER) for path in paths)


def test_stages_run_in_order():
    numbers = [command[0][:2] for command in commands(FOLDER, SEED)]
    assert numbers == ["01", "02", "03", "04", "05"]
