"""The game seen through the networks, and an agent that learns in the dream and plays the game."""

import gymnasium
import numpy as np
import pytest
from bandit import CHOICES
from gymnasium.utils.env_checker import check_env

from reverie.artifacts import InputError, file_hash
from reverie.controllers.latent_observations import AwakeEnv
from reverie.games.actions import ActionCode, describe_space
from reverie.headers import WeightsHeader
from reverie.training.weights import load_network, save_weights

GAME = "bandit:OwnBandit-v0"
SPACE = gymnasium.spaces.MultiDiscrete(CHOICES)


@pytest.fixture(scope="module")
def networks(tmp_path_factory, first_frames):
    from reverie.models.mdn_rnn import MDNRNN
    from reverie.models.vae import VAE

    folder = tmp_path_factory.mktemp("networks")
    vae, rnn = folder / "vae.h5", folder / "rnn.h5"
    save_weights(vae, VAE("patch", 3), WeightsHeader(GAME))
    arrays = dict(zip(("first_mu", "first_logvar"), first_frames))
    notes = WeightsHeader(GAME, vae=file_hash(vae), action_space=describe_space(SPACE))
    save_weights(rnn, MDNRNN(3, sum(CHOICES), 8, 2, seed=1), notes, arrays)
    return {"vae_weights": vae, "rnn_weights": rnn}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasiums_own_checker_is_content(networks):
    env = gymnasium.make("reverie/Awake-v0", game=GAME, render_mode="rgb_array", **networks)
    check_env(env.unwrapped)


def test_what_is_seen_is_the_networks(networks):

    vae = load_network(networks["vae_weights"], "VAE")
    rnn = load_network(networks["rnn_weights"], "MDNRNN")
    options = {"render_mode": "rgb_array", "features": "zhc", "time_steps": 5}
    env = AwakeEnv(GAME, **networks, **options)
    observation, _ = env.reset(seed=4)
    assert not observation[3:].any()
    for action in ([2, 0], [0, 1], [2, 1]):
        codes = ActionCode.from_space(SPACE).encode(np.array([action]))
        z, h, c = (part[None] for part in np.split(observation, [3, 11]))
        state = [np.asarray(part)[0] for part in rnn.step(z, codes, [h, c])]
        observation, reward, *_, info = env.step(np.array(action))
        assert reward == (action[0] == 2)
        np.testing.assert_allclose(observation[3:], np.concatenate(state), atol=1e-5)
        np.testing.assert_array_equal(observation[:3], info["z"])
        mu, logvar = (np.asarray(part)[0] for part in vae.encode(env.render()[None]))
        assert (np.abs(info["z"] - mu) < 6 * np.exp(0.5 * logvar)).all()


def test_networks_that_do_not_belong_together(networks, tmp_path):
    from reverie.models.vae import VAE

    other = tmp_path / "vae.h5"
    save_weights(other, VAE("patch", 3, seed=5), WeightsHeader(GAME))
    with pytest.raises(InputError, match="trained on latents of another VAE"):
        AwakeEnv(GAME, other, networks["rnn_weights"])


@pytest.mark.parametrize(
    "options", [{"time_steps": 0}, {"time_steps": 2.5}, {"features": "zx"}], ids=str
)
def test_options_out_of_range_are_refused(networks, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be"):
        AwakeEnv(GAME, **networks, **options)


def test_ppo_learns_in_the_dream_and_plays_the_game(networks):
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    kwargs = {"rnn_weights": networks["rnn_weights"], "time_steps": 20}
    dreams = make_vec_env("reverie/Dream-v0", n_envs=2, seed=0, env_kwargs=kwargs)
    agent = sb3.PPO(
        "MlpPolicy", dreams, n_steps=32, batch_size=32, n_epochs=2, seed=0, device="cpu"
    )
    before = [p.detach().numpy().copy() for p in agent.policy.parameters()]
    agent.learn(64)
    after = [p.detach().numpy() for p in agent.policy.parameters()]
    assert any((one != other).any() for one, other in zip(before, after))
    game = gymnasium.make("reverie/Awake-v0", game=GAME, time_steps=15, **networks)
    returns, lengths = evaluate_policy(
        agent, game, n_eval_episodes=2, return_episode_rewards=True, warn=False
    )
    assert len(returns) == 2
    assert all(0 <= score <= length <= 15 for score, length in zip(returns, lengths))
