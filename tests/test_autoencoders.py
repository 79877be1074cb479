"""The autoencoders: published sizes, one contract, losses that are what their formulas say."""

import json

import keras
import numpy as np
import pytest
from helpers import load_script, make_episode, write_batch
from keras import backend, optimizers

from reverie.artifacts import InputError
from reverie.encoders.report import summary_text
from reverie.headers import WeightsHeader, open_header
from reverie.latents.perceptual import PERCEPTUAL, read_perceptual
from reverie.models.architectures import ARCHITECTURES
from reverie.models.unpooling import Unpool, largest_places
from reverie.networks import code_fault, frame_fault
from reverie.reports import export
from reverie.training.weights import build_network, load_network, save_weights

SHAPE = (64, 64, 3)
OTHERS = {  # sides that an architecture sees beside 64x64
    "patch": (72, 64, 3),
    "beta": (72, 64, 3),
    "beta_plain": (64, 96, 3),
    "conv_unpool": (45, 50, 3),
    "conv_maxpool": (60, 72, 3),
    "conv_maxpool_big": (60, 72, 3),
}


def build(architecture, shape=SHAPE, **settings):
    known = ARCHITECTURES[architecture]
    config = known.settings | {"architecture": architecture, "frame_shape": list(shape)} | settings
    if known.size:
        config["latent_size"] = known.size(shape)
    network = build_network("VAE", config, seed=0)
    if known.perceptual:
        network.judge_by(read_perceptual(PERCEPTUAL))
    return network


def parameters_of(network):
    return sum(int(np.prod(each.shape)) for each in network.trainable_variables)


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ("conv_unpool", 43_017),
        ("conv_maxpool", 68_087),
        ("conv_maxpool_big", 1_503_979),
        ("conv_no_bottleneck", 358_595),
        ("vae_paper", 4_319_215),  # vae_alex is the same network with more latents
    ],
)
def test_published_sizes(architecture, parameters):
    assert parameters_of(build(architecture)) == parameters


def test_two_published_networks_are_one():
    assert parameters_of(build("vae_alex", latent_size=22)) == parameters_of(build("vae_paper"))
    assert parameters_of(build("vae_alex")) == 4_319_215 + (64 - 22) * (3 * 1024 + 2)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_contract(architecture, frames, tmp_path):
    network = build(architecture)
    mu, logvar = network.encode(frames)
    assert mu.shape == logvar.shape == (4, network.latent_size)
    if not ARCHITECTURES[architecture].variational:
        np.testing.assert_array_equal(logvar, np.full(mu.shape, -20.0))
    decoded = np.asarray(network.decode(10 * np.asarray(mu)))
    assert decoded.shape == (4, *SHAPE)
    assert decoded.dtype == np.float32
    assert decoded.min() >= 0.0
    assert decoded.max() <= 1.0
    np.testing.assert_allclose(network(frames)["frames"], network.decode(mu), atol=1e-6)
    save_weights(tmp_path / "w.h5", network, WeightsHeader("heist"))
    again = load_network(tmp_path / "w.h5", "VAE", game="heist")
    assert again.get_config() == network.get_config()
    np.testing.assert_array_equal(again.encode(frames)[0], mu)


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "article"])
def test_loss_falls(architecture, frames):
    frames[:] = frames[:1, :1, :1] // 4  # one dark colour, quickly learned
    network = build(architecture)
    network.compile(optimizer=optimizers.Adam(3e-3), jit_compile=backend.backend() == "jax")
    losses = [float(network.train_on_batch(frames, return_dict=True)["loss"]) for _ in range(8)]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [("conv_unpool", {}), ("conv_unpool", {"published": True}), ("vae_paper", {})],
)
def test_codes_and_frames_stay_float32_in_bfloat16(architecture, settings, frames):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build(architecture, **settings)
        network.compile(optimizer=optimizers.Adam(3e-3), jit_compile=backend.backend() == "jax")
        assert np.isfinite(float(network.train_on_batch(frames, return_dict=True)["loss"]))
        types = {backend.standardize_dtype(part.dtype) for part in network(frames).values()}
    finally:
        keras.config.set_dtype_policy("float32")
    assert types == {"float32"}


