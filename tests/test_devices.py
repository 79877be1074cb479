"""Several devices come to the result of one; a run goes on with other devices and backends."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import ROOT

from reverie.artifacts import InputError
from reverie.backend import set_precision
from reverie.models.vae import VAE
from reverie.training.devices import open_devices
from reverie.training.steps import Step

HAS_JAX = importlib.util.find_spec("jax") is not None
needs_jax = pytest.mark.skipif(not HAS_JAX, reason="JAX is not installed")
BACKENDS = ["tensorflow", pytest.param("jax", marks=needs_jax)]


def start(backend, *arguments):
    """Run `on_devices.py`, which has four virtual devices; return its last line."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "on_devices.py"), *map(str, arguments)],
        env=os.environ
        | {
            "KERAS_BACKEND": backend,
            "PYTHONPATH": str(ROOT),
            "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout.splitlines()[-1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_four_devices_come_to_the_result_of_one(backend):
    names = {"tensorflow": ("vae", "rnn", "local", "masks"), "jax": ("vae", "rnn")}
    start(backend, "compare", *names[backend])


def scores_of(backend, folder, devices):
    scores = json.loads(start(backend, "fit", folder, devices))
    return {name: value for name, value in scores.items() if name != "seconds"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the scores of a run on one device, without a break."""
    return scores_of("tensorflow", tmp_path_factory.mktemp("whole"), 1)


def test_a_run_goes_on_with_another_number_of_devices(whole, tmp_path):
    start("tensorflow", "fit", tmp_path, 4, "stop")
    assert not (tmp_path / "scores.json").exists()
    assert scores_of("tensorflow", tmp_path, 1) == pytest.approx(whole, rel=1e-4)


@needs_jax
def test_a_run_goes_on_under_the_other_backend(whole, tmp_path):
    start("tensorflow", "fit", tmp_path, 1, "stop")
    scores = scores_of("jax", tmp_path, 4)  # which draws other noise
    assert scores == pytest.approx(whole, rel=0.5)
    assert scores != whole


def test_more_devices_than_there_are_are_refused():
    assert open_devices(None).count == open_devices(1).count == 1
    with pytest.raises(
        InputError, match="--devices 9: only 1 can be seen here; choose --devices 1"
    ):
        open_devices(9)


def test_half_precision_trains_with_losses_in_float32():
    frames = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3)).astype(np.uint8)
    try:
        set_precision("float16")
        keras.utils.set_random_seed(0)
        vae = VAE(latent_size=2, frame_shape=(16, 16, 3))
    finally:
        set_precision("float32")
    step = Step(vae, 1e-3, 1.0)
    assert any("dynamic_scale" in variable.path for variable in step.variables)
    losses = [float(step.train((frames,), 1e-3)["loss"]) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert step.is_finite()
    outputs = vae(frames)
    assert {keras.backend.standardize_dtype(part.dtype) for part in outputs.values()} == {"float32"}
    assert {variable.dtype for variable in vae.trainable_variables} == {"float32"}
