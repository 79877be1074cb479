"""The dream as gymnasium knows environments, one at a time and many."""

import shutil

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import RecordVideo

from reverie.artifacts import InputError, file_hash
from reverie.dreams.environment import DreamVectorEnv
from reverie.games.actions import describe_space
from reverie.headers import WeightsHeader
from reverie.runs import PRETRAINED
from reverie.training.weights import save_weights

ENV_ID = "reverie/Dream-v0"


def save_vae(path, game="doomrnn", seed=0):
    from reverie.models.vae import VAE

    save_weights(path, VAE("patch", 3, seed=seed), WeightsHeader(game))
    return path


@pytest.fixture(scope="module")
def vae_weights(tmp_path_factory):
    return save_vae(tmp_path_factory.mktemp("vae") / "vae.h5")


@pytest.fixture(scope="module")
def save_rnn(dreamer, first_frames, vae_weights):
    """Return a function that writes the weights of the dreamer and says more."""

    def save(path, frames=first_frames, **said):
        arrays = dict(zip(("first_mu", "first_logvar"), frames))
        space = describe_space(gymnasium.spaces.Box(-1.0, 1.0, (1,)))
        header = WeightsHeader("doomrnn", action_space=space, vae=file_hash(vae_weights), **said)
        save_weights(path, dreamer, header, arrays)
        return path

    return save


@pytest.fixture(scope="module")
def rnn_weights(save_rnn, tmp_path_factory):
    return save_rnn(tmp_path_factory.mktemp("rnn") / "final_rnn_weights.h5")


def vector(rnn_weights, count=5, **options):
    options = {"num_envs": count, "vectorization_mode": "vector_entry_point"} | options
    return gymnasium.make_vec(ENV_ID, rnn_weights=rnn_weights, **options)


def rollout(envs, steps, seed=3):
    observations, infos = envs.reset(seed=seed)
    rng = np.random.default_rng(0)
    results = [(observations, infos)]
    for _ in range(steps):
        results.append(envs.step(rng.uniform(-1, 1, envs.action_space.shape).astype(np.float32)))
    return results


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasiums_own_checker_is_content(rnn_weights, vae_weights):
    env = gymnasium.make(ENV_ID, rnn_weights=rnn_weights, vae_weights=vae_weights)
    check_env(env.unwrapped)


def test_one_dream(rnn_weights):
    env = gymnasium.make(ENV_ID, rnn_weights=rnn_weights, time_steps=40)
    observation, info = env.reset(seed=1)
    assert observation.shape == (11,)
    np.testing.assert_array_equal(info["z"], observation[:3])
    assert not observation[3:].any()
    over, steps = False, 0
    while not over:
        observation, reward, terminated, truncated, info = env.step(np.zeros(1, np.float32))
        steps, over = steps + 1, terminated or truncated
        assert env.observation_space.contains(observation)
        assert isinstance(reward, float)
        assert truncated == (steps == 40 and not terminated)
    assert steps <= 40