def test_normalisation_learns_its_moments(frames):
    network = build("conv_unpool")
    moments = [w for w in network.non_trainable_variables if "moving_mean" in w.path]
    assert len(moments) == 12
    network.compile(optimizer=optimizers.Adam(3e-3), jit_compile=backend.backend() == "jax")
    network.train_on_batch(frames)
    assert all(np.abs(np.asarray(w)).max() > 0.0 for w in moments)


@pytest.mark.parametrize(("architecture", "shape"), OTHERS.items())
def test_frames_of_other_sizes(architecture, shape):
    assert frame_fault(architecture, shape) is None
    network = build(architecture, shape)
    assert network(np.zeros((2, *shape), np.uint8))["frames"].shape == (2, *shape)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_frames_that_cannot_be_seen(architecture):
    assert frame_fault(architecture, (64, 64, 3)) is None
    assert frame_fault(architecture, (64, 64, 1))
    assert frame_fault(architecture, (7, 7, 3))
    if architecture not in OTHERS:
        fault = f"{architecture} sees frames of 64x64 pixels only, not 96x96"
        assert frame_fault(architecture, (96, 96, 3)) == fault


@pytest.mark.parametrize(("architecture", "power"), [("conv_maxpool", 2), ("vae_paper", 4)])
def test_loss_is_its_formula(architecture, power, frames):
    network = build(architecture)
    rng = np.random.default_rng(1)
    outputs = {
        "frames": rng.uniform(size=frames.shape).astype(np.float32),
        "mu": rng.standard_normal((4, 5)).astype(np.float32),
        "logvar": rng.standard_normal((4, 5)).astype(np.float32),
    }
    loss = float(network.compute_loss(x=frames, y_pred=outputs))
    expected = np.mean((frames / 255.0 - outputs["frames"]) ** power)
    if architecture == "vae_paper":
        mu, logvar = outputs["mu"], outputs["logvar"]
        expected += 1e-4 * 0.5 * np.mean(np.sum(np.exp(logvar) + mu**2 - 1 - logvar, axis=1))
    assert loss == pytest.approx(64 * 64 * 3 * expected, rel=1e-4)


def test_values_are_unpooled_where_they_were_found():
    x = np.zeros((1, 14, 14, 1), np.float32)
    x[0, 5, 8] = 2.0
    pooled = keras.ops.max_pool(x, 4, 2)
    layer = Unpool((14, 14))
    np.testing.assert_array_equal(layer.at(pooled, largest_places(x)), x)
    middle = np.asarray(layer(pooled))[0, :, :, 0]
    assert set(zip(*np.nonzero(middle))) == {(r, c) for r in (3, 5) for c in (7, 9)}


def test_the_published_code_says_less_than_its_pictures(frames):
    """Frames that differ in where things are within windows: only the places tell them apart."""
    network = build("conv_unpool", published=True)
    outputs = network(frames)
    assert outputs["frames"].shape == frames.shape
    assert np.abs(np.asarray(outputs["frames"] - network.decode(outputs["mu"]))).max() > 1e-3
    np.testing.assert_allclose(outputs["mu"], network.encode(frames)[0], atol=1e-6)
    assert np.asarray(outputs["frames"]).min() >= 0.0


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--architecture", "conv_maxpool", "--free_bits", "1"], "--free_bits: conv_maxpool has"),
        (["--architecture", "patch", "--published"], "--published: patch has none"),
        (["--architecture", "conv_unpool", "--latent_size", "8"], "has 1152 latents"),
    ],
)
def test_what_does_not_fit_is_one_line(flags, line, tmp_path, capsys):
    write_batch(tmp_path, [5, 5, 5])
    script = load_script("02_train_vae.py")
    folders = ["--input_data_folder", str(tmp_path), "--savefolder", str(tmp_path / "vae")]
    assert script.main([*folders, *flags]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert line in error


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"free_bits": 1.0}, "has 'free_bits', which conv_maxpool does not know"),
        ({"architecture": "conv_unpool"}, "1152 latents for frames of 64x64 pixels, not 32"),
        ({"architecture": "resnet"}, "not one of patch"),
    ],
)
def test_foreign_configurations_are_named(config, fault, tmp_path):
    network = build("conv_maxpool")
    stored = network.get_config() | config
    network.get_config = lambda: stored
    save_weights(tmp_path / "w.h5", network, WeightsHeader("heist"))
    with pytest.raises(InputError, match=fault):
        open_header(tmp_path / "w.h5", WeightsHeader, network="VAE")


