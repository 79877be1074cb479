"""Episodes in windows that follow each other: right cut-outs, right masks, ends that count."""

from collections import Counter

import numpy as np
import pytest
from helpers import write_latents

from reverie.latents.storage import Latents
from reverie.latents.windows import NOBODY, EpisodeStream, persistence_nats

LENGTHS = [12, 2, 7, 1]
LENGTH = 5


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("latents") / "rnn_training_data.npz"
    return write_latents(path, LENGTHS), Latents(path)


def stream(stored, episodes=(0, 1, 2, 3), batch=2, **options):
    return EpisodeStream(stored[1], list(episodes), LENGTH, batch, **options)


def test_windows_are_cut_where_they_say(stored):
    arrays, latents = stored
    cuts = [(0, 0), (0, 5), (0, 10), (1, 0), (2, 5), (3, 0)]
    steps = np.array([start for _, start in cuts])[:, None] + np.arange(LENGTH + 1)
    episodes = np.broadcast_to([[episode] for episode, _ in cuts], steps.shape)
    x, y = stream(stored).gather(episodes, steps)
    for row, (episode, start) in enumerate(cuts):
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
    np.testing.assert_array_equal(x["begins"], steps[:, :-1] == 0)
    nobody, _ = stream(stored).gather(np.full_like(steps, NOBODY), steps)
    assert not nobody["begins"].any()


def test_shapes_and_types(stored):
    x, y = next(stream(stored, batch=3).batches(0))
    assert {k: v.shape for k, v in x.items()} == {
        "mu": (3, LENGTH + 1, 4),
        "logvar": (3, LENGTH + 1, 4),
        "actions": (3, LENGTH, 1),
        "begins": (3, LENGTH),
    }
    assert {k: v.shape for k, v in y.items()} == dict.fromkeys(
        ("reward", "termination", "mask"), (3, LENGTH)
    )
    assert {v.dtype for v in (*x.values(), *y.values())} == {np.dtype(np.float32)}


@pytest.mark.parametrize("batch", [1, 2, 3, 9])
def test_rows_follow_their_episodes(stored, batch):
    """All frames of an episode come in their order, then those of the next."""
    arrays, latents = stored
    batches = list(stream(stored, batch=batch, passes=2).batches(4))
    mu = np.concatenate([x["mu"][:, :-1] for x, _ in batches], axis=1)
    last = batches[-1][0]["mu"][:, -1:]
    mu = np.concatenate([mu, last], axis=1)
    begins = np.concatenate([x["begins"] for x, _ in batches], axis=1)
    mask = np.concatenate([y["mask"] for _, y in batches], axis=1)
    firsts = np.asarray(arrays["mu"][latents.frame_starts[:-1]], np.float32)
    followed = Counter()
    for row in range(batch):
        starts = np.flatnonzero(begins[row])
        for start, after in zip(starts, [*starts[1:], None]):
            (episode,) = np.flatnonzero((firsts == mu[row, start]).all(axis=1))
            followed[int(episode)] += 1
            frames = slice(*latents.frame_starts[episode : episode + 2])
            expected, length = arrays["mu"][frames], LENGTHS[episode]
            np.testing.assert_array_equal(mu[row, start : start + length + 1], expected)
            assert mask[row, start:after][:length].all()
            assert not mask[row, start:after][length:].any()
            assert after is None or after == start + length + 1
    assert followed == dict.fromkeys(range(len(LENGTHS)), 2)


@pytest.mark.parametrize("batch", [1, 3, 9])
@pytest.mark.parametrize("passes", [1, 3])
def test_every_step_once_a_pass(stored, batch, passes):
    windows = stream(stored, batch=batch, passes=passes)
    epoch = list(windows.batches(2))
    assert len(epoch) == windows.steps_per_epoch
    assert sum(int(y["mask"].sum()) for _, y in epoch) == passes * sum(LENGTHS)
    assert sum(int(y["termination"].sum()) for _, y in epoch) == passes * len(LENGTHS)
    assert sum(map(windows.weight, epoch)) == passes * sum(LENGTHS)


def test_without_a_seed_all_epochs_have_one_order(stored):
    epochs = [list(stream(stored, seed=None).batches(number)) for number in (0, 1)]
    for (ours, _), (theirs, _) in zip(*epochs, strict=True):
        np.testing.assert_array_equal(ours["mu"], theirs["mu"])


def test_an_epoch_has_an_order_of_its_own(stored):
    def epoch(source, number):
        return [x["mu"].tolist() for x, _ in source.batches(number)]

    windows = stream(stored, batch=1)
    assert epoch(windows, 0) == epoch(windows, 0)
    assert epoch(windows, 0) != epoch(windows, 1)
    assert epoch(windows, 0) != epoch(stream(stored, batch=1, seed=5), 0)


@pytest.mark.parametrize("passes", [1, 4])
def test_hardly_a_step_is_padding(tmp_path, passes):
    lengths = np.random.default_rng(0).integers(1, 40, 60).tolist()
    write_latents(tmp_path / "latents.npz", lengths)
    latents = Latents(tmp_path / "latents.npz")
    windows = EpisodeStream(latents, list(range(60)), LENGTH, 7, passes)
    batches = list(windows.batches(0))
    assert len(batches) == windows.steps_per_epoch
    between = passes * 60  # steps from an episode into the next
    computed = len(batches) * 7 * LENGTH - between
    assert passes * sum(lengths) > 0.97 * computed


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
    streams = [EpisodeStream(latents, part, 50, 8) for part in ([0, 1, 2, 3, 4], [5, 6, 7])]
    entropy = 2 * 0.5 * np.log(2 * np.pi * np.e * 0.1**2)
    assert persistence_nats(*streams) == pytest.approx(entropy, abs=0.15)