def test_seeding(rnn_weights):
    env = gymnasium.make(ENV_ID, rnn_weights=rnn_weights)
    first, same, other = (env.reset(seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    envs = vector(rnn_weights)
    first, same = rollout(envs, 40), rollout(envs, 40)
    for ours, theirs in zip(first, same):
        for one, other in zip(ours[:-1], theirs[:-1]):
            np.testing.assert_array_equal(one, other)
    assert (rollout(envs, 1, seed=4)[0][0] != first[0][0]).any()


@pytest.mark.parametrize("seed", [5, [9, 2]])
def test_a_vector_is_what_gymnasium_makes_of_single_dreams(rnn_weights, seed):
    options = {"num_envs": 2, "rnn_weights": rnn_weights, "time_steps": 12}
    ours = gymnasium.make_vec(ENV_ID, vectorization_mode="vector_entry_point", **options)
    theirs = gymnasium.make_vec(ENV_ID, vectorization_mode="sync", **options)
    one, other = (rollout(envs, 40, seed) for envs in (ours, theirs))
    for (*mine, info), (*single, their_info) in zip(one, other):
        for values, expected in zip(mine, single):
            np.testing.assert_allclose(values, expected, atol=1e-5)
            assert values.dtype == expected.dtype
        assert set(info) == set(their_info)
        np.testing.assert_allclose(info["z"], their_info["z"], atol=1e-5)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]


def test_discrete_games_have_discrete_dreams(dreamer, first_frames, tmp_path):
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(latent_size=3, action_size=4, units=8, num_mixtures=2, seed=1)
    arrays = dict(zip(("first_mu", "first_logvar"), first_frames))
    space = gymnasium.spaces.Discrete(4)
    path = tmp_path / "rnn.h5"
    save_weights(path, rnn, WeightsHeader("x", action_space=describe_space(space)), arrays)
    env = gymnasium.make(ENV_ID, rnn_weights=path)
    assert env.action_space == space
    ends = []
    for action in (0, 3):
        env.reset(seed=2)
        ends.append(env.step(action)[0])
    assert (ends[0] != ends[1]).any()
    envs = vector(path)
    envs.reset(seed=0)
    assert envs.step(np.array([0, 1, 2, 3, 0]))[0].shape == (5, 11)


@pytest.mark.parametrize(("features", "size"), [("z", 3), ("zh", 11), ("zhc", 19)])
def test_spaces(rnn_weights, features, size):
    envs = vector(rnn_weights, features=features)
    assert envs.num_envs == 5
    assert envs.single_observation_space.shape == (size,)
    assert envs.observation_space.shape == (5, size)
    assert envs.single_action_space == gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    assert envs.action_space.shape == (5, 1)
    for observations, *_ in rollout(envs, 3):
        assert envs.observation_space.contains(observations)


def test_unknown_features_are_refused(rnn_weights):
    with pytest.raises(ValueError, match="features must be one of"):
        vector(rnn_weights, features="zx")


@pytest.mark.parametrize(
    "options",
    [
        *({"temperature": value} for value in (-1.0, np.nan, np.inf, "1", True)),
        *({"sigma_temperature": value} for value in (-1e-9, np.nan, np.inf)),
        *({"time_steps": value} for value in (0, -3, 2.5, np.nan)),
        *({"num_envs": value} for value in (0, -1, 1.5)),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(rnn_weights, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be a .* number of at least [01], not"):
        DreamVectorEnv(rnn_weights, **options)


def test_temperature_0_leaves_nothing_to_chance(save_rnn, tmp_path):
    """From one first frame that is sure, dreams under different seeds go the same way."""
    frames = np.zeros((1, 3), np.float32), np.full((1, 3), -100.0, np.float32)
    path = save_rnn(tmp_path / "rnn.h5", frames)
    for options, same in (({"temperature": 0.0}, True), ({"temperature": 1.0}, False)):
        env = DreamVectorEnv(path, **options)
        ours, theirs = (rollout(env, 1, seed)[1][0] for seed in (3, 4))
        assert np.isfinite(ours).all()
        assert np.allclose(ours, theirs, atol=1e-6) == same


def test_dreams_begin_anew_in_the_step_after_their_end(rnn_weights):
    envs = vector(rnn_weights)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    over = np.zeros(5, bool)
    begun = 0
    for observations, *rest in rollout(envs, 150)[1:]:
        rewards, terminated, truncated, _ = rest
        hidden = observations[:, 3:]
        np.testing.assert_array_equal((hidden == 0).all(axis=1), over)
        assert not rewards[over].any()
        assert not (terminated | truncated)[over].any()
        begun += over.sum()
        over = terminated | truncated
    assert begun >= 5


def test_dreams_are_truncated_at_their_longest(rnn_weights):
    envs = vector(rnn_weights, time_steps=4)
    length = np.zeros(5, int)
    over = np.zeros(5, bool)
    cut = 0
    for _, _, terminated, truncated, _ in rollout(envs, 30)[1:]:
        length = np.where(over, 0, length + 1)
        np.testing.assert_array_equal(truncated, ~terminated & ~over & (length == 4))
        assert length.max() <= 4
        over = terminated | truncated
        cut += truncated.sum()
    assert cut > 5


def test_a_dream_can_be_seen(rnn_weights, vae_weights):
    envs = vector(rnn_weights, vae_weights=vae_weights, render_mode="rgb_array")
    envs.reset(seed=1)
    frames = envs.render()
    assert len(frames) == 5
    assert frames[0].shape == (64, 64, 3)
    assert frames[0].dtype == np.uint8
    assert vector(rnn_weights).render() is None


def test_another_vae_is_refused(rnn_weights, tmp_path):
    other = save_vae(tmp_path / "other.h5", seed=5)
    with pytest.raises(InputError, match="latents of another VAE"):
        DreamVectorEnv(rnn_weights, vae_weights=other)
    other = save_vae(tmp_path / "crafter.h5", game="crafter")
    with pytest.raises(InputError, match="of 'crafter', not of 'doomrnn'"):
        DreamVectorEnv(rnn_weights, vae_weights=other)


def test_a_film_of_the_vae_that_the_weights_name(save_rnn, vae_weights, tmp_path):
    """A run folder that was moved as a whole is filmed without naming anything."""
    folder = tmp_path / "run"
    shutil.copytree(vae_weights.parent, folder / "vae")
    save_rnn(folder / "rnn" / "final_rnn_weights.h5", vae_weights="../vae/vae.h5")
    moved = folder.rename(tmp_path / "moved")
    weights = moved / "rnn" / "final_rnn_weights.h5"
    env = gymnasium.make(ENV_ID, rnn_weights=weights, render_mode="rgb_array")
    env.reset(seed=1)
    assert env.render().shape == (64, 64, 3)
    pytest.importorskip("moviepy")
    env = RecordVideo(env, tmp_path / "films", disable_logger=True)
    env.reset(seed=1)
    for _ in range(5):
        env.step(env.action_space.sample())
    env.close()
    (film,) = (tmp_path / "films").glob("*.mp4")
    assert film.stat().st_size > 0


@pytest.mark.parametrize("game", ["doom_rnn_joint", "carracing_rnn_per_dim"])
def test_pretrained_dreams_can_be_seen(game):
    env = DreamVectorEnv(PRETRAINED / f"{game}.h5", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render()[0].shape == (64, 64, 3)


@pytest.mark.parametrize("named", [True, False])
def test_a_vae_that_is_not_there_is_asked_for(save_rnn, tmp_path, named):
    said = {"vae_weights": "../elsewhere/vae.h5"} if named else {}
    path = save_rnn(tmp_path / "rnn.h5", **said)
    env = gymnasium.make(ENV_ID, rnn_weights=path, render_mode="rgb_array")
    env.reset(seed=1)
    with pytest.raises(InputError, match="name it with vae_weights="):
        env.render()
