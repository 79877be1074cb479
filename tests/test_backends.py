"""The networks run on JAX as they do on TensorFlow, whatever the user's Keras is set to."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from helpers import ROOT

TESTED = [
    "tests/test_vae.py",
    "tests/test_mdn_rnn.py",
    "tests/test_gpt.py",
    "tests/test_training.py::test_the_state_is_carried_from_batch_to_batch",
    "tests/test_training.py::test_a_recurrent_run_that_was_interrupted_ends_as_if_it_was_not",
    "tests/test_training.py::test_weights_are_finite_or_not_written",
]
START = """
import sys
from reverie.stage import conduct
from reverie.backend import start_backend
@conduct
def main(argv):
    start_backend()
    import keras
    config = keras.config
    policy = keras.layers.Dense(1).dtype_policy.name
    print(config.backend(), config.floatx(), config.image_data_format(), policy)
sys.exit(main())
"""


def start(**environment):
    return subprocess.run(
        [sys.executable, "-c", START],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_networks_pass_their_tests_under_jax():
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *TESTED],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]


@pytest.mark.parametrize("backend", ["torch", "numpy", "nonsense", ""])
def test_a_backend_that_is_not_supported_is_refused_in_a_line(backend):
    result = start(KERAS_BACKEND=backend)
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: KERAS_BACKEND={backend}: ")
    assert "tensorflow or jax" in line


def test_what_the_users_keras_is_set_to_does_not_matter(tmp_path):
    settings = {"floatx": "float16", "image_data_format": "channels_first", "backend": "torch"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    result = start(KERAS_HOME=str(tmp_path))
    assert result.stdout.split() == ["tensorflow", "float32", "channels_last", "float32"]


@pytest.mark.parametrize("text", ["[1]", '{"floatx": "int7"}', '{"image_data_format": 3}'])
def test_settings_that_keras_does_not_start_with_are_named(tmp_path, text):
    (tmp_path / "keras.json").write_text(text)
    result = start(KERAS_HOME=str(tmp_path))
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/keras.json: Keras does not start with these")
