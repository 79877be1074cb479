"""Dreams: repeatable, the same noise for all, and the compiled loop is the plain one."""

import numpy as np
import pytest

from reverie.artifacts import InputError
from reverie.controllers.controller import Controller
from reverie.dreams.dream import CHUNK, Dream
from reverie.dreams.ensemble import EnsembleDream
from reverie.dreams.options import DreamOptions
from reverie.models.mdn_rnn import MDNRNN

LIMIT = 120
ROLLOUTS = 6
CONTROLLER = Controller("zh", 3, 8, 1)


@pytest.fixture(scope="module")
def dream(dreamer, first_frames):
    return Dream(dreamer, *first_frames, DreamOptions(temperature=1.0, time_steps=LIMIT))


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(2)
    return rng.standard_normal((7, CONTROLLER.size)).astype(np.float32)


@pytest.fixture(scope="module")
def played(dream, population):
    return dream.controlled(CONTROLLER, population, ROLLOUTS, seed=5)


def test_shapes_and_ranges(played):
    returns, lengths = played
    assert returns.shape == lengths.shape == (7, ROLLOUTS)
    assert lengths.min() >= 1
    assert lengths.max() <= LIMIT
    assert len(np.unique(lengths)) > 5
    assert np.isfinite(returns).all()


def test_a_seed_decides(dream, population, played):
    again = dream.controlled(CONTROLLER, population, ROLLOUTS, seed=5)
    np.testing.assert_array_equal(again, played)
    other = dream.controlled(CONTROLLER, population, ROLLOUTS, seed=6)
    assert (other[1] != played[1]).any()


