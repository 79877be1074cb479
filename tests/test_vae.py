"""The VAE: sizes, shapes, and a loss that is what its formula says."""

import numpy as np
import pytest
from keras import backend, ops, optimizers

from reverie.models.patches import depth_to_space, space_to_depth
from reverie.models.vae import BUILDERS, VAE
from reverie.networks import frame_fault


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize(("latent_size", "parameters"), [(64, 4_446_915), (32, 4_348_547)])
def test_article_has_the_published_size(latent_size, parameters):
    vae = VAE("article", latent_size)
    assert sum(int(np.prod(v.shape)) for v in vae.trainable_variables) == parameters


@pytest.mark.parametrize("architecture", BUILDERS)
def test_shapes_and_range(architecture, frames):
    vae = VAE(architecture, latent_size=5)
    mu, logvar = vae.encode(frames)
    assert mu.shape == logvar.shape == (6, 5)
    rng = np.random.default_rng(1)
    decoded = np.asarray(vae.decode(10 * rng.standard_normal((4, 5)).astype(np.float32)))
    assert decoded.shape == (4, 64, 64, 3)
    assert decoded.dtype == np.float32
    assert decoded.min() >= 0.0
    assert decoded.max() <= 1.0


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [((64, 64, 3), 2_172_176), ((96, 96, 3), 4_798_736), ((128, 128, 3), 4_339_856)],
)
def test_patch_sees_other_sizes_with_about_as_many_parameters(shape, parameters):
    vae = VAE("patch", 64, frame_shape=shape)
    assert sum(int(np.prod(v.shape)) for v in vae.trainable_variables) == parameters
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    assert vae(frames)["frames"].shape == (2, *shape)
    assert vae.mean_frame.shape == shape


def test_patch_sees_frames_that_are_not_square():
    vae = VAE("patch", 5, frame_shape=(64, 136, 3))
    assert vae(np.zeros((2, 64, 136, 3), np.uint8))["frames"].shape == (2, 64, 136, 3)


@pytest.mark.parametrize(
    ("architecture", "shape", "fault"),
    [("article", (128, 128, 3), "64, 64, 3"), ("patch", (100, 96, 3), "divisible by 8")],
)
def test_frames_that_an_architecture_cannot_see(architecture, shape, fault):
    with pytest.raises(ValueError, match=fault):
        VAE(architecture, 5, frame_shape=shape)
    assert frame_fault(architecture, shape)
    assert frame_fault("patch", (128, 128, 3)) is None


def test_call_draws_in_training_and_only_there(frames):
    vae = VAE("patch", latent_size=5)
    still = [np.asarray(vae(frames)["frames"]) for _ in range(2)]
    drawn = [np.asarray(vae(frames, training=True)["frames"]) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-4


def test_bytes_and_floats_encode_the_same(frames):
    vae = VAE("patch", latent_size=5)
    np.testing.assert_array_equal(vae.encode(frames)[0], vae.encode(frames.astype(np.float32))[0])


@pytest.mark.parametrize("size", [2, 4])
def test_depth_and_space_are_inverse(size):
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    folded = space_to_depth(ops.convert_to_tensor(x), size)
    assert folded.shape == (2, 8 // size, 8 // size, 3 * size * size)
    np.testing.assert_array_equal(folded[0, 0, 0], x[0, :size, :size].reshape(-1))
    np.testing.assert_array_equal(depth_to_space(folded, size), x)


def loss_by_hand(vae, frames, outputs):
    x = frames / 255.0
    departure = np.abs(x - np.asarray(vae.mean_frame)).mean(axis=-1)
    weight = 1.0 + vae.detail_weight * np.minimum(departure / 0.2, 1.0)
    error = (weight * ((x - outputs["frames"]) ** 2).sum(axis=-1)).sum(axis=(1, 2)).mean()
    mu, logvar = outputs["mu"], outputs["logvar"]
    kl = 0.5 * (np.exp(logvar) + mu**2 - 1.0 - logvar).sum(axis=-1)
    free = vae.free_bits * vae.latent_size
    assert kl.min() < free < kl.max() or free == 0.0  # both sides of the maximum are tried
    return vae.reconstruction_weight * error + np.maximum(kl, free).mean()


@pytest.mark.parametrize(
    ("reconstruction_weight", "detail_weight", "free_bits"),
    [(1.0, 0.0, 0.5), (30.0, 10.0, 0.0), (2.0, 5.0, 0.5)],
)
def test_loss_is_its_formula(reconstruction_weight, detail_weight, free_bits, frames):
    rng = np.random.default_rng(2)
    vae = VAE("patch", 5, reconstruction_weight, detail_weight, free_bits)
    vae.mean_frame.assign(rng.uniform(size=(64, 64, 3)))
    strength = np.array([0.05, 0.1, 0.2, 1.0, 2.0, 3.0])[:, None]
    outputs = {
        "frames": rng.uniform(size=(6, 64, 64, 3)),
        "mu": strength * rng.standard_normal((6, 5)),
        "logvar": -strength * rng.uniform(size=(6, 5)),
    }
    tensors = {k: ops.convert_to_tensor(v, dtype="float32") for k, v in outputs.items()}
    loss = float(vae.compute_loss(x=frames, y_pred=tensors))
    assert loss == pytest.approx(loss_by_hand(vae, frames, outputs), rel=1e-4)


@pytest.mark.parametrize("architecture", BUILDERS)
def test_loss_falls(architecture, frames):
    frames[:] = frames[:1, :1, :1] // 4  # one dark colour, quickly learned
    vae = VAE(architecture, latent_size=5)
    vae.compile(optimizer=optimizers.Adam(1e-3), jit_compile=backend.backend() == "jax")
    losses = [float(vae.train_on_batch(frames, return_dict=True)["loss"]) for _ in range(6)]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("architecture", BUILDERS)
def test_configuration_rebuilds_the_network(architecture):
    vae = VAE(architecture, 7, 2.0, 3.0, 0.25)
    again = VAE(**vae.get_config())
    assert again.get_config() == vae.get_config()
    assert [v.shape for v in again.weights] == [v.shape for v in vae.weights]
