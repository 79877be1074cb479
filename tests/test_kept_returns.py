"""Episodes of a generation that are finished when a signal comes are not played again."""

import json

import numpy as np
import pytest

from reverie.controllers.kept_returns import KeptReturns

SETTINGS = {"seed": 3, "train_in": "game", "played_with": {"time_steps": 100}}
PARAMETERS, SEEDS = np.arange(6.0).reshape(2, 3), [11, 10**20]


def kept(folder, settings=SETTINGS, parameters=PARAMETERS, seeds=SEEDS):
    return KeptReturns(folder / "unfinished.json", settings, parameters, seeds)


def test_what_was_found_is_there_again_to_the_bit(tmp_path):
    returns = kept(tmp_path)
    returns.add(0, 1 / 3)
    assert not (tmp_path / "unfinished.json").exists()
    returns.add(3, -1e-30, save=True)
    assert dict(kept(tmp_path).items()) == {0: 1 / 3, 3: -1e-30}


@pytest.mark.parametrize(
    "other",
    [
        {"settings": SETTINGS | {"played_with": {"time_steps": 101}}},
        {"parameters": PARAMETERS + 1e-12},
        {"seeds": [11, 10**20 + 1]},
    ],
)
def test_returns_of_something_else_do_not_count(tmp_path, other):
    kept(tmp_path).add(0, 1.0, save=True)
    assert len(kept(tmp_path)) == 1
    assert len(kept(tmp_path, **other)) == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"identity": 3}', '{"returns": {}}'])
def test_a_file_that_is_none_of_ours_does_not_count(tmp_path, content):
    (tmp_path / "unfinished.json").write_text(content)
    assert len(kept(tmp_path)) == 0


def test_they_are_written_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr("reverie.controllers.kept_returns.SAVE_EVERY", -1.0)
    kept(tmp_path).add(1, 2.0)
    assert json.loads((tmp_path / "unfinished.json").read_text())["returns"] == {"1": 2.0}
