"""The linear controller: published sizes, and actions that are its formula's."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from helpers import cuts

from reverie.artifacts import InputError
from reverie.controllers.agents import Agents, ControlledAgents
from reverie.controllers.controller import Controller, load_controller, save_controller
from reverie.headers import ControllerHeader
from reverie.rollouts.policies import MAX_HOLD

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


class Blind:
    """Stands for a VAE: sees nothing."""

    def encode(self, frames):
        zeros = np.zeros((len(frames), 3), np.float32)
        return zeros, zeros


@pytest.mark.parametrize("action_noise", [0.0, 0.5])
def test_noise_on_actions_is_held_and_the_episodes_own(dreamer, action_noise):
    def episode(count):
        agents = ControlledAgents(Agents(Blind(), dreamer, count), still, action_noise)
        for agent in range(count):
            agents.begin(agent, np.zeros(still.size), seed=count - agent)
        frames = np.zeros((count, 1), np.float32)
        return np.array([agents.act(frames)[-1, 0] for _ in range(400)])

    still = Controller("z", 3, 8, 1)
    actions = episode(1)
    np.testing.assert_allclose(actions, episode(3), atol=1e-6)
    assert abs(actions).max() <= 1.0
    if not action_noise:
        assert (actions == 0.0).all()
        return
    assert 0.35 < actions.std() < 0.6
    changes = np.flatnonzero(np.diff(actions)) + 1
    assert np.diff(changes).max() <= MAX_HOLD
    assert 4 < np.diff(changes).mean() < 7
