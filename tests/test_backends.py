"""The networks run on JAX as they do on TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import pytest
from helpers import ROOT

TESTED = ("vae", "mdn_rnn", "training")


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_networks_pass_their_tests_under_jax():
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *map("tests/test_{}.py".format, TESTED)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
