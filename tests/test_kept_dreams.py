"""Dreams to look into: reset between them, committed to a component, warmed up, tempered."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from reverie.artifacts import InputError
from reverie.dreams.dream import CHUNK, Dream, first_episodes
from reverie.dreams.options import DreamOptions
from reverie.mixtures.predictions import one_step_predictions
from reverie.mixtures.recordings import Recording
from reverie.mixtures.scenes import Scene
from reverie.mixtures.world_model import WorldModel
from reverie.rollouts.policies import episode_seeds, open_loop_actions

STEPS = CHUNK + 7  # not a whole number of compiled loops
OPTIONS = DreamOptions(1.0, STEPS)


@pytest.fixture(scope="module")
def dream(dreamer, first_frames):
    return Dream(dreamer, *first_frames, OPTIONS)


@pytest.fixture(scope="module")
def actions():
    return np.random.default_rng(6).uniform(-1, 1, (5, STEPS, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def dreams(dream, actions):
    return dream.free(actions, seed=3)


@pytest.fixture(scope="module")
def recording():
    rng = np.random.default_rng(4)
    nothing = np.zeros(31, int)
    scene = Scene(nothing, nothing, nothing > 0, nothing > 0, nothing > 0)
    mu = rng.standard_normal((31, 3)).astype(np.float32)
    return Recording(None, "", mu, mu, rng.uniform(-1, 1, (30, 1)).astype(np.float32), scene)


def test_shapes(dreams):
    assert dreams.latents.shape == (5, STEPS + 1, 3)
    assert dreams.weights.shape == (5, STEPS, 2)
    np.testing.assert_allclose(dreams.weights.sum(axis=-1), 1.0, atol=1e-5)
    assert dreams.components().shape == (5, STEPS)
    assert dreams.lengths.min() >= 1
    assert dreams.lengths.max() <= STEPS
    assert len(np.unique(dreams.lengths)) > 1


def test_nothing_is_left_of_earlier_dreams(dream, actions, dreams):
    """After other dreams, in another batch and at another place, a dream is the same."""
    dream.free(actions[:2], seed=8)
    dream.committed(actions[:1], seed=8)
    again = dream.free(actions, seed=3)
    np.testing.assert_array_equal(again.latents, dreams.latents)
    other = dream.free(actions, seed=4)
    assert (other.latents[:, 1:] != dreams.latents[:, 1:]).any()


def test_a_dream_is_what_the_network_says_step_by_step(dream, actions, dreams):
    """The first steps by hand, with the state at zero and the noise of the dream's own number."""
    rnn = dream.rnn
    noise = dream.draw_noise([np.random.default_rng([3, 2])], (STEPS,))
    state = {"z": dreams.latents[2:3, 0]} | {k: np.zeros((1, 8), np.float32) for k in "hc"}
    for step in range(4):
        now = {name: values[step] for name, values in noise.items()}
        lstm = rnn.step(state["z"], actions[2:3, step], [state["h"], state["c"]])
        weights = rnn.mixture.split(rnn.predictions(lstm[0])["mixture"])[0]
        shares = np.exp(weights) / np.exp(weights).sum()
        np.testing.assert_allclose(dreams.weights[2, step], shares[0], rtol=1e-3)
        state, _, ends = dream.step(state, actions[2:3, step], now)
        expected = np.asarray(state["z"])
        np.testing.assert_allclose(dreams.latents[2:3, step + 1], expected, rtol=1e-4, atol=1e-5)
        assert bool(ends[0]) == (dreams.lengths[2] == step + 1)


def test_a_dream_is_played_as_the_episode_that_it_begins_with(dreamer, first_frames):
    policies = ("held_random", "constant") * 10
    world_model = WorldModel("dreamer", None, dreamer, first_frames, policies)
    space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    seeds, rng = episode_seeds(7, 0, 6, "evaluate"), np.random.default_rng(7)
    chosen = [policies[episode] for episode in first_episodes(first_frames[0], 6, rng)]
    assert len(set(chosen)) == 2
    expected = [open_loop_actions(p, s, STEPS, space) for p, s in zip(chosen, seeds)]
    np.testing.assert_array_equal(world_model.actions(6, STEPS, 7), expected)
    expected = [open_loop_actions("constant", s, STEPS, space) for s in seeds]
    np.testing.assert_array_equal(world_model.actions(6, STEPS, 7, "constant"), expected)


def test_committed_dreams_are_drawn_from_one_component(dreamer, first_frames, actions):
    """Without spread, every committed step lands on the mean of its component."""
    for temperature in (1.0, 0.0):
        options = DreamOptions(temperature, 6, sigma_temperature=0.0)
        dream = Dream(dreamer, *first_frames, options)
        committed = dream.committed(actions[:3, :6], seed=1)
        assert len(committed) == 2
        first = committed[0].latents[:, 0]
        np.testing.assert_array_equal(first, committed[1].latents[:, 0])
        for component, dreams in enumerate(committed):
            state = [np.zeros((3, 8), np.float32)] * 2
            hidden, _ = dreamer.step(first, actions[:3, 0], state)
            raw = dreamer.predictions(hidden)["mixture"]
            means = np.asarray(dreamer.mixture.split(raw)[1])
            np.testing.assert_allclose(dreams.latents[:, 1], means[:, component], atol=1e-4)
        assert (committed[0].latents[:, 1] != committed[1].latents[:, 1]).any()


