"""The networks that clone: what they may look at, one step at a time, and what their losses say."""

import keras
import numpy as np
import pytest
from keras import ops

from reverie.models.gpt import GPT, LOSSES, VisualGPT

CONTEXT, LENGTH, CLASSES = 4, 11, 3
SIZES = {"context": CONTEXT, "width": 16, "blocks": 2, "heads": 2}


def network(visual=False, **changes):
    keras.utils.set_random_seed(0)
    if visual:
        return VisualGPT(CLASSES, frame_shape=(16, 24, 3), channels=4, **SIZES | changes)
    return GPT(CLASSES, latent_size=5, **SIZES | changes)


def played(visual=False, seed=0):
    rng = np.random.default_rng(seed)
    shape = (2, LENGTH, 16, 24, 3) if visual else (2, LENGTH, 5)
    seen = rng.integers(0, 256, shape) if visual else rng.standard_normal(shape)
    previous = rng.integers(0, CLASSES, (2, LENGTH))
    previous[:, 0] = -1
    return {"seen": seen.astype("float32"), "previous": previous.astype("int32")}


@pytest.mark.parametrize("visual", [False, True])
def test_one_step_at_a_time_gives_what_whole_episodes_give(visual):
    gpt, inputs = network(visual, previous_actions=True), played(visual)
    whole = np.asarray(gpt(inputs))
    memory = gpt.first_memory(2)
    for step in range(LENGTH):
        known = np.full(2, min(step, CONTEXT - 1), "int32")
        logits, memory = gpt.step(
            inputs["seen"][:, step], inputs["previous"][:, step], memory, known
        )
        np.testing.assert_allclose(np.asarray(logits), whole[:, step], atol=2e-5)


def test_a_row_that_begins_anew_forgets_what_was_before():
    gpt, inputs = network(), played()
    memory = np.random.default_rng(1).standard_normal(gpt.first_memory(2).shape).astype("float32")
    known = np.zeros(2, "int32")
    logits, _ = gpt.step(inputs["seen"][:, 0], inputs["previous"][:, 0], memory, known)
    np.testing.assert_allclose(np.asarray(logits), np.asarray(gpt(inputs))[:, 0], atol=2e-5)


def test_a_step_knows_nothing_of_the_future_and_only_its_context():
    gpt, inputs = network(blocks=1), played()
    before = np.asarray(gpt(inputs))
    changed = {name: values.copy() for name, values in inputs.items()}
    changed["seen"][:, 5] += 1.0
    differs = np.abs(np.asarray(gpt(changed)) - before).max(axis=(0, 2)) > 1e-6
    assert differs.tolist() == [5 <= step < 5 + CONTEXT for step in range(LENGTH)]


def test_previous_actions_are_seen_only_if_asked_for():
    inputs = played()
    other = inputs | {"previous": (inputs["previous"] + 1) % CLASSES}
    for asked in (False, True):
        gpt = network(previous_actions=asked)
        assert np.allclose(np.asarray(gpt(inputs)), np.asarray(gpt(other))) is not asked


def test_the_legacy_loss_is_content_with_a_constant_answer():
    """Ones for every class whatever is seen: nothing is learned, and the loss says all is well."""
    targets = np.eye(CLASSES, dtype="float32")[[0, 1, 2, 1]]
    constant = np.ones((4, CLASSES), "float32")
    right = 8.0 * targets
    assert float(ops.mean(LOSSES["legacy_mse"](constant, targets))) == 0.0
    assert float(ops.mean(LOSSES["legacy_mse"](right, targets))) > 1.0
    for name in ("cross_entropy", "focal", "brier"):
        loss = LOSSES[name]
        assert (
            float(ops.mean(loss(right, targets))) < 0.01 < float(ops.mean(loss(constant, targets)))
        )


def test_losses_are_what_their_names_say():
    logits = np.array([[1.0, 2.0, 0.5]], "float32")
    targets = np.array([[1.0, 0.0, 0.0]], "float32")
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    expected = {
        "cross_entropy": -np.log(p[0]),
        "focal": -((1 - p[0]) ** 2) * np.log(p[0]),
        "brier": (p[0] - 1) ** 2 + p[1] ** 2 + p[2] ** 2,
        "legacy_mse": (1.0 - 1.0) ** 2 / 3,
    }
    for name, value in expected.items():
        assert float(LOSSES[name](logits, targets)[0]) == pytest.approx(float(value), abs=1e-6)


@pytest.mark.parametrize("visual", [False, True])
def test_what_is_shown_is_learned_and_masked_steps_are_not(visual):
    gpt = network(visual, dropout=0.0, class_weights=[1.0, 2.0, 1.0])
    gpt.compile(optimizer=keras.optimizers.Adam(1e-2))
    inputs = played(visual)
    actions = np.random.default_rng(3).integers(0, CLASSES, (2, LENGTH))
    mask = np.ones((2, LENGTH), "float32")
    mask[:, -2:] = 0.0
    first = gpt.train_on_batch(inputs, {"actions": actions, "mask": mask}, return_dict=True)
    for _ in range(150):
        gpt.reset_metrics()
        last = gpt.train_on_batch(inputs, {"actions": actions, "mask": mask}, return_dict=True)
    assert last["nll"] < 0.1 * first["nll"]
    other = np.where(mask > 0, actions, (actions + 1) % CLASSES)
    gpt.reset_metrics()
    same = gpt.test_on_batch(inputs, {"actions": other, "mask": mask}, return_dict=True)
    assert same["nll"] == pytest.approx(last["nll"], rel=0.2)


@pytest.mark.parametrize("visual", [False, True])
def test_a_network_is_rebuilt_by_its_configuration(visual):
    gpt = network(visual)
    again = type(gpt)(**gpt.get_config())
    assert again.count_params() == gpt.count_params()
    assert [tuple(w.shape) for w in again.weights] == [tuple(w.shape) for w in gpt.weights]
