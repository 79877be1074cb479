"""The perceptual loss: features of our network and of AlexNet through the same code."""

import keras
import numpy as np
import pytest
from helpers import load_script, write_batch
from keras import backend, optimizers

from reverie.artifacts import InputError
from reverie.latents import perceptual_task
from reverie.latents.perceptual import PERCEPTUAL, read_perceptual, write_perceptual
from reverie.models.perceptual import Features, PatchClassifier
from reverie.training.weights import build_network

CONFIG = {
    "architecture": "vae_alex",
    "latent_size": 4,
    "kl_weight": 0.0,
    "published": False,
    "frame_shape": [64, 64, 3],
}


def alexnet():
    """Return random weights of the shapes of AlexNet's first two convolutions."""
    rng = np.random.default_rng(0)
    return {
        "kernel_0": rng.normal(0, 0.05, (11, 11, 3, 64)),
        "bias_0": rng.normal(0, 0.05, 64),
        "stride_0": np.array(4),
        "padding_0": np.array(2),
        "kernel_1": rng.normal(0, 0.05, (5, 5, 64, 192)),
        "bias_1": rng.normal(0, 0.05, 192),
        "stride_1": np.array(1),
        "padding_1": np.array(2),
        "mean": np.array([0.485, 0.456, 0.406]),
        "std": np.array([0.229, 0.224, 0.225]),
    }


@pytest.fixture(params=["ours", "alexnet"])
def path(request, tmp_path):
    if request.param == "ours":
        return PERCEPTUAL
    write_perceptual(tmp_path / "alexnet.npz", alexnet())
    return tmp_path / "alexnet.npz"


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


def by_hand(arrays, frame):
    """Return the features of the place at row and column 1 of a frame in [0, 1]."""
    x = (frame - arrays["mean"]) / arrays["std"]
    for index, places in enumerate((7, 1)):
        kernel, bias = arrays[f"kernel_{index}"], arrays[f"bias_{index}"]
        stride, padding = int(arrays[f"stride_{index}"]), int(arrays[f"padding_{index}"])
        x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        size, start = len(kernel), 0 if index == 0 else 1
        rows = range(start, start + 2 * places + 1) if index == 0 else range(1, 2)
        window = [
            [
                np.tensordot(x[r * stride :, c * stride :][:size, :size], kernel, 3) + bias
                for c in rows
            ]
            for r in rows
        ]
        x = np.maximum(np.array(window), 0.0)
        if index == 0:
            x = np.array(
                [
                    [x[2 * r : 2 * r + 3, 2 * c : 2 * c + 3].max((0, 1)) for c in range(7)]
                    for r in range(7)
                ]
            )
    return 1.0 / (1.0 + np.exp(-x[0, 0]))


def test_features_are_two_convolutions(path, frames):
    arrays = read_perceptual(path)
    features = np.asarray(Features(arrays)(frames.astype(np.float32) / 255.0))
    assert features.shape[1:] == ((15, 15, 64) if path == PERCEPTUAL else (7, 7, 192))
    np.testing.assert_allclose(features[2, 1, 1], by_hand(arrays, frames[2] / 255.0), atol=2e-3)


def test_ours_are_those_of_the_classifier(frames):
    network = PatchClassifier(3)
    scaled = frames.astype(np.float32) / 255.0
    features = keras.Model(network.network.input, network.convolutions[1].output)
    x = features(scaled)
    expected = 1.0 / (1.0 + np.exp(-np.asarray(x)))
    np.testing.assert_allclose(Features(network.arrays())(scaled), expected, atol=1e-5)


def test_the_loss_adds_the_difference_of_features(path, frames):
    network = build_network("VAE", CONFIG)
    network.judge_by(read_perceptual(path))
    outputs = dict(network(frames))
    plain = float(super(type(network), network).frame_loss(frames / 255.0, outputs, training=True))
    whole = float(network.compute_loss(x=frames, y_pred=outputs))
    seen, drawn = (
        np.asarray(network.features(each)) for each in (frames / np.float32(255), outputs["frames"])
    )
    assert whole == pytest.approx(plain + 64 * 64 * 3 * np.mean((seen - drawn) ** 2), rel=1e-4)
    assert whole > plain


def test_features_are_fixed_and_in_no_file(path, frames):
    network = build_network("VAE", CONFIG)
    before = [weight.path for weight in network.weights]
    network.judge_by(read_perceptual(path))
    kept = {name: array.copy() for name, array in network.features.arrays.items()}
    assert [weight.path for weight in network.weights] == before
    network.compile(optimizer=optimizers.Adam(3e-3), jit_compile=backend.backend() == "jax")
    losses = [float(network.train_on_batch(frames, return_dict=True)["loss"]) for _ in range(6)]
    assert losses[-1] < losses[0]
    for name, array in network.features.arrays.items():
        np.testing.assert_array_equal(array, kept[name])


def test_as_published_the_features_saturate_and_there_is_no_divergence(frames):
    published = build_network("VAE", CONFIG | {"published": True, "kl_weight": 1.0})
    assert published.kl_weight == 0.0
    published.judge_by(alexnet())
    features = np.asarray(published.features(frames.astype(np.float32) / 255.0))
    assert np.mean((features == 0.5) | (features > 0.999)) > 0.9


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda a: a.pop("bias_1"), "holds no bias_1"),
        (lambda a: a.update(kernel_0=np.zeros((64, 3, 11, 11))), "kernel_0 has shape"),
        (lambda a: a.pop("std"), "holds no std"),
        (lambda a: a.update(bias_0=np.full(64, np.nan)), "NaN"),
    ],
)
def test_other_files_are_named(change, fault, tmp_path):
    arrays = alexnet()
    change(arrays)
    write_perceptual(tmp_path / "a.npz", arrays)
    with pytest.raises(InputError, match=f"a.npz: .*{fault}"):
        read_perceptual(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--architecture", "vae_alex", "--perceptual_weights", "none.npz"], "none.npz: "),
        (["--architecture", "patch", "--perceptual_weights", "none.npz"], "patch has none"),
    ],
)
def test_a_missing_file_is_one_line(flags, line, tmp_path, capsys):
    write_batch(tmp_path, [5, 5, 5])
    script = load_script("02_train_vae.py")
    folders = ["--input_data_folder", str(tmp_path), "--savefolder", str(tmp_path / "vae")]
    assert script.main([*folders, *flags]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert line in error


def test_our_network_is_trained_on_rollouts_of_several_games(tmp_path, capsys):
    write_batch(tmp_path / "data", [6, 6, 6])
    flags = ["--rollouts", str(tmp_path / "data"), "--output_folder", str(tmp_path / "run")]
    assert perceptual_task.main(flags) == 2
    assert "rollouts of 1 games" in capsys.readouterr().err
    write_batch(tmp_path / "other", [6, 6, 6], first=5, game="heist")
    (tmp_path / "other" / "doomrnn_0.h5").rename(tmp_path / "data" / "heist_0.h5")
    assert perceptual_task.main([*flags, "--epochs", "1", "--batch_size", "4"]) == 0
    arrays = read_perceptual(tmp_path / "run" / "perceptual.npz")
    assert arrays["kernel_1"].shape == (3, 3, 32, 64)
