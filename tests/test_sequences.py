"""Windows for the MDN-RNN: right cut-outs, right masks, and ends that count."""

from collections import Counter

import numpy as np
import pytest
from helpers import write_latents

from reverie.latents import Latents
from reverie.sequences import WindowStream, persistence_nats

LENGTHS = [12, 2, 7, 1]
LENGTH = 5


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("latents") / "rnn_training_data.npz"
    return write_latents(path, LENGTHS), Latents(path)


def stream(stored, episodes=(0, 1, 2, 3), skip=2, batch=3, **options):
    return WindowStream(stored[1], list(episodes), LENGTH, skip, batch, **options)


def test_windows_are_cut_where_they_say(stored):
    arrays, latents = stored
    windows = stream(stored)
    x, y = windows.gather(np.arange(len(windows.starts)))
    for row, (episode, start) in enumerate(zip(windows.episodes, windows.starts)):
        played = min(LENGTH, LENGTHS[episode] - start)
        frame, step = latents.frame_starts[episode] + start, latents.step_starts[episode] + start
        for key in ("mu", "logvar"):
            expected = arrays[key][frame : frame + played + 1]
            np.testing.assert_array_equal(x[key][row, : played + 1], expected)
        np.testing.assert_array_equal(
            x["actions"][row, :played], arrays["actions"][step : step + played]
        )
        np.testing.assert_array_equal(
            y["reward"][row, :played], arrays["rewards"][step : step + played]
        )
        np.testing.assert_array_equal(y["mask"][row], np.arange(LENGTH) < played)
        ends = np.flatnonzero(y["termination"][row])
        assert ends.tolist() == ([played - 1] if start + played == LENGTHS[episode] else [])


def test_shapes_and_types(stored):
    x, y = next(stream(stored).batches(0))
    assert {k: v.shape for k, v in x.items()} == {
        "mu": (3, LENGTH + 1, 4),
        "logvar": (3, LENGTH + 1, 4),
        "actions": (3, LENGTH, 1),
    }
    assert {k: v.shape for k, v in y.items()} == dict.fromkeys(
        ("reward", "termination", "mask"), (3, LENGTH)
    )
    assert {v.dtype for v in (*x.values(), *y.values())} == {np.dtype(np.float32)}


def test_no_episode_is_too_short(stored):
    assert set(stream(stored, skip=50).episodes) == {0, 1, 2, 3}


def test_last_steps_count_as_often_as_others(stored):
    """With windows every step, each step from the fifth on is in five windows, the last as well."""
    windows = stream(stored, episodes=[0], skip=1)
    seen = Counter()
    for start in windows.starts:
        seen.update(range(start, min(start + LENGTH, LENGTHS[0])))
    assert [seen[step] for step in range(LENGTHS[0])] == [1, 2, 3, 4, *[5] * 8]
    _, y = windows.gather(np.arange(len(windows.starts)))
    assert y["termination"].sum() == LENGTH


def test_an_epoch_is_every_window_once_in_an_order_of_its_own(stored):
    windows = stream(stored, batch=2)

    def epoch(source, number):
        return [tuple(row.ravel()) for x, _ in source.batches(number) for row in x["mu"]]

    first = epoch(windows, 0)
    assert len(first) == len(set(first)) == len(windows.starts) // 2 * 2
    assert first == epoch(windows, 0)
    assert first != epoch(windows, 1)
    assert first != epoch(stream(stored, batch=2, seed=5), 0)


def test_a_batch_larger_than_the_data_is_one_batch(stored):
    windows = stream(stored, batch=1000)
    (batch,) = windows.batches(0)
    assert windows.steps_per_epoch == 1
    assert len(batch[1]["mask"]) == len(windows.starts)


def test_in_order_covers_every_step_once(stored):
    windows = stream(stored, skip=LENGTH)
    assert sum(int(y["mask"].sum()) for _, y in windows.in_order()) == sum(LENGTHS)
    assert sum(int(y["termination"].sum()) for _, y in windows.in_order()) == len(LENGTHS)


def test_persistence_nats_of_a_walk(tmp_path):
    """The steps of a random walk are Gaussian: their entropy is known."""
    rng = np.random.default_rng(0)
    lengths = [400] * 10
    walks = [np.cumsum(0.1 * rng.standard_normal((401, 2)), axis=0) for _ in lengths]
    changes = {
        "mu": np.concatenate(walks).astype(np.float16),
        "logvar": np.full((4010, 2), -30, np.float16),
    }
    write_latents(tmp_path / "walk.npz", lengths, 2, **changes)
    latents = Latents(tmp_path / "walk.npz")
    streams = [WindowStream(latents, part, 50, 50, 8) for part in ([0, 1, 2, 3, 4], [5, 6, 7])]
    entropy = 2 * 0.5 * np.log(2 * np.pi * np.e * 0.1**2)
    assert persistence_nats(*streams) == pytest.approx(entropy, abs=0.15)
