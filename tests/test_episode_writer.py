"""Episodes written while they are played: the same data, in memory that stays flat."""

import tracemalloc

import h5py
import numpy as np
import pytest
from helpers import make_episode

from reverie.headers import RolloutsHeader
from reverie.rollouts.episode_writer import EpisodeWriter
from reverie.rollouts.storage import merge_episodes, write_episode


def info_of(episode, index):
    return {name: values[index] for name, values in episode.infos.items()}


def write(path, episode, **options):
    """Play an episode again into a file."""
    steps = range(len(episode.rewards))
    writer = EpisodeWriter(
        path, episode.seed, episode.observations[0], info_of(episode, 0), **options
    )
    for step in steps:
        assert writer.length == step
        assert not path.exists()
        writer.add(
            episode.actions[step],
            episode.observations[step + 1],
            episode.rewards[step],
            episode.terminations[step],
            episode.truncations[step],
            info_of(episode, step + 1),
        )
    np.testing.assert_array_equal(writer.observation, episode.observations[-1])


def contents(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: (dict(item.attrs), np.asarray(item))})
                if isinstance(item, h5py.Dataset)
                else found.update({name: dict(item.attrs)})
            )
        )
    return found


@pytest.mark.parametrize("length", [1, 9, 10, 11, 19, 20, 35])
def test_long_episodes_hold_what_short_ones_hold(tmp_path, length):
    episode = make_episode(length, 1)
    write_episode(tmp_path / "at_once.h5", episode)
    write(tmp_path / "short.h5", episode)
    write(tmp_path / "long.h5", episode, memory=10 * 64 * 64 * 3)
    merge_episodes([tmp_path / "long.h5"], tmp_path / "batch.h5", RolloutsHeader("doomrnn"))
    expected = contents(tmp_path / "at_once.h5")
    batch = contents(tmp_path / "batch.h5")
    batch = {name.replace("episode_00000", "episode"): item for name, item in batch.items()}
    for found in (contents(tmp_path / "short.h5"), contents(tmp_path / "long.h5"), batch):
        assert found.keys() == expected.keys()
        for name, item in expected.items():
            np.testing.assert_equal(found[name], item, err_msg=name)


def test_an_episode_that_is_given_up_leaves_nothing(tmp_path):
    writer = EpisodeWriter(
        tmp_path / "a.h5", 0, np.zeros((64, 64, 3), np.uint8), {}, memory=2 * 64 * 64 * 3
    )
    for _ in range(5):
        writer.add(0, np.zeros((64, 64, 3), np.uint8), 0.0, False, False, {})
    del writer
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_episode(tmp_path):
    steps, size = 6_000, 64 * 64 * 3
    tracemalloc.start()
    frame = np.zeros((64, 64, 3), np.uint8)
    writer = EpisodeWriter(tmp_path / "a.h5", 0, frame, {"mask": frame[..., 0]})
    for step in range(steps):
        frame = np.full((64, 64, 3), step % 251, np.uint8)
        writer.add(0, frame, 1.0, step == steps - 1, False, {"mask": frame[..., 0] // 2})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < steps * size / 1.5  # all frames once would be more
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(
            file["episode/observations"][1:, 5, 5, 0], np.arange(steps) % 251
        )
        assert file["episode/infos/mask"].shape == (steps + 1, 64, 64)
