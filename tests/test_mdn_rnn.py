"""The MDN-RNN: sizes, densities, sampling, and which steps its loss looks at."""

import keras
import numpy as np
import pytest
from keras import backend, optimizers

from reverie.models import lstm
from reverie.models.distributions import seed_at
from reverie.models.mdn_rnn import HEADS, MDNRNN
from reverie.models.mixture import FORMS, SIGMA_MAX, SIGMA_MIN, Mixture

Z, K = 3, 4
JIT = backend.backend() == "jax"  # without it JAX runs one operation after the other
CERTAIN = -60.0  # a log-variance whose noise is lost in float32


def parameters(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_article_networks_have_the_published_size():
    car_racing = MDNRNN(32, 3, 256, mixture="per_dim", heads=())
    doom = MDNRNN(64, 2, 512, mixture="per_dim", heads=("termination",))
    assert parameters(car_racing) == 422_368
    assert parameters(doom) == 1_678_785


def split(raw, form):
    """Return log-weights, means and sigmas of one frame, all `(Z, K)`."""
    means, spreads = raw[: Z * K], raw[Z * K : 2 * Z * K]
    logits = raw[2 * Z * K :]
    if form == "joint":
        means, spreads = means.reshape(K, Z).T, spreads.reshape(K, Z).T
        logits = np.tile(logits, (Z, 1))
    else:
        means, spreads, logits = (part.reshape(Z, K) for part in (means, spreads, logits))
    weights = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return weights, means, np.exp(spreads) + SIGMA_MIN


def density_by_hand(raw, latent, form):
    weights, means, sigmas = split(raw, form)
    each = -0.5 * ((latent[:, None] - means) / sigmas) ** 2
    each -= np.log(sigmas) + 0.5 * np.log(2.0 * np.pi)
    if form == "joint":
        return np.log(np.exp(weights[0] + each.sum(axis=0)).sum())
    return np.log(np.exp(weights + each).sum(axis=1)).sum()


@pytest.mark.parametrize("form", FORMS)
def test_density_is_its_formula(form):
    mixture = Mixture(Z, K, form)
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((10, mixture.parameters)).astype(np.float32)
    latents = rng.standard_normal((10, Z)).astype(np.float32)
    expected = [density_by_hand(*pair, form) for pair in zip(raw.astype(float), latents)]
    np.testing.assert_allclose(mixture.distribution(raw).log_prob(latents), expected, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_density_keeps_leading_axes(form):
    mixture = Mixture(Z, K, form)
    raw = np.zeros((2, 5, mixture.parameters), np.float32)
    assert mixture.distribution(raw).log_prob(np.zeros((2, 5, Z), np.float32)).shape == (2, 5)


def draw(mixture, raw, count, *temperatures):
    noise = mixture.noise(count, seed_at(3, 7))
    latents, chosen = mixture.sample(np.tile(raw, (count, 1)), noise, *temperatures)
    return np.asarray(latents, float), np.asarray(chosen)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("form", FORMS)
def test_samples_have_the_moments_of_the_mixture(form, temperature):
    mixture, count = Mixture(Z, K, form), 20_000
    raw = np.random.default_rng(1).standard_normal(mixture.parameters).astype(np.float32)
    latents, chosen = draw(mixture, raw, count, temperature)

    logits, means, sigmas = split(raw.astype(float), form)
    weights = np.exp(logits / temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    mean = (weights * means).sum(axis=1)
    variance = (weights * (temperature * sigmas**2 + means**2)).sum(axis=1) - mean**2
    assert np.abs(latents.mean(axis=0) - mean).max() < 5 * np.sqrt(variance / count).max()
    fourth = ((latents - mean) ** 4).mean(axis=0)
    error = np.sqrt((fourth - variance**2) / count)
    assert (np.abs(latents.var(axis=0) - variance) < 5 * error).all()
    share = (chosen.reshape(count, -1)[:, 0] == 2).mean()
    assert share == pytest.approx(weights[0, 2], abs=5 * np.sqrt(0.25 / count))


def test_a_joint_mixture_moves_all_dimensions_together():
    mixture = Mixture(2, 2, "joint")
    means, spreads, logits = [[-5, -5], [5, 5]], np.full(4, -4.0), [0.0, 0.0]
    raw = np.concatenate([np.ravel(means), spreads, logits]).astype(np.float32)
    latents, chosen = draw(mixture, raw, 500)
    assert (np.sign(latents[:, 0]) == np.sign(latents[:, 1])).all()
    assert (chosen == (latents[:, 0] > 0)).all()
    assert 0.3 < chosen.mean() < 0.7


@pytest.mark.parametrize("form", FORMS)
def test_cold_samples_are_the_most_likely_mean(form):
    mixture = Mixture(Z, K, form)
    raw = np.random.default_rng(1).standard_normal(mixture.parameters).astype(np.float32)
    latents, _ = draw(mixture, raw, 1000, 1e-8)
    logits, means, _ = split(raw, form)
    likeliest = np.take_along_axis(means, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(latents, np.tile(likeliest, (1000, 1)), atol=5e-3)


def test_the_two_temperatures_are_apart():
    mixture = Mixture(1, 2, "joint")
    raw = np.array([-3.0, 3.0, 0.0, 0.0, 1.0, 0.0], np.float32)
    latents, chosen = draw(mixture, raw, 2000, 1.0, 1e-8)
    assert 0.6 < (chosen == 0).mean() < 0.86  # softmax gives 0.73
    np.testing.assert_allclose(np.abs(latents), 3.0, atol=5e-3)


@pytest.mark.parametrize("form", FORMS)
def test_sigmas_are_bounded(form):
    mixture = Mixture(Z, K, form)
    for raw, expected in ((-50.0, SIGMA_MIN), (50.0, SIGMA_MAX + SIGMA_MIN)):
        sigmas = mixture.split(np.full((1, mixture.parameters), raw, np.float32))[2]
        np.testing.assert_allclose(sigmas, expected, rtol=1e-5)


def batch(rng, rows=3, length=7):
    x = {
        "mu": rng.standard_normal((rows, length + 1, Z)).astype(np.float32),
        "logvar": np.full((rows, length + 1, Z), CERTAIN, np.float32),
        "actions": rng.uniform(-1, 1, (rows, length, 2)).astype(np.float32),
    }
    y = {
        "reward": rng.uniform(size=(rows, length)).astype(np.float32),
        "termination": np.zeros((rows, length), np.float32),
        "mask": np.ones((rows, length), np.float32),
    }
    return x, y


def network(form="joint", heads=HEADS, **options):
    return MDNRNN(Z, 2, 5, K, form, heads, **options)


def loss_of(rnn, x, y):
    return float(rnn.compute_loss(y=y, y_pred=rnn(x)))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_steps_are_the_unrolled_call(scale):
    rnn = network(latent_scale=scale)
    x, _ = batch(np.random.default_rng(2))
    called = rnn(x)
    state = [np.zeros((3, 5), np.float32)] * 2
    for step in range(7):
        state = rnn.step(x["mu"][:, step], x["actions"][:, step], state)
        predicted = rnn.predictions(state[0])
        for name in ("mixture", "reward", "termination"):
            np.testing.assert_allclose(
                predicted[name], np.asarray(called[name])[:, step], rtol=1e-4, atol=1e-5
            )


def test_a_state_goes_on_from_window_to_window():
    rnn = network()
    x, _ = batch(np.random.default_rng(2), length=8)
    whole = np.asarray(rnn(x)["mixture"])
    state, parts = rnn.initial_state(3), []
    for start in (0, 4):
        half = {k: v[:, start : start + 5] for k, v in x.items()}
        half["actions"] = half["actions"][:, :4]
        outputs, state = rnn.unroll(half, state)
        parts.append(np.asarray(outputs["mixture"]))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_loss_is_its_formula(form):
    rnn = network(form, termination_weight=3.0)
    x, y = batch(np.random.default_rng(3))
    y["termination"][1, 4], y["mask"][1, 5:] = 1.0, 0.0
    outputs = {name: np.asarray(v, float) for name, v in rnn(x).items()}
    played = y["mask"].astype(bool)
    scored = played & (y["termination"] == 0)
    latents = x["mu"][:, 1:]
    nats = [
        density_by_hand(r, z, form) for r, z in zip(outputs["mixture"][scored], latents[scored])
    ]
    alone = Mixture(Z, 1, "joint").distribution(outputs["gaussian"][scored].astype(np.float32))
    reward = ((outputs["reward"] - y["reward"])[played] ** 2).mean()
    chance = 1.0 / (1.0 + np.exp(-outputs["termination"][played]))
    ended = y["termination"][played]
    surprise = -(ended * np.log(chance) + (1 - ended) * np.log(1 - chance)).mean()
    expected = -np.mean(nats) / Z - np.asarray(alone.log_prob(latents[scored])).mean() / Z
    assert loss_of(rnn, x, y) == pytest.approx(expected + reward + 3.0 * surprise, rel=1e-4)


def test_masked_steps_do_not_count():
    rnn = network()
    x, y = batch(np.random.default_rng(4))
    y["mask"][0, 4:] = 0.0
    before = loss_of(rnn, x, y)
    x["mu"][0, 5:], x["actions"][0, 4:] = 9.0, -7.0
    y["reward"][0, 4:], y["termination"][0, 4:] = 50.0, 1.0
    assert loss_of(rnn, x, y) == pytest.approx(before, rel=1e-6)
    y["mask"][0, 4] = 1.0
    assert loss_of(rnn, x, y) != pytest.approx(before, rel=1e-3)


def test_what_follows_an_end_is_not_scored():
    rnn = network()
    x, y = batch(np.random.default_rng(5))
    y["termination"][2, -1] = 1.0
    before = loss_of(rnn, x, y)
    x["mu"][2, -1] = 9.0
    assert loss_of(rnn, x, y) == pytest.approx(before, rel=1e-6)
    x["mu"][1, -1] = 9.0
    assert loss_of(rnn, x, y) != pytest.approx(before, rel=1e-3)


def test_the_gaussian_head_has_no_influence():
    rnn = network()
    x, y = batch(np.random.default_rng(5))
    rnn.compile(optimizer=optimizers.SGD(0.0), jit_compile=JIT)
    lone = network(heads=("reward", "termination"))
    lone.compile(optimizer=optimizers.SGD(0.1), jit_compile=JIT)
    for ours, theirs in zip(lone.weights, rnn.weights):
        if ours.shape == theirs.shape:
            theirs.assign(np.array(ours))  # JAX would share the buffer and give it away
    rnn.optimizer.learning_rate = 0.1
    lone.train_on_batch(x, y)
    rnn.train_on_batch(x, y)
    for ours, theirs in zip(lone.lstm.weights, rnn.lstm.weights):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_nats_are_those_of_unscaled_latents():
    """A network that sees latents times s and says everything times s is as surprised as before."""
    plain, scale = network(), 0.25
    scaled = network(latent_scale=scale)
    rng = np.random.default_rng(6)
    latents = rng.standard_normal((3, 7, Z)).astype(np.float32)
    raw = rng.standard_normal((3, 7, plain.mixture.parameters)).astype(np.float32)
    count = Z * K
    sigmas = np.exp(raw[..., count : 2 * count]) + SIGMA_MIN
    shrunk = raw.copy()
    shrunk[..., :count] *= scale
    shrunk[..., count : 2 * count] = np.log(scale * sigmas - SIGMA_MIN)
    before = plain.nats_of(plain.mixture, raw, latents)
    after = scaled.nats_of(scaled.mixture, shrunk, scale * latents)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)


def test_latents_are_drawn_anew():
    rnn = network()
    x, _ = batch(np.random.default_rng(7))
    x["logvar"][:] = 0.0
    first, second = (np.asarray(rnn(x)["next_latent"]) for _ in range(2))
    assert np.abs(first - second).max() > 0.1


def test_loss_falls():
    rnn = network()
    x, y = batch(np.random.default_rng(8))
    rnn.compile(optimizer=optimizers.Adam(1e-2), jit_compile=JIT)
    losses = [float(rnn.train_on_batch(x, y, return_dict=True)["loss"]) for _ in range(20)]
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("heads", [(), ("termination",), HEADS])
@pytest.mark.parametrize("form", FORMS)
def test_configuration_rebuilds_the_network(form, heads):
    rnn = network(form, heads, latent_scale=0.5, termination_weight=2.0)
    again = MDNRNN(**rnn.get_config())
    assert again.get_config() == rnn.get_config()
    assert [v.shape for v in again.weights] == [v.shape for v in rnn.weights]


def test_the_network_sees_the_part_of_an_action_that_the_game_plays():
    rnn = MDNRNN(Z, 1, 5, K, action_levels=3)
    latents, state = np.ones((6, Z), np.float32), [np.zeros((6, 5), np.float32)] * 2
    actions = np.array([[-1.0], [-0.34], [-0.32], [0.32], [0.34], [1.0]], np.float32)
    hidden = np.asarray(rnn.step(latents, actions, state)[0])
    left, stay, right = hidden[:2], hidden[2:4], hidden[4:]
    for same in (left, stay, right):
        np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    assert not np.allclose(left[0], stay[0])
    assert not np.allclose(stay[0], right[0])
    plain = MDNRNN(**rnn.get_config() | {"action_levels": 0})
    plain.set_weights(rnn.get_weights())
    exact = np.asarray(
        plain.step(latents[:3], np.array([[-1.0], [0.0], [1.0]]), [part[:3] for part in state])[0]
    )
    np.testing.assert_allclose(exact, hidden[[0, 2, 4]], atol=1e-6)


@pytest.mark.parametrize("heads", [("termination",), HEADS])
def test_ends_are_expected_as_often_as_they_are_said_to_come(heads):
    rnn = network("joint", heads)
    before = rnn.predictions(np.zeros((1, 5), np.float32))
    rnn.expect_ends(0.01)
    after = rnn.predictions(np.zeros((1, 5), np.float32))
    assert 1.0 / (1.0 + np.exp(-np.asarray(after["termination"]))) == pytest.approx([0.01])
    for name in before.keys() - {"termination"}:
        np.testing.assert_array_equal(after[name], before[name])


def test_sequences_and_their_gradients_are_those_of_keras_layer():
    rnn, rng = MDNRNN(Z, 2, 32, K), np.random.default_rng(9)
    cell, inputs = rnn.lstm.cell, Z + 2
    weights = [cell.kernel, cell.recurrent_kernel, cell.bias]
    x = rng.standard_normal((4, 20, inputs)).astype(np.float32)
    state = [rng.standard_normal((4, 32)).astype(np.float32) for _ in range(2)]
    wanted = [rng.standard_normal(shape) for shape in ((4, 20, 32), (4, 32), (4, 32))]

    def run(x, h, c, *weights):
        outputs, state = lstm.sequences(inputs, 32)(x, [h, c], list(weights))
        return outputs, *state

    def by_keras(x, h, c, *weights):
        results, _ = rnn.lstm.stateless_call(
            weights, [v.value for v in rnn.lstm.non_trainable_variables], x, initial_state=[h, c]
        )
        return results

    ours, theirs = (
        gradients(f, wanted, [x, *state, *(np.array(w) for w in weights)]) for f in (run, by_keras)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * np.abs(other).max())


def gradients(function, wanted, arguments):
    """Return a function's results, and the gradients of their products with what is wanted."""
    if JIT:
        import jax

        def product(arguments):
            return sum((a * b).sum() for a, b in zip(function(*arguments), wanted))

        return [*function(*arguments), *jax.grad(product)(arguments)]
    import tensorflow as tf

    arguments = [tf.constant(value) for value in arguments]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        results = function(*arguments)
        product = sum(tf.reduce_sum(a * b) for a, b in zip(results, wanted))
    return [*results, *tape.gradient(product, arguments)]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_an_episode_inside_a_sequence_knows_nothing_of_the_one_before(precision):
    keras.config.set_dtype_policy(precision)
    try:
        rnn = network()
    finally:
        keras.config.set_dtype_policy("float32")
    x, _ = batch(np.random.default_rng(10), length=9)
    x["begins"] = np.zeros((3, 9), np.float32)
    x["begins"][:, 4] = 1.0
    other = {key: values.copy() for key, values in x.items()}
    other["mu"][:, :4], other["actions"][:, :4] = 3.0, -0.5
    ours, theirs = (np.asarray(rnn(inputs)["mixture"], np.float32) for inputs in (x, other))
    assert np.abs(ours[:, 1] - theirs[:, 1]).max() > 1e-2
    np.testing.assert_array_equal(ours[:, 4:], theirs[:, 4:])
    alone = {key: values[:, 4:] for key, values in x.items()}
    alone = np.asarray(rnn(alone)["mixture"], np.float32)
    np.testing.assert_allclose(
        ours[:, 4:], alone, rtol=1e-4, atol=1e-2 if "16" in precision else 1e-5
    )
