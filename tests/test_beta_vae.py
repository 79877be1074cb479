"""The VAE for recorded screens: small things that move survive, and beta rises."""

import keras
import numpy as np
import pytest

from reverie.models.architectures import ARCHITECTURES
from reverie.models.beta_vae import BetaVAE
from reverie.training.weights import build_network

SIDE, THING = 32, 4


def scenes(count, seed):
    """Return frames of a background with one small thing, the background, and where it is."""
    rng = np.random.default_rng(seed)
    background = np.full((SIDE, SIDE, 3), 40, np.uint8)
    frames, masks = np.repeat(background[None], count, 0), np.zeros((count, SIDE, SIDE), bool)
    for number, (y, x) in enumerate(rng.integers(0, SIDE - THING, (count, 2))):
        frames[number, y : y + THING, x : x + THING] = 230
        masks[number, y : y + THING, x : x + THING] = True
    return frames, background, masks


def test_a_small_thing_survives():
    keras.utils.set_random_seed(0)
    vae = BetaVAE(latent_size=8, beta=4.0, warmup=100, frame_shape=(SIDE, SIDE, 3))
    frames, background, _ = scenes(2000, 0)
    vae.mean_frame.assign(background / 255.0)
    vae.compile(optimizer=keras.optimizers.Adam(3e-3))
    for start in range(0, 350 * 50, 50):
        vae.train_on_batch(frames[np.arange(start, start + 50) % len(frames)])
    held, _, masks = scenes(100, 1)
    decoded = np.asarray(vae.predict_on_batch(held)["frames"])
    error = np.square(held / 255.0 - decoded).mean(axis=-1)[masks].mean()
    left_out = np.square((held - background.astype(float)) / 255.0).mean(axis=-1)[masks].mean()
    assert error < 0.5 * left_out


def test_beta_rises_in_training_and_is_whole_where_it_is_measured():
    vae = BetaVAE(latent_size=4, beta=4.0, warmup=10, frame_shape=(16, 16, 3))
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    answer = {"frames": frames / 255.0, "mu": np.ones((2, 4), "f"), "logvar": np.zeros((2, 4), "f")}
    whole = 4.0 * 2.0  # beta times half the squares of four means
    for batch in range(1, 13):
        vae(frames, training=True)
        loss = float(vae.compute_loss(frames, y_pred=answer, training=True))
        assert loss == pytest.approx(whole * min(batch / 10, 1.0), rel=1e-5)
    assert float(vae.compute_loss(frames, y_pred=answer, training=False)) == pytest.approx(whole)


def test_what_is_painted_where_nothing_is_counts_as_much_as_what_is_left_out():
    vae = BetaVAE(latent_size=4, beta=0.0, detail_weight=20.0, frame_shape=(16, 16, 3))
    code = {"mu": np.zeros((1, 4), "f"), "logvar": np.zeros((1, 4), "f")}
    empty = np.zeros((1, 16, 16, 3), "float32")
    thing = empty.copy()
    thing[0, 4:8, 4:8] = 1.0
    losses = [
        float(vae.compute_loss(255 * seen, y_pred=code | {"frames": painted}, training=False))
        for seen, painted in ((thing, empty), (empty, thing))
    ]
    assert losses[0] == pytest.approx(losses[1]) == pytest.approx(16 * 3 * 21, rel=1e-5)


@pytest.mark.parametrize("name", ["beta", "beta_plain"])
@pytest.mark.parametrize("side", [64, 128])
def test_both_sizes(name, side):
    known = ARCHITECTURES[name]
    config = {"architecture": name, "frame_shape": [side, side, 3]} | known.settings
    vae = build_network("VAE", config)
    assert vae(np.zeros((1, side, side, 3), np.uint8))["frames"].shape == (1, side, side, 3)
    assert build_network("VAE", vae.get_config()).count_params() == vae.count_params()