def test_noise_of_seeds_of_any_size(dream):
    first, again, other = (
        dream.noise((1,), seed, 0)["spread"] for seed in (10**19, 10**19, 10**19 + 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_luck_is_common(dream, population, played):
    """A controller dreams the same whether alone, among others, or beside its own copy."""
    alone = dream.controlled(CONTROLLER, population[3:4], ROLLOUTS, seed=5)
    np.testing.assert_array_equal(alone[1][0], played[1][3])
    np.testing.assert_allclose(alone[0][0], played[0][3], rtol=1e-3)
    returns, lengths = dream.controlled(
        CONTROLLER, np.repeat(population[3:4], 5, axis=0), ROLLOUTS, seed=5
    )
    np.testing.assert_array_equal(lengths, np.repeat(lengths[:1], 5, axis=0))
    np.testing.assert_array_equal(lengths[0], played[1][3])
    np.testing.assert_allclose(returns, np.repeat(returns[:1], 5, axis=0), rtol=1e-3)


def by_hand(dream, parameters, seed):
    """Dream step by step with the loop's noise and return returns and lengths of one controller."""
    state = {
        "z": dream.first_latents(ROLLOUTS, np.random.default_rng(seed)),
        "h": np.zeros((ROLLOUTS, 8), np.float32),
        "c": np.zeros((ROLLOUTS, 8), np.float32),
    }
    returns, lengths, alive = np.zeros(ROLLOUTS), np.zeros(ROLLOUTS), np.ones(ROLLOUTS, bool)
    each = np.tile(parameters, (ROLLOUTS, 1))
    for step in range(dream.options.time_steps):
        chunk, index = divmod(step, CHUNK)
        if index == 0:
            noise = dream.noise((CHUNK, ROLLOUTS), seed, chunk)
        actions = CONTROLLER.act(each, state["z"], state["h"], state["c"])
        state, reward, ends = dream.step(state, actions, {k: v[index] for k, v in noise.items()})
        returns += alive * np.asarray(reward)
        lengths += alive
        alive &= ~np.asarray(ends)
        if not alive.any():
            break
    return returns, lengths


@pytest.mark.parametrize("threshold_ends", [False, True])
def test_compiled_loop_is_the_plain_one(dreamer, first_frames, population, threshold_ends):
    dream = Dream(dreamer, *first_frames, DreamOptions(0.7, 70, threshold_ends))
    returns, lengths = dream.controlled(CONTROLLER, population[:1], ROLLOUTS, seed=11)
    expected = by_hand(dream, population[0], 11)
    np.testing.assert_array_equal(lengths[0], expected[1])
    np.testing.assert_allclose(returns[0], expected[0], rtol=1e-3)


def test_given_actions_are_obeyed(dream):
    """Dreams along the actions that a controller chose are the dreams of that controller."""
    still = np.zeros((1, CONTROLLER.size), np.float32)  # tanh(0): it never moves
    returns, lengths = dream.controlled(CONTROLLER, still, ROLLOUTS, seed=5)
    given = dream.along(np.zeros((ROLLOUTS, LIMIT, 1), np.float32), seed=5)
    np.testing.assert_array_equal(given[1], lengths[0])
    np.testing.assert_allclose(given[0], returns[0], rtol=1e-3)
    moved = dream.along(np.ones((ROLLOUTS, LIMIT, 1), np.float32), seed=5)
    assert (moved[0] != given[0]).any()


def with_termination(dreamer, logit):
    from reverie.models.mdn_rnn import MDNRNN

    rnn = MDNRNN(**dreamer.get_config())
    for ours, theirs in zip(rnn.weights, dreamer.weights):
        ours.assign(theirs)
    kernel, bias = np.array(rnn.head.kernel), np.array(rnn.head.bias)
    kernel[:, -1], bias[-1] = 0.0, logit
    rnn.head.kernel.assign(kernel)
    rnn.head.bias.assign(bias)
    return rnn


@pytest.mark.parametrize("limit", [1, CHUNK, CHUNK + 1])
def test_time_is_up(dreamer, first_frames, population, limit):
    rnn = with_termination(dreamer, -40.0)
    dream = Dream(rnn, *first_frames, DreamOptions(1.0, limit))
    _, lengths = dream.controlled(CONTROLLER, population[:2], ROLLOUTS, seed=5)
    assert (lengths == limit).all()


def test_ends_follow_the_probability_or_the_threshold(dreamer, first_frames):
    """At a logit of -1 a dream ends with probability 0.27 a step, and by threshold never."""
    rnn, count = with_termination(dreamer, -1.0), 400
    actions = np.zeros((count, LIMIT, 1), np.float32)
    _, drawn = Dream(rnn, *first_frames, DreamOptions(1.0, LIMIT)).along(actions, 1)
    chance = 1.0 / (1.0 + np.e)
    spread = np.sqrt(1.0 - chance) / chance / np.sqrt(count)
    assert drawn.mean() == pytest.approx(1.0 / chance, abs=5 * spread)
    options = DreamOptions(1.0, LIMIT, threshold_ends=True)
    assert (Dream(rnn, *first_frames, options).along(actions, 1)[1] == LIMIT).all()
    rnn = with_termination(dreamer, 0.1)
    assert (Dream(rnn, *first_frames, options).along(actions, 1)[1] == 1).all()


def test_an_ensemble_of_the_same_network_dreams_like_it(dream, dreamer, first_frames, population):
    ensemble = EnsembleDream(dreamer, [dreamer, dreamer], *first_frames, dream.options)
    ours, theirs = (
        d.controlled(CONTROLLER, population, ROLLOUTS, seed=5) for d in (ensemble, dream)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert len(ensemble.free(np.zeros((2, 10, 1), np.float32), seed=1).lengths) == 2


def test_networks_of_an_ensemble_take_turns(dream, dreamer, first_frames, population):
    other = MDNRNN(latent_size=3, action_size=1, units=4, num_mixtures=2, seed=2)
    bias = np.array(other.head.bias)
    bias[-2:] = 0.0, 20.0  # every step ends the dream, and is worth nothing
    other.head.bias.assign(bias)
    ensemble = EnsembleDream(dreamer, [other], *first_frames, dream.options)
    returns, lengths = ensemble.controlled(CONTROLLER, population, ROLLOUTS, seed=5)
    alone, _ = dream.controlled(CONTROLLER, population, ROLLOUTS, seed=5)
    assert (lengths[:, 1::2] == 1).all()
    np.testing.assert_allclose(returns[:, ::2], alone[:, ::2], rtol=1e-5)


def test_networks_that_draw_other_latents_are_refused(dreamer, first_frames):
    other = MDNRNN(latent_size=3, action_size=1, units=4, num_mixtures=3)
    with pytest.raises(InputError, match="num_mixtures 3 beside one with 2"):
        EnsembleDream(dreamer, [other], *first_frames)
