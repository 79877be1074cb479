"""Few frames that show what many show."""

import numpy as np
import pytest
from helpers import OPTIONS, make_episode

from reverie.artifacts import InputError
from reverie.latents.vae_task import VAEOptions, vae_task
from reverie.rollouts.__main__ import main
from reverie.rollouts.diverse import around_changes, choose, coverage, farthest
from reverie.rollouts.frames import FrameStream
from reverie.rollouts.recording import Recorder
from reverie.rollouts.storage import batch_path, merge_episodes, write_episode

STILL, LENGTH = 90, 119  # frames that are all alike, and steps of an episode


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory):
    """Return two episodes that stand still, then drift through pictures; one action changes."""
    folder = tmp_path_factory.mktemp("rollouts")
    parts = []
    for number in range(2):
        rng = np.random.default_rng(number)
        small = rng.integers(0, 256, (2, 8, 8, 3))
        share = np.clip(np.arange(LENGTH + 1) - STILL, 0, None)[:, None, None, None] / 30.0
        frames = (small[0] * (1 - share) + small[1] * share).astype(np.uint8)
        frames = frames.repeat(8, axis=1).repeat(8, axis=2)
        actions = np.zeros((LENGTH, 1), np.float32)
        actions[40:] = 0.9
        episode = make_episode(LENGTH, number, observations=frames, actions=actions)
        parts.append(folder / "parts" / f"{number}.h5")
        write_episode(parts[-1], episode)
    path = batch_path(folder, "doomrnn", 0)
    merge_episodes(parts, path, Recorder(folder, "doomrnn", None, "constant", 0, OPTIONS).header())
    return path


def test_frames_around_changes_are_kept_and_duplicates_are_not(rollouts):
    choice = choose([rollouts], [0, 1], 20)
    assert sum(map(len, choice.frames.values())) == 20
    assert choice.changes == 6
    assert choice.duplicates > 150
    for frames in choice.frames.values():
        assert {39, 40, 41} <= set(frames.tolist())
        assert (frames >= STILL).sum() >= len(frames) - 4
    ours, regular, drawn = choice.table
    assert ours["coverage_radius"] < 0.5 * min(regular["coverage_radius"], drawn["coverage_radius"])


def test_more_than_there_are_cannot_be_chosen(rollouts):
    with pytest.raises(InputError, match="but there are 240"):
        choose([rollouts], [0, 1], 241)


def test_of_too_many_frames_around_changes_some_are_chosen(rollouts):
    choice = choose([rollouts], [0, 1], 4)
    chosen = {int(frame) for frames in choice.frames.values() for frame in frames}
    assert chosen <= {39, 40, 41}
    assert "6 frames around changes of action, chosen among them" in choice.describe()


def test_the_farthest_point_is_next():
    points = np.array([[0.0], [1.0], [10.0], [4.0]], np.float32)
    assert farthest(points, np.arange(4), np.array([0]), 3).tolist() == [0, 2, 3]
    assert coverage(points, points[[0, 2]])["coverage_radius"] == pytest.approx(4.0 / 16)
    few = farthest(points, np.array([0, 1]), np.array([], int), 3)  # then those left out follow
    assert few.tolist() == [0, 1, 2]


def test_changes_of_action():
    found = around_changes(np.array([0, 0, 1, 1, 1]))
    assert np.flatnonzero(found).tolist() == [1, 2, 3]


def test_a_stream_of_chosen_frames_holds_no_others(rollouts):
    chosen = {0: np.array([3, 70, 100]), 1: np.array([95])}
    stream = FrameStream([rollouts], [0, 1], 2, chosen=chosen)
    assert (stream.frames, stream.steps_per_epoch) == (4, 2)
    found = np.concatenate([batch for (batch,) in stream.batches(0)])
    every = FrameStream([rollouts], [0, 1], 240)
    ((frames,),) = every.batches(0)
    assert {f.tobytes() for f in found} <= {f.tobytes() for f in frames}
    first = FrameStream([rollouts], [1], 1, chosen={1: np.array([95])})
    ((only,),) = first.batches(0)
    assert only[0].tobytes() in {f.tobytes() for f in found}


def test_stage_2_trains_on_chosen_frames(rollouts, tmp_path, capsys):
    options = VAEOptions("patch", 4, 1.0, 0.0, 0.0, batch_size=10, diverse=20)
    task = vae_task([rollouts], "doomrnn", options, tmp_path)
    assert task.train.frames == 20
    assert task.identity["diverse"] == 20
    assert "coverage_radius" in capsys.readouterr().out


def test_chosen_frames_are_written_as_pictures(rollouts, tmp_path, capsys):
    flags = ["--frames", "12", "--output_folder", str(tmp_path / "pictures")]
    assert main(["choose", "doomrnn", str(rollouts.parent), *flags]) == 0
    assert len(list((tmp_path / "pictures").glob("doomrnn_0_0000*_*.png"))) == 12
    assert "farthest points" in capsys.readouterr().out
