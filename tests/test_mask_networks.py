"""The networks of stage 6 on pictures of one thing: white squares are what is worth something."""

import keras
import numpy as np
import pytest
from keras import ops

from reverie.masks.measures import area_under_curve, best_threshold, overlap
from reverie.masks.methods import counterfactual, masking, saliency
from reverie.models.critic import Critic, LocalCritic
from reverie.models.critic_vae import CriticVAE
from reverie.models.guided_mask_net import GuidedMaskNet
from reverie.models.mask_net import MaskNet, UNet

SIZE = 20
THING = 6  # pixels
NET = {"rows": SIZE, "columns": SIZE, "width": 12}


def pictures(count, seed):
    """Return noisy pictures with distractors, values, and the masks of white squares."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(60, 120, (count, SIZE, SIZE, 3))
    masks = np.zeros((count, SIZE, SIZE), bool)
    for number in range(count):
        for white in (False, *([True, True] if number % 2 else [])):
            y, x = rng.integers(0, SIZE - THING, 2)
            frames[number, y : y + THING, x : x + THING] = 250 if white else (40, 40, 220)
            masks[number, y : y + THING, x : x + THING] = white
    return frames.astype(np.uint8), masks.any(axis=(1, 2)).astype(np.float32), masks


def train(model, frames, targets, steps, rate=3e-3, size=32):
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer=optimizer)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        rows = rng.choice(len(frames), size, replace=False)
        model.train_on_batch(frames[rows], targets[rows])


def rough(critic, frames, truth):
    """Measure the critic's gradients, marking as many pixels as there are to find."""
    gradients = saliency(critic)(frames)
    return overlap(gradients >= np.quantile(gradients, 1 - truth.mean()), truth)


@pytest.fixture(scope="module")
def data():
    return pictures(512, 0)


@pytest.fixture(scope="module")
def critic(data):
    keras.utils.set_random_seed(0)
    model = Critic(SIZE, SIZE, width=8)
    train(model, data[0], data[1], 200)
    return model


@pytest.fixture(scope="module")
def local(data):
    keras.utils.set_random_seed(0)
    model = LocalCritic(SIZE, SIZE, width=8)
    train(model, data[0], data[1], 200)
    return model


@pytest.mark.parametrize("name", ["critic", "local"])
def test_a_critic_learns_what_is_worth_something(name, request):
    frames, values, _ = pictures(200, 1)
    worth = np.asarray(request.getfixturevalue(name).value(frames))
    assert area_under_curve(worth, values > 0) > 0.95


def test_a_local_critic_marks_what_nobody_showed_it(local, critic):
    known, (frames, _, truth) = pictures(100, 4), pictures(100, 2)
    threshold = best_threshold(masking(local)(known[0]), known[2])
    marked = overlap(masking(local)(frames) >= threshold, truth)
    assert marked["iou"] > 0.35
    assert marked["iou"] > 2 * rough(critic, frames, truth)["iou"]


def test_a_local_critic_gives_the_same_logits_wherever_a_thing_stands(local):
    wide = LocalCritic(2 * SIZE, 2 * SIZE, width=8)
    wide.set_weights(local.get_weights())
    frames = np.full((2, 2 * SIZE, 2 * SIZE, 3), 90, np.uint8)
    frames[0, 17:23, 20:26] = frames[1, 17:23, 14:20] = 250
    masks = np.asarray(wide.mask(frames))
    np.testing.assert_allclose(masks[0, 17:23, 20:26], masks[1, 17:23, 14:20], atol=1e-5)


def test_guided_masks_find_what_nobody_showed_them(critic, data):
    keras.utils.set_random_seed(1)
    guided = GuidedMaskNet(NET, critic.get_config(), sparsity=0.5)
    guided.critic.set_weights(critic.get_weights())
    train(guided, data[0], data[1], 300)
    frames, _, truth = pictures(100, 2)
    marked = overlap(masking(guided)(frames) >= 0.5, truth)
    assert marked["iou"] > 2 * truth.mean()  # as a mask of everything has
    assert marked["iou"] > rough(critic, frames, truth)["iou"]
    for ours, given in zip(guided.critic.get_weights(), critic.get_weights()):
        np.testing.assert_array_equal(ours, given)


def test_a_live_critic_learns_on(critic, data):
    guided = GuidedMaskNet(NET, critic.get_config(), live=True)
    guided.critic.set_weights(critic.get_weights())
    train(guided, data[0], data[1], 2)
    pairs = zip(guided.critic.get_weights(), critic.get_weights())
    assert any((ours != given).any() for ours, given in pairs)


def test_pairs_are_of_high_and_low_value(critic):
    guided = GuidedMaskNet(NET, critic.get_config())
    values = np.random.default_rng(0).permutation(32) / 32
    high, low = map(np.asarray, guided.pair(ops.convert_to_tensor(values)))
    order = np.argsort(values)
    assert sorted(low) == sorted(order[:16])
    assert sorted(high[:8]) == sorted(order[-8:])
    assert sorted(high[8:]) == sorted(order[8:16])
    again = np.asarray(guided.pair(ops.convert_to_tensor(values))[1])
    assert (low != again).any()


def test_the_decoder_paints_what_it_is_told(local, data):
    keras.utils.set_random_seed(2)
    vae = CriticVAE(local.get_config())
    vae.critic.set_weights(local.get_weights())
    train(vae, data[0], data[1], 250)
    frames, values, truth = pictures(64, 3)
    own = np.asarray(vae.reconstruct(frames))
    blank = np.square(frames / 255.0 - frames.mean(axis=(1, 2), keepdims=True) / 255.0).mean()
    assert np.square(frames / 255.0 - own).mean() < blank
    worth = [
        np.asarray(vae.critic.value(255.0 * np.asarray(vae.repaint(frames, np.full(64, v, "f")))))
        for v in (0.0, 1.0)
    ]
    assert worth[1].mean() - worth[0].mean() > 0.4
    changed = counterfactual(vae)(frames[values > 0])
    inside = truth[values > 0]
    assert changed[inside].mean() > 2 * changed[~inside].mean()


@pytest.mark.parametrize("shape", [(49, 63), (64, 64), (49, 64)])
def test_every_size_of_frame_fits(shape):
    frames = np.zeros((2, *shape, 3), np.uint8)
    critic, local = Critic(*shape), LocalCritic(*shape)
    assert critic(frames).shape == local(frames).shape == (2,)
    for network in (MaskNet(*shape), UNet(*shape), local.mask):
        assert network(frames).shape == (2, *shape)
    vae = CriticVAE(local.get_config())
    assert vae(frames)["frames"].shape == (2, *shape, 3)
    for model in (
        critic,
        local,
        MaskNet(*shape),
        UNet(*shape),
        vae,
        GuidedMaskNet(NET, critic.get_config()),
    ):
        assert type(model)(**model.get_config()).count_params() == model.count_params()
