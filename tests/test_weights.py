"""Weights on disk: what comes back is what went in, and what does not fit is named."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from helpers import cuts

from reverie.artifacts import InputError
from reverie.headers import WeightsHeader, open_header
from reverie.models.mdn_rnn import MDNRNN
from reverie.models.vae import VAE
from reverie.training.weights import load_network, load_weights, save_weights

SPACE = {"type": "Box", "shape": [1], "low": -1.0, "high": 1.0, "dtype": "float32"}
HEADER = WeightsHeader("doomrnn", action_space=SPACE)


@pytest.fixture
def rnn():
    return MDNRNN(3, 1, 4, 2)


def values(network):
    return [np.asarray(variable) for variable in network.weights]


def test_round_trip(tmp_path, rnn):
    path = tmp_path / "w.h5"
    save_weights(path, rnn, HEADER, {"first_mu": np.arange(6).reshape(2, 3)})
    header = open_header(path, WeightsHeader, network="MDNRNN")
    assert header == replace(HEADER, network="MDNRNN", config=rnn.get_config())
    again = load_network(path, "MDNRNN")
    for ours, theirs in zip(values(rnn), values(again)):
        np.testing.assert_array_equal(ours, theirs)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["arrays/first_mu"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("architecture", ["patch", "article"])
def test_names_do_not_depend_on_what_was_built_before(tmp_path, architecture):
    networks = [VAE(architecture, 2) for _ in range(2)]
    save_weights(tmp_path / "w.h5", networks[0], HEADER)
    load_weights(tmp_path / "w.h5", networks[1])
    for ours, theirs in zip(*map(values, networks)):
        np.testing.assert_array_equal(ours, theirs)


def test_float16_is_half_the_file_and_close(tmp_path):
    rnn = MDNRNN(16, 1, 64, 2)
    save_weights(tmp_path / "whole.h5", rnn, HEADER)
    save_weights(tmp_path / "half.h5", rnn, HEADER, dtype="float16")
    sizes = [(tmp_path / name).stat().st_size for name in ("whole.h5", "half.h5")]
    assert sizes[1] < 0.6 * sizes[0]
    again = MDNRNN(16, 1, 64, 2)
    load_weights(tmp_path / "half.h5", again)
    for ours, theirs in zip(values(rnn), values(again)):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_wrong_shape_is_named(tmp_path, rnn):
    path = tmp_path / "w.h5"
    save_weights(path, rnn, HEADER)
    with pytest.raises(InputError, match=r"w.h5: .*lstm.* has shape \(4, 16\), expected \(5, 16\)"):
        load_weights(path, MDNRNN(4, 1, 4, 2))


def test_missing_weight_is_named(tmp_path, rnn):
    path = tmp_path / "w.h5"
    save_weights(path, MDNRNN(3, 1, 4, 2, heads=("reward", "termination")), HEADER)
    with pytest.raises(InputError, match=r"gaussian_head.* is missing"):
        load_weights(path, rnn)


def test_nan_is_named(tmp_path, rnn):
    path = tmp_path / "w.h5"
    rnn.head.bias.assign(np.full(rnn.head.bias.shape, np.nan))
    save_weights(path, rnn, HEADER)
    with pytest.raises(InputError, match=r"w.h5: .*head/bias holds NaN"):
        load_weights(path, MDNRNN(3, 1, 4, 2))


def test_header_tells_networks_apart(tmp_path, rnn):
    path = tmp_path / "w.h5"
    save_weights(path, rnn, HEADER)
    with pytest.raises(InputError, match="holds no VAE but MDNRNN; train one"):
        open_header(path, WeightsHeader, network="VAE")


def test_truncated_and_foreign_files_are_named(tmp_path, rnn):
    whole, path = tmp_path / "w.h5", tmp_path / "cut.h5"
    save_weights(whole, rnn, HEADER)
    for content in [*cuts(whole), b"this is a letter"]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cut.h5: damaged, or not an MDN-RNN"):
            open_header(path, WeightsHeader, network="MDNRNN")
    with h5py.File(path, "w") as file:
        file["pictures"] = np.zeros(3)
    with pytest.raises(InputError, match=r"cut.h5: holds no MDNRNN but something else"):
        open_header(path, WeightsHeader, network="MDNRNN")
