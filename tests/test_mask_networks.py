"""The networks of stage 6 on pictures of one thing: white squares are what is worth something."""

import keras
import numpy as np
import pytest
from keras import ops

from models.critic import Critic
from models.critic_vae import CriticVAE
from models.mask_net import GuidedMaskNet, MaskNet, UNet
from reverie.masks.measures import area_under_curve, overlap
from reverie.masks.methods import counterfactual, masking, saliency

SIZE = 16
NET = {"rows": SIZE, "columns": SIZE, "width": 12}


def pictures(count, seed):
    """Return noisy pictures with distractors, values, and the masks of white squares."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(60, 120, (count, SIZE, SIZE, 3))
    masks = np.zeros((count, SIZE, SIZE), bool)
    for number in range(count):
        for white in (False, *([True, True] if number % 2 else [])):
            y, x = rng.integers(0, SIZE - 4, 2)
            frames[number, y : y + 4, x : x + 4] = 250 if white else (40, 40, 220)
            masks[number, y : y + 4, x : x + 4] = white
    return frames.astype(np.uint8), masks.any(axis=(1, 2)).astype(np.float32), masks


def train(model, frames, targets, steps, rate=3e-3, size=32):
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer=optimizer)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        rows = rng.choice(len(frames), size, replace=False)
        model.train_on_batch(frames[rows], targets[rows])


@pytest.fixture(scope="module")
def data():
    return pictures(512, 0)


@pytest.fixture(scope="module")
def critic(data):
    keras.utils.set_random_seed(0)
    model = Critic(SIZE, SIZE, width=8)
    train(model, data[0], data[1], 200)
    return model


def test_the_critic_learns_what_is_worth_something(critic):
    frames, values, _ = pictures(200, 1)
    assert area_under_curve(np.asarray(critic.value(frames)), values > 0) > 0.95


def test_guided_masks_find_what_nobody_showed_them(critic, data):
    keras.utils.set_random_seed(1)
    guided = GuidedMaskNet(NET, critic.get_config(), sparsity=0.5)
    guided.critic.set_weights(critic.get_weights())
    train(guided, data[0], data[1], 300, rate=1e-2)
    frames, _, truth = pictures(100, 2)
    marked = overlap(masking(guided)(frames) >= 0.5, truth)
    assert marked["iou"] > 0.35
    gradients = saliency(critic)(frames)
    rough = overlap(gradients >= np.quantile(gradients, 1 - truth.mean()), truth)
    assert marked["iou"] > rough["iou"]
    for ours, given in zip(guided.critic.get_weights(), critic.get_weights()):
        np.testing.assert_array_equal(ours, given)


def test_a_live_critic_learns_on(critic, data):
    guided = GuidedMaskNet(NET, critic.get_config(), live=True)
    guided.critic.set_weights(critic.get_weights())
    train(guided, data[0], data[1], 2)
    pairs = zip(guided.critic.get_weights(), critic.get_weights())
    assert any((ours != given).any() for ours, given in pairs)


def test_pairs_are_of_high_and_low_value_and_look_alike(critic):
    guided = GuidedMaskNet(NET, critic.get_config())
    rng = np.random.default_rng(0)
    values, light = rng.permutation(32) / 32, rng.integers(0, 255, 32)
    frames = np.broadcast_to(light[:, None, None, None], (32, SIZE, SIZE, 3)).astype(np.float32)
    high, low = map(np.asarray, guided._pair(*map(ops.convert_to_tensor, (frames, values))))
    order = np.argsort(values)
    assert sorted(high[:8]) == sorted(order[-8:])
    assert sorted(high[8:]) == sorted(order[8:16])
    for a, b in zip(high, low):
        others = [row for row in order[:16] if row != a]
        assert b in others
        assert abs(light[a] - light[b]) == np.abs(light[a] - light[others]).min()


def test_the_decoder_obeys_and_the_latents_reconstruct(critic, data):
    keras.utils.set_random_seed(2)
    vae = CriticVAE(critic.get_config(), kl_weight=0.01, obedience=10.0, proximity=0.02)
    vae.critic.set_weights(critic.get_weights())
    train(vae, data[0], data[1], 250)
    frames, values, truth = pictures(64, 3)
    own = np.asarray(vae.repaint(frames, vae.critic.value(frames)))
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
    critic = Critic(*shape)
    assert critic(frames).shape == (2,)
    for network in (MaskNet(*shape), UNet(*shape)):
        assert network(frames).shape == (2, *shape)
    vae = CriticVAE(critic.get_config())
    assert vae(frames)["frames"].shape == (2, *shape, 3)
    for model in (
        critic,
        MaskNet(*shape),
        UNet(*shape),
        vae,
        GuidedMaskNet(NET, critic.get_config()),
    ):
        assert type(model)(**model.get_config()).count_params() == model.count_params()
