"""The linear controller: published sizes, and actions that are its formula's."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from helpers import cuts

from reverie.artifacts import InputError
from reverie.controllers.controller import Controller, load_controller, save_controller
from reverie.headers import ControllerHeader

HEADER = ControllerHeader("doomrnn", vae_weights="vae.h5", rnn_weights="rnn.h5")


def test_published_sizes():
    assert Controller("zh", 32, 256, 3, bias=True).size == 867
    assert Controller("zhc", 64, 512, 1, bias=False).size == 1088


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("features", ["z", "zh", "zhc"])
def test_actions_are_the_formula(features, bias):
    controller = Controller(features, 3, 4, 2, bias)
    rng = np.random.default_rng(0)
    parameters = rng.standard_normal((5, controller.size)).astype(np.float32)
    parts = [rng.standard_normal((5, size)).astype(np.float32) for size in (3, 4, 4)]
    actions = np.asarray(controller.act(parameters, *parts))
    seen = np.concatenate(parts[: len(features)] + [np.ones((5, 1))] * bias, axis=1)
    for row in range(5):
        weights = parameters[row].reshape(-1, 2)
        np.testing.assert_allclose(actions[row], np.tanh(seen[row] @ weights), rtol=1e-4)


def test_round_trip(tmp_path):
    controller = Controller("zh", 3, 4, 1)
    parameters = np.arange(7, dtype=np.float32)
    save_controller(tmp_path / "c.h5", controller, parameters, HEADER)
    again, values, header = load_controller(tmp_path / "c.h5")
    assert again == replace(controller, actions=controller.code)
    np.testing.assert_array_equal(values, parameters)
    assert header.game == "doomrnn"
    assert header.controller["features"] == "zh"


def test_what_is_no_controller_is_named(tmp_path):
    path = tmp_path / "c.h5"
    with pytest.raises(InputError, match=r"c.h5: no controller there"):
        load_controller(path)
    save_controller(path, Controller("zh", 3, 4, 1), np.full(7, np.nan), HEADER)
    with pytest.raises(InputError, match=r"c.h5: its parameters are damaged"):
        load_controller(path)
    save_controller(path, Controller("zh", 3, 4, 1), np.zeros(6), HEADER)
    with pytest.raises(InputError, match=r"c.h5: its parameters are damaged"):
        load_controller(path)
    with h5py.File(path, "a") as file:
        file.attrs["controller"] = json.dumps({"wheels": 4})
    with pytest.raises(InputError, match=r"c.h5"):
        load_controller(path)
    for content in [*cuts(path), b"this is a letter"]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"c.h5: damaged, or not a controller"):
            load_controller(path)
