"""Rollouts on disk: Minari's names, and a check that knows what is wrong."""

import dataclasses

import h5py
import numpy as np
import pytest
from helpers import OPTIONS, cuts, make_episode, write_batch

from reverie.artifacts import Damaged, InputError
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.policies import episode_seeds
from reverie.rollouts.recording import Recorder
from reverie.rollouts.storage import (
    EpisodeBuilder,
    check_batch,
    episode_lengths,
    find_batches,
    is_whole,
    iterate_episodes,
    merge_episodes,
    write_episode,
)
from reverie.spaces import space_fault


def test_schema(tmp_path):
    path = write_batch(tmp_path, [3, 5])
    assert path.name == "doomrnn_0.h5"
    header = open_header(path, RolloutsHeader)
    assert header.total_episodes == 2
    assert header.game == "doomrnn"
    assert header.action_space["shape"] == [1]
    assert space_fault(header.observation_space) is None
    assert (header.policy, header.seed) == ("held_random", 0)
    names = {field.name for field in dataclasses.fields(RolloutsHeader)}
    with h5py.File(path) as file:
        assert set(file.attrs) == names | {"schema", "kind"}
        assert sorted(file) == ["episode_00000", "episode_00001"]
        group = file["episode_00001"]
        assert dict(group.attrs) == {"seed": 1, "total_steps": 5}
        expected = make_episode(5, 1)
        for name in ("observations", "actions", "rewards", "terminations", "truncations"):
            np.testing.assert_array_equal(group[name], getattr(expected, name))
            assert group[name].dtype == getattr(expected, name).dtype
        assert group["infos/health"].shape == (6,)
        assert group["infos/object_mask"].shape == (6, 64, 64)


def test_builder_collects_steps():
    frame = np.zeros((64, 64, 3), np.uint8)
    builder = EpisodeBuilder(7, frame, {"health": np.float32(100)})
    for step in range(3):
        info = {"health": np.float32(90 - step)}
        builder.add(np.array([0.5]), frame + step, 1.0, step == 2, False, info)
    episode = builder.build()
    assert episode.seed == 7
    assert episode.observations.shape == (4, 64, 64, 3)
    assert episode.actions.shape == (3, 1)
    assert episode.actions.dtype == episode.rewards.dtype == np.float32
    np.testing.assert_array_equal(episode.terminations, [False, False, True])
    np.testing.assert_array_equal(episode.infos["health"], [100, 90, 89, 88])


def test_a_part_that_a_power_cut_has_shortened_is_not_whole(tmp_path):
    part = tmp_path / "00000.h5"
    assert not is_whole(part)
    write_episode(part, make_episode(5, 1))
    assert is_whole(part)
    for beginning in cuts(part):
        part.write_bytes(beginning)
        assert not is_whole(part)


def test_batches_come_in_order_of_their_numbers(tmp_path):
    for batch, length in ((10, 4), (2, 3), (1, 2)):
        write_batch(tmp_path, [length], batch)
    (tmp_path / "doomrnn_old.h5").write_text("no batch: it has no number")
    assert [p.name for p in find_batches(tmp_path, "doomrnn")] == [
        "doomrnn_1.h5",
        "doomrnn_2.h5",
        "doomrnn_10.h5",
    ]
    paths = find_batches(tmp_path, "doomrnn", 2, 9)
    assert [p.name for p in paths] == ["doomrnn_2.h5"]
    assert [path.name for path, *_ in iterate_episodes(paths)] == ["doomrnn_2.h5"]
    np.testing.assert_array_equal(episode_lengths(find_batches(tmp_path, "doomrnn")), [2, 3, 4])


def test_missing_rollouts_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; record it with"):
        find_batches(tmp_path / "nowhere", "doomrnn")
    with pytest.raises(InputError, match="no rollouts at all"):
        find_batches(tmp_path, "doomrnn")
    write_batch(tmp_path, [2])
    with pytest.raises(InputError, match=r"doomrnn_3.h5 to doomrnn_5.h5 but doomrnn_0.h5"):
        find_batches(tmp_path, "doomrnn", 3, 5)


