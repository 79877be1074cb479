"""The stream of frames: every one once an epoch, shuffled, the same way every time."""

import tracemalloc
from itertools import chain

import numpy as np
import pytest
from helpers import write_batch

from reverie.artifacts import InputError
from reverie.rollouts.frames import FrameStream, prefetch, split_episodes

FRAME = 64 * 64 * 3  # bytes
LENGTHS = [70, 3, 129, 64, 1, 63]  # chunks are 64 frames: shorter, longer, just fitting


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rollouts")
    return [write_batch(folder, LENGTHS[:4]), write_batch(folder, LENGTHS[4:], 1, first=4)]


def identities(frames):
    """Return (episode, step) of frames that `make_episode` marked."""
    marks = frames[:, 0, 0].astype(int)
    return [(int(e), int(256 * high + low)) for e, high, low in marks]


def epoch(stream, number=0):
    return [identities(batch) for (batch,) in stream.batches(number)]


def test_every_frame_once_an_epoch(paths):
    stream = FrameStream(paths, [0, 2, 3, 5], 1)
    expected = [(e, t) for e in (0, 2, 3, 5) for t in range(LENGTHS[e] + 1)]
    assert stream.frames == len(expected)
    assert sorted(chain(*epoch(stream))) == expected


@pytest.mark.parametrize("buffer", [64, 200, 10_000])
def test_only_the_remainder_is_dropped(paths, buffer):
    stream = FrameStream(paths, [0, 1, 2, 3, 4, 5], 32, buffer=buffer * FRAME)
    batches = epoch(stream)
    assert len(batches) == stream.steps_per_epoch == stream.frames // 32
    assert {len(batch) for batch in batches} == {32}
    seen = list(chain(*batches))
    assert len(set(seen)) == len(seen) == stream.frames - stream.frames % 32


def test_order_depends_on_seed_and_epoch_alone(paths):
    first = epoch(FrameStream(paths, [0, 1, 2], 16, seed=1))
    assert first == epoch(FrameStream(paths, [0, 1, 2], 16, seed=1))
    assert first != epoch(FrameStream(paths, [0, 1, 2], 16, seed=2))
    stream = FrameStream(paths, [0, 1, 2], 16, seed=1)
    assert first != epoch(stream, 1)
    assert first == epoch(stream, 0)


def test_frames_of_a_batch_are_from_everywhere(paths):
    stream = FrameStream(paths, [0, 2, 3, 5], 64)
    for batch in epoch(stream):
        assert len({episode for episode, _ in batch}) >= 3
        assert batch != sorted(batch)


def test_held_out_episodes_are_never_trained_on(paths):
    train, held_out = split_episodes(len(LENGTHS))
    trained = {e for batch in epoch(FrameStream(paths, train, 1)) for e, _ in batch}
    judged = {e for e, _ in identities(FrameStream(paths, held_out, 1).sample(1000))}
    assert trained | judged == set(range(len(LENGTHS)))
    assert not trained & judged


@pytest.mark.parametrize("count", [2, 9, 10, 25, 100])
def test_split_holds_out_every_tenth(count):
    train, held_out = split_episodes(count)
    assert sorted(train + held_out) == list(range(count))
    assert len(held_out) == max(1, count // 10)


def test_sample_is_spread_and_repeatable(paths):
    stream = FrameStream(paths, [0, 2, 3], 1)
    first = stream.sample(30)
    np.testing.assert_array_equal(first, stream.sample(30))
    assert {e for e, _ in identities(first)} == {0, 2, 3}
    assert 15 <= len(first) <= 60
    assert stream.sample(30, "infos/object_mask").shape == (len(first), 64, 64)


def most_held(work):
    """Return how many frames fit into what NumPy and Python held at most at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / FRAME
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_whatever_the_data(paths):
    stream = FrameStream(paths * 20, list(range(20 * len(LENGTHS))), 32, buffer=64 * FRAME)
    assert stream.frames == 20 * (sum(LENGTHS) + len(LENGTHS))
    assert most_held(lambda: stream.sample(100)) < 500
    assert most_held(lambda: [None for _ in stream.batches(0)]) < 64 + 12 * 64


def test_too_little_is_said(paths):
    with pytest.raises(InputError, match="4 frames do not fill a batch of 100"):
        FrameStream(paths, [1], 100)
    with pytest.raises(InputError, match="too few to train on"):
        split_episodes(1)


def test_prefetch_hands_errors_on():
    def items():
        yield 1
        raise ValueError("from the thread")

    ahead = prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="from the thread"):
        next(ahead)