def test_the_two_temperatures_are_separate(dreamer, first_frames, actions, dreams):
    """Without spread the choice of components is open; at temperature 0 it is the likeliest."""
    still = replace(OPTIONS, sigma_temperature=0.0)
    still = Dream(dreamer, *first_frames, still).free(actions, 3)
    means = _means_after(dreamer, still, actions)
    nearest = np.abs(still.latents[:, 2:, None] - means[:, 1:]).max(axis=-1).min(axis=-1)
    assert nearest.max() < 1e-3
    chosen = np.abs(still.latents[:, 1:, None] - means).max(axis=-1).argmin(axis=-1)
    assert (chosen != still.components()).any()
    assert (still.latents[:, 1:] != dreams.latents[:, 1:]).any()


@pytest.mark.parametrize("mixture", ["joint", "per_dim"])
def test_temperature_0_is_the_mean_of_the_likeliest_component(mixture, first_frames, actions):
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(latent_size=3, units=8, num_mixtures=4, mixture=mixture, seed=2)
    rng = np.random.default_rng(0)
    for variable in rnn.trainable_variables:
        variable.assign(rng.standard_normal(variable.shape))
    dreams = Dream(rnn, *first_frames, DreamOptions(0.0, STEPS)).free(actions, 3)
    hidden = rnn.lstm(np.concatenate([dreams.latents[:, :-1], actions], axis=-1))[0]
    raw = rnn.predictions(hidden)["mixture"]
    logits, means, _ = (np.asarray(part) for part in rnn.mixture.split(raw))
    if mixture == "joint":
        expected = np.take_along_axis(means, logits.argmax(-1)[..., None, None], axis=2)[:, :, 0]
    else:
        expected = np.take_along_axis(means, logits.argmax(-1)[..., None], axis=3)[..., 0]
    np.testing.assert_allclose(dreams.latents[:, 1:21], expected[:, :20], rtol=1e-3, atol=1e-3)


def _means_after(rnn, dreams, actions):
    """Return the components' means for each dreamt frame, `(R, T, K, Z)`, teacher-forced."""
    hidden = rnn.lstm(np.concatenate([dreams.latents[:, :-1], actions], axis=-1))[0]
    return np.asarray(rnn.mixture.split(rnn.predictions(hidden)["mixture"])[1])


def test_warm_up_is_the_state_of_the_true_frames(dream, recording, actions):
    mu, played = recording.mu, recording.actions
    warm = dream.warmed_up(mu[:21], played[:20], actions[:3, :4], seed=0)
    assert warm.latents.shape == (3, 5, 3)
    np.testing.assert_array_equal(warm.latents[:, 0], np.repeat(mu[20:21], 3, axis=0))
    rnn, inputs = dream.rnn, np.concatenate([mu[:20], played[:20]], axis=-1)
    for number in range(3):
        now = np.concatenate([mu[20], actions[number, 0]])[None]
        hidden = rnn.lstm(np.concatenate([inputs, now])[None])[0][:, -1]
        logits = rnn.mixture.split(rnn.predictions(hidden)["mixture"])[0]
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(warm.weights[number, 0], expected[0], rtol=1e-3)


def test_a_mixture_per_dimension_dreams_and_cannot_be_committed(first_frames, actions):
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(latent_size=3, units=8, num_mixtures=2, mixture="per_dim")
    dream = Dream(rnn, *first_frames, OPTIONS)
    dreams = dream.free(actions[:4, :5], 0)
    assert dreams.weights.shape == (4, 5, 3, 2)
    np.testing.assert_allclose(dreams.weights.sum(axis=-1), 1.0, atol=1e-5)
    with pytest.raises(InputError, match="--mixture joint"):
        dream.committed(actions[:2, :5], 0)


def test_a_network_without_rewards_dreams(first_frames, actions):
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(latent_size=3, units=8, num_mixtures=2, heads=("termination",))
    dream = Dream(rnn, *first_frames, OPTIONS)
    returns, lengths = dream.along(actions, 0)
    assert not returns.any()
    assert lengths.min() >= 1


def test_predictions_and_responsibilities(dreamer, recording):
    """Against the mixture's own densities; padding and batches change nothing."""
    rnn = dreamer
    latents = recording.mu[:12], recording.logvar[:12]
    short = Recording(None, "", *latents, recording.actions[:11], recording.scene[:12])
    both = one_step_predictions(rnn, [recording, short])
    (alone,) = one_step_predictions(rnn, [recording])
    np.testing.assert_allclose(both[0].weights, alone.weights, rtol=1e-4)
    assert both[1].weights.shape == (11, 2)
    assert both[1].latents.shape == (11, 3)
    hidden = rnn.lstm(np.concatenate([recording.mu[:-1], recording.actions], axis=-1)[None])[0]
    logits, means, sigmas = (
        np.asarray(part)[0] for part in rnn.mixture.split(rnn.predictions(hidden)["mixture"])
    )
    distance = (recording.mu[1:, None] - means) / sigmas
    joint = logits - (0.5 * distance**2 + np.log(sigmas)).sum(axis=-1)
    expected = np.exp(joint - joint.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(alone.responsibilities, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(
        alone.weights.argmax(axis=1), logits.argmax(axis=1), "the weights are not those of logits"
    )