def test_sizes_of_codes():
    assert code_fault("conv_unpool", 1152, SHAPE) is None
    assert code_fault("conv_maxpool", 5, SHAPE) is None
    assert code_fault("conv_no_bottleneck", 64, SHAPE)


def test_summary_says_layers_parameters_and_times(tmp_path):
    network = build("conv_maxpool")
    save_weights(tmp_path / "w.h5", network, WeightsHeader("heist"))
    text = summary_text(tmp_path / "w.h5")
    assert text.startswith("conv_maxpool, 32 latents")
    assert "trained parameters: 68,087" in text
    assert text.count("Conv2DTranspose") == 2
    times = [line.split() for line in text.splitlines() if line.startswith("cpu")]
    assert [line[1] for line in times] == ["1", "64"]
    assert all(0.0 < float(each) < 1000.0 for line in times for each in line[2:])


def test_patience_ends_a_training_and_keeps_the_best_weights(tmp_path):
    write_batch(tmp_path, [20, 20, 20])
    folder = tmp_path / "vae"
    line = ["--input_data_folder", str(tmp_path), "--savefolder", str(folder), "--patience", "1"]
    line += ["--architecture", "conv_maxpool", "--latent_size", "2", "--batch_size", "20"]
    script = load_script("02_train_vae.py")
    assert script.main([*line, "--epochs", "30", "--learning_rate", "0.05"]) == 0
    rows = [json.loads(row) for row in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["val_loss"] for row in rows]
    assert len(rows) < 30
    assert losses[-1] > min(losses)
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["val_loss"] == min(losses)
    network = load_network(folder / "final_full_vae_weights.h5", "VAE")
    frames = make_episode(20, 2).observations  # the third of three is held out
    error = np.sum((frames / 255.0 - np.asarray(network(frames)["frames"])) ** 2) / len(frames)
    assert error == pytest.approx(min(losses), rel=2e-2)


def test_weights_in_bytes_are_a_quarter_and_close(frames, tmp_path):
    network = build("conv_maxpool_big")
    save_weights(tmp_path / "w.h5", network, WeightsHeader("heist"))
    line = ["--vae_weights", str(tmp_path / "w.h5"), "--folder", str(tmp_path / "shared")]
    assert export.main([*line, "--name", "heist_big", "--dtype", "int8"]) == 0
    copy = tmp_path / "shared" / "heist_big.h5"
    assert copy.stat().st_size < 0.28 * (tmp_path / "w.h5").stat().st_size
    again = load_network(copy, "VAE", game="heist")
    codes = [np.asarray(each.encode(frames)[0]) for each in (network, again)]
    assert 0 < np.abs(codes[0] - codes[1]).max() < 0.05 * np.abs(codes[0]).max()


def test_bytes_are_for_a_vae_alone(tmp_path, capsys):
    rnn = ["--rnn_weights", "rnn.h5", "--dtype", "int8"]
    assert export.main(["--vae_weights", "vae.h5", *rnn]) == 2
    assert export.main(["--vae_weights", "vae.h5", "--detector", "d.h5"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
