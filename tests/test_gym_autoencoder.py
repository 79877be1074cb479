"""Environments whose observations are codes: spaces, seeds, vectors, renders, and refusals."""

import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from helpers import ROOT

import gym_autoencoder
from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.games import make_game
from reverie.games.game import import_gym
from reverie.headers import WeightsHeader
from reverie.models.architectures import ARCHITECTURES
from reverie.training.weights import build_network, load_network, save_weights

COUNT = 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a function that writes weights of an architecture as they are before training."""
    folder: Path = tmp_path_factory.mktemp("weights")
    start_backend()

    def write(architecture, game="heist", size=64, **settings):
        path = folder / f"{game}_{architecture}_{size}.h5"
        if not path.exists():
            known = ARCHITECTURES[architecture].settings | settings
            config = {"architecture": architecture, "frame_shape": [size, size, 3]} | known
            network = build_network("VAE", config, seed=0)
            save_weights(path, network, WeightsHeader(game, 1))
        return path

    return write


def test_all_ids_are_known():
    assert set(gym_autoencoder.IDS) <= set(gymnasium.registry)
    assert {"auto-unpool-v0", "patch-v0", "heist-vae-paper-v0"} <= set(gym_autoencoder.IDS)
    known = {*ARCHITECTURES, "vae_alex"}
    assert set(gym_autoencoder.IDS.values()) <= known


@pytest.mark.parametrize(
    ("name", "size"),
    [("auto-unpool", 1152), ("auto-maxpool", 32), ("auto-no-bottleneck", 128), ("vae-paper", 22)],
)
def test_observations_are_codes_of_frames(weights, name, size):
    path = weights(gym_autoencoder.IDS[f"{name}-v0"])
    env = gymnasium.make(f"gym_autoencoder:{name}-v0", weights=path, render_mode="rgb_array")
    assert env.observation_space.shape == (size,)
    first, info = env.reset(seed=5)
    frame = info["original_ob"]
    assert frame.shape == (64, 64, 3)
    mu, _ = load_network(path, "VAE").encode(frame[None])
    np.testing.assert_allclose(first, np.asarray(mu)[0], rtol=1e-4, atol=1e-5)
    again, _ = env.reset(seed=5)
    np.testing.assert_array_equal(first, again)
    code, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(code)
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    picture = env.render()
    assert picture.shape == (64 * 5 + 4, 2 * (64 * 5 + 4), 3)
    np.testing.assert_array_equal(picture[2:-2:5, 2:322:5], info["original_ob"])
    env.close()


def test_the_game_is_played_as_published(weights):
    env = gymnasium.make("auto-maxpool-v0", weights=weights("conv_maxpool")).unwrapped
    frame = env.reset(seed=3)[1]["original_ob"]
    options = {"distribution_mode": "memory", "use_backgrounds": False}
    np.testing.assert_array_equal(make_game("heist", **options).reset(seed=3)[0], frame)
    options = {"distribution_mode": "easy", "with_truth": True}
    other = gymnasium.make("auto-maxpool-v0", weights=weights("conv_maxpool"), **options)
    info = other.reset(seed=3)[1]
    assert (info["original_ob"] != frame).any()
    assert info["things"].shape == (8, 4)


def test_gymnasiums_checker_passes(weights):
    env = gymnasium.make("heist-auto-maxpool-v0", weights=weights("conv_maxpool"), time_steps=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*(minimum|maximum) value|.*render_modes")
        check_env(env.unwrapped, skip_render_check=True)


def test_a_vector_is_what_its_games_are_alone(weights):
    options = {"weights": weights("conv_maxpool"), "time_steps": 7}
    envs = gymnasium.make_vec("gym_autoencoder:auto-maxpool-v0", num_envs=COUNT, **options)
    assert type(envs.unwrapped).__name__ == "EncodedVectorEnv"
    games = [gymnasium.make("auto-maxpool-v0", **options) for _ in range(COUNT)]
    codes, infos = envs.reset(seed=11)
    for i, game in enumerate(games):
        code, info = game.reset(seed=11 + i)
        np.testing.assert_array_equal(infos["original_ob"][i], info["original_ob"])
        np.testing.assert_allclose(codes[i], code, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(0)
    for _ in range(17):
        actions = rng.integers(15, size=COUNT)
        codes, rewards, terminated, truncated, infos = envs.step(actions)
        for i, game in enumerate(games):
            code, reward, *ends, info = game.step(int(actions[i]))
            assert (reward, *ends) == (rewards[i], terminated[i], truncated[i])
            if any(ends):
                np.testing.assert_allclose(infos["final_obs"][i], code, rtol=1e-4, atol=1e-5)
                last = infos["final_info"]["original_ob"][i]
                np.testing.assert_array_equal(last, info["original_ob"])
                code, info = game.reset()
            np.testing.assert_array_equal(infos["original_ob"][i], info["original_ob"])
            np.testing.assert_allclose(codes[i], code, rtol=1e-4, atol=1e-5)
    assert envs.observation_space.contains(codes)
    envs.close()


@pytest.mark.parametrize("game", ["chaser", "doomrnn"])
def test_other_games_with_weights_of_theirs(weights, game):
    options = {"game": game, "weights": weights("conv_maxpool", game), "time_steps": 3}
    envs = gymnasium.make_vec("auto-maxpool-v0", num_envs=2, render_mode="rgb_array", **options)
    codes, _ = envs.reset(seed=0)
    for _ in range(4):
        codes, *_ = envs.step(envs.action_space.sample())
    assert codes.shape == (2, 32)
    assert len(envs.render()) == 2
    envs.close()


def test_under_the_old_gym(weights):
    gym = import_gym()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gym.make("gym_autoencoder:auto-maxpool-v0", weights=weights("conv_maxpool"))
        code, info = env.reset(seed=5)
        assert isinstance(env.action_space, gym.spaces.Discrete)
        assert env.observation_space.contains(code)
        code, *_, info = env.step(4)
    assert info["original_ob"].shape == (64, 64, 3)
    new = gymnasium.make("auto-maxpool-v0", weights=weights("conv_maxpool"))
    new.reset(seed=5)
    np.testing.assert_allclose(code, new.step(4)[0], rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_are_refused(weights):
    def refused(match, **options):
        with pytest.raises(InputError, match=match):
            gymnasium.make("auto-maxpool-v0", **options)

    refused("a VAE of 'doomrnn', not of 'heist'", weights=weights("conv_maxpool", "doomrnn"))
    refused("architecture is vae_paper, not conv_maxpool", weights=weights("vae_paper"))
    refused("heist shows frames of 64x64", weights=weights("conv_maxpool", size=96))
    refused("no conv_maxpool comes with the package", game="chaser")
    refused("no VAE there", weights=ROOT / "missing.h5")
    options = {"game": "doomrnn", "weights": weights("conv_maxpool", "doomrnn"), "frame_size": 96}
    refused("frames of 96x96 pixels", **options)
    refused("heist has no such mode", weights=weights("conv_maxpool"), distribution_mode="extreme")