def test_an_unfinished_batch_is_named_and_one_that_is_not_there_said(tmp_path, capsys):
    for batch in (0, 2, 6):
        write_batch(tmp_path, [2], batch)
    assert len(find_batches(tmp_path, "doomrnn", 0, 8)) == 3
    assert [line.rpartition("without ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "doomrnn_1",
        "doomrnn_3 to doomrnn_5",
        "doomrnn_7 to doomrnn_8",
    ]
    write_episode(tmp_path / ".doomrnn_4.parts" / "00000.h5", make_episode(5))
    with pytest.raises(InputError, match=r"doomrnn_4.h5 in .* is unfinished, 1 episodes so far"):
        find_batches(tmp_path, "doomrnn")
    assert len(find_batches(tmp_path, "doomrnn", 0, 3)) == 2
    write_batch(tmp_path, [2], 4)
    assert len(find_batches(tmp_path, "doomrnn")) == 4


def test_truncated_batch_is_named(tmp_path):
    path = write_batch(tmp_path, [2])
    for content in cuts(path, 20):
        path.write_bytes(content)
        with pytest.raises(Damaged, match=r"doomrnn_0.h5: damaged, or not rollouts"):
            find_batches(tmp_path, "doomrnn")


def test_foreign_batch_is_named(tmp_path):
    path = tmp_path / "doomrnn_0.h5"
    path.write_text("this is a letter")
    with pytest.raises(Damaged, match="damaged, or not rollouts"):
        check_batch(path, "doomrnn")
    with h5py.File(path, "w") as file:
        file["pictures"] = np.zeros(3)
    with pytest.raises(InputError, match="holds no rollouts but something else"):
        check_batch(path, "doomrnn")
    with h5py.File(path, "w") as file:
        file.attrs.update({"schema": 1, "game": "doomrnn"})
        file["pictures"] = np.zeros(3)
    with pytest.raises(InputError, match=r"doomrnn_0.h5"):
        check_batch(path, "doomrnn")


def test_other_schema_other_game_and_no_episodes_are_named(tmp_path):
    path = write_batch(tmp_path, [2])
    with h5py.File(path, "a") as file:
        file.attrs["schema"] = 99
    with pytest.raises(InputError, match="rollouts of schema 99, this version reads 1"):
        check_batch(path, "doomrnn")
    with pytest.raises(InputError, match="rollouts of 'carracing', not of 'doomrnn'"):
        check_batch(write_batch(tmp_path, [2], game="carracing"), "doomrnn")
    with pytest.raises(InputError, match="holds no episodes"):
        check_batch(write_batch(tmp_path, []), "doomrnn")


@pytest.mark.parametrize("name", ["actions", "rewards"])
def test_nan_is_named(tmp_path, name):
    path = write_batch(tmp_path, [2, 4])
    with h5py.File(path, "a") as file:
        file["episode_00001"][name][2] = np.nan
    with pytest.raises(InputError, match=f"episode_00001 has NaN in its {name}"):
        check_batch(path, "doomrnn")


@pytest.mark.parametrize("shape", [(3, 32, 32, 3), (3, 64, 64, 1), (2, 64, 64, 3)])
def test_wrong_frames_are_named(tmp_path, shape):
    path = write_batch(tmp_path, [2])
    with h5py.File(path, "a") as file:
        del file["episode_00000/observations"]
        file["episode_00000/observations"] = np.zeros(shape, np.uint8)
    with pytest.raises(InputError, match=r"episode_00000 has frames .* for 2 steps"):
        check_batch(path, "doomrnn")


def test_parts_of_a_whole_batch_are_removed(tmp_path):
    """Its writer may have been killed between the batch and the end of its parts."""
    recorder = Recorder(tmp_path, "doomrnn", None, "held_random", 0, OPTIONS)
    path, parts = tmp_path / "doomrnn_0.h5", tmp_path / ".doomrnn_0.parts"
    for index, seed in enumerate(episode_seeds(0, 0, 2)):
        write_episode(parts / f"{index:05d}.h5", make_episode(3, seed=seed))
    merge_episodes(sorted(parts.iterdir()), path, recorder.header())
    (parts / "recording.json").write_text("{}")
    assert recorder.is_done(0, 0, 2)
    assert not parts.exists()
    assert path.exists()
