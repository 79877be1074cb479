"""Latents on disk: flat arrays that are mapped, that NumPy reads, and that are checked."""

import numpy as np
import pytest
from helpers import cuts, write_latents

from reverie.artifacts import InputError
from reverie.latents.storage import Latents

LENGTHS = [5, 1, 9]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rnn_training_data.npz"


def test_round_trip(path):
    arrays = write_latents(path, LENGTHS)
    latents = Latents(path)
    for key in arrays.keys() - {"episode_lengths"}:
        np.testing.assert_array_equal(latents.arrays[key], arrays[key])
        assert latents.arrays[key].dtype == arrays[key].dtype
    np.testing.assert_array_equal(latents.lengths, LENGTHS)
    np.testing.assert_array_equal(latents.frame_starts, [0, 6, 8, 18])
    assert (latents.latent_size, latents.action_size) == (4, 1)
    assert latents.header.game == "doomrnn"
    mu, logvar = latents.first_frames()
    np.testing.assert_array_equal(mu, arrays["mu"][[0, 6, 8]])
    assert logvar.dtype == np.float32


def test_scale_of_the_rewards(path):
    rewards = np.float32([100, 0, -50, 0, 0, 20, 0, 0])
    write_latents(path, [5, 3], rewards=rewards)
    assert Latents(path).reward_scale() == pytest.approx(rewards.std())
    write_latents(path, [5, 3])  # 1 at every step
    assert Latents(path).reward_scale() == 1.0


def test_share_of_steps_that_end_a_game(path):
    write_latents(path, [5, 3], terminations=np.arange(8) == 4)
    assert Latents(path).end_rate() == pytest.approx(1.5 / 9)
    write_latents(path, [5, 3], terminations=np.zeros(8, bool))
    assert 0.0 < Latents(path).end_rate() < 1 / 8


def test_arrays_are_mapped_and_not_read(path):
    write_latents(path, LENGTHS)
    latents = Latents(path)
    for key in ("mu", "logvar", "actions", "rewards"):
        assert isinstance(latents.arrays[key], np.memmap)


def test_numpy_reads_it_without_pickles(path):
    arrays = write_latents(path, LENGTHS)
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == arrays.keys() | {"header", "policy_index", "batch_index"}
        for key, values in arrays.items():
            np.testing.assert_array_equal(file[key], values)


def test_truncated_file_is_named(path):
    write_latents(path, LENGTHS)
    for content in cuts(path, 40):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"rnn_training_data.npz: .*03_generate_rnn_data.py"):
            Latents(path)


def test_foreign_file_is_named(path):
    def refuse():
        with pytest.raises(InputError, match=r"rnn_training_data.npz: .*03_generate_rnn_data.py"):
            Latents(path)

    refuse()
    path.write_text("this is a letter, and rather a long one at that\n" * 100)
    refuse()
    np.savez(path, pictures=np.zeros(3))
    refuse()
    np.savez_compressed(path, header=np.array("{}"), episode_lengths=np.array([1]))
    refuse()
    np.savez(path, header=np.array("no json"), episode_lengths=np.array([1]))
    refuse()
    np.savez(path, header=np.array("{}"), episode_lengths=np.array([{}], object))
    refuse()


@pytest.mark.parametrize("key", ["mu", "logvar", "actions", "rewards"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_named(path, key, value):
    arrays = write_latents(path, LENGTHS)
    spoilt = arrays[key].copy()
    spoilt[-1] = value
    write_latents(path, LENGTHS, **{key: spoilt})
    with pytest.raises(InputError, match=f"NaN or infinity in {key}"):
        Latents(path)


def test_empty_is_named(path):
    write_latents(path, [])
    with pytest.raises(InputError, match="holds no episodes"):
        Latents(path)


def test_missing_rows_are_named(path):
    arrays = write_latents(path, LENGTHS)
    write_latents(path, LENGTHS, rewards=arrays["rewards"][:-1])
    with pytest.raises(InputError, match="rewards does not have 15 rows"):
        Latents(path)
