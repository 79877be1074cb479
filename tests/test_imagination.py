"""Dreams to look into: reset between them, committed to a component, warmed up, tempered."""

import gymnasium
import numpy as np
import pytest

from reverie.artifacts import InputError
from reverie.mixtures.dreams import CHUNK, DreamSettings, Imagination
from reverie.mixtures.recordings import Forecaster, Recording
from reverie.mixtures.scenes import Scene
from reverie.mixtures.world_model import World
from reverie.rollouts.policies import episode_seeds, open_loop_actions

STEPS = CHUNK + 7  # not a whole number of compiled loops


@pytest.fixture(scope="module")
def world(dreamer, first_frames):
    return World("dreamer", None, dreamer, first_frames, ("held_random",) * 20)


@pytest.fixture(scope="module")
def imagination(world):
    return Imagination(world, DreamSettings(STEPS))


@pytest.fixture(scope="module")
def dreams(imagination):
    return imagination.free(5, seed=3)


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


def test_nothing_is_left_of_earlier_dreams(imagination, dreams):
    """After other dreams, in another batch and at another place, a dream is the same."""
    imagination.free(2, seed=8)
    imagination.committed(1, seed=8)
    again = imagination.free(5, seed=3)
    np.testing.assert_array_equal(again.latents, dreams.latents)
    other = imagination.free(5, seed=4)
    assert (other.latents[:, 1:] != dreams.latents[:, 1:]).any()


def test_a_dream_is_what_the_network_says_step_by_step(world, imagination, dreams):
    """The first steps by hand, with the state at zero and the noise of the dream's own number."""
    rnn, noise = world.rnn, imagination._noise(5, 3)
    state = [np.zeros((1, 8), np.float32)] * 2
    actions = actions_of(world, 5, 3)
    for step in range(4):
        latents = dreams.latents[2:3, step]
        hidden, cell = rnn.step(latents, actions[2:3, step], state)
        state = [np.asarray(hidden), np.asarray(cell)]
        raw = rnn.predictions(hidden)["mixture"]
        luck = [noise[key][step, 2:3].astype(np.float32) for key in ("choice", "spread")]
        drawn = np.asarray(rnn.mixture.sample(raw, luck)[0])
        np.testing.assert_allclose(dreams.latents[2:3, step + 1], drawn, rtol=1e-4, atol=1e-5)


def actions_of(world, count, seed, steps=STEPS):
    """Return the actions `(R, T, A)` that dreams of this seed are played with."""
    space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    seeds = episode_seeds(seed, 0, count, "evaluate")
    return np.stack([open_loop_actions("held_random", s, steps, space) for s in seeds])


def test_committed_dreams_are_drawn_from_one_component(world):
    """At a vanishing spread, every committed step lands on the mean of its component."""
    settings = DreamSettings(6, sigma_temperature=1e-12)
    committed = Imagination(world, settings).committed(3, seed=1)
    assert len(committed) == 2
    rnn = world.rnn
    first = committed[0].latents[:, 0]
    np.testing.assert_array_equal(first, committed[1].latents[:, 0])
    actions = actions_of(world, 3, 1, 6)
    for component, dreams in enumerate(committed):
        state = [np.zeros((3, 8), np.float32)] * 2
        hidden, _ = rnn.step(first, actions[:, 0], state)
        means = np.asarray(rnn.mixture.split(rnn.predictions(hidden)["mixture"])[1])
        np.testing.assert_allclose(dreams.latents[:, 1], means[:, component], atol=1e-4)
    assert (committed[0].latents[:, 1] != committed[1].latents[:, 1]).any()


def test_the_two_temperatures_are_separate(world, dreams):
    """A low sigma temperature leaves the choice of components open, and the other way round."""
    still = Imagination(world, DreamSettings(STEPS, 1.0, 1e-12)).free(5, 3)
    means = _means_after(world, still)
    nearest = np.abs(still.latents[:, 2:, None] - means[:, 1:]).max(axis=-1).min(axis=-1)
    assert nearest.max() < 1e-3
    assert (still.latents[:, 1:] != dreams.latents[:, 1:]).any()
    sure = Imagination(world, DreamSettings(STEPS, 1e-6, 1e-12)).free(5, 3)
    means = _means_after(world, sure)
    chosen = np.abs(sure.latents[:, 1:, None] - means).max(axis=-1).argmin(axis=-1)
    np.testing.assert_array_equal(chosen[:, :20], sure.components()[:, :20])


def _means_after(world, dreams):
    """Return the components' means for each dreamt frame, `(R, T, K, Z)`, teacher-forced."""
    rnn = world.rnn
    actions = actions_of(world, 5, 3)
    hidden = rnn.lstm(np.concatenate([dreams.latents[:, :-1], actions], axis=-1))[0]
    return np.asarray(rnn.mixture.split(rnn.predictions(hidden)["mixture"])[1])


def test_warm_up_is_the_state_of_the_true_frames(world, recording):
    imagination = Imagination(world, DreamSettings(4))
    warm = imagination.after(recording, 20, 3, seed=0)
    np.testing.assert_array_equal(warm.latents[:, 0], np.repeat(recording.mu[20:21], 3, axis=0))
    actions = actions_of(world, 3, 0, 4)
    inputs = np.concatenate([recording.mu[:20], recording.actions[:20]], axis=-1)
    for dream in range(3):
        now = np.concatenate([recording.mu[20], actions[dream, 0]])[None]
        hidden = world.rnn.lstm(np.concatenate([inputs, now])[None])[0][:, -1]
        logits = world.rnn.mixture.split(world.rnn.predictions(hidden)["mixture"])[0]
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(warm.weights[dream, 0], expected[0], rtol=1e-3)


def test_a_mixture_per_dimension_dreams_and_cannot_be_committed(first_frames):
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(latent_size=3, units=8, num_mixtures=2, mixture="per_dim")
    imagination = Imagination(World("apart", None, rnn, first_frames, ("constant",) * 20))
    dreams = Imagination(imagination.world, DreamSettings(5)).free(4, 0)
    assert dreams.weights.shape == (4, 5, 3, 2)
    np.testing.assert_allclose(dreams.weights.sum(axis=-1), 1.0, atol=1e-5)
    with pytest.raises(InputError, match="--mixture joint"):
        imagination.committed(2, 0)


def test_predictions_and_responsibilities(world, recording):
    """Against the mixture's own densities; padding and batches change nothing."""
    rnn = world.rnn
    latents = recording.mu[:12], recording.logvar[:12]
    short = Recording(None, "", *latents, recording.actions[:11], recording.scene[:12])
    both = Forecaster(rnn)([recording, short])
    (alone,) = Forecaster(rnn)([recording])
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
