"""Recordings of others become rollouts, or are refused with a line that says why."""

import json
import shlex

import cv2
import h5py
import numpy as np
import pytest
from helpers import load_script

from reverie.reports.video import save_video
from reverie.rollouts.__main__ import main
from reverie.rollouts.storage import find_batches
from reverie.stage import EXIT_BAD_INPUT

T = 6


def take(source, game, output, code=0, *more):
    flags = ["--game", game, "--output_folder", output, *more]
    assert main(["import", *map(str, [source, *flags])]) == code


def episodes(folder, game):
    found = []
    for path in find_batches(folder, game):
        with h5py.File(path) as file:
            found += [{n: v[()] for n, v in file[name].items() if n != "infos"} for name in file]
    return found


def frames(count=T, size=64):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def driven():
    return np.random.default_rng(1).uniform(0, 1, (T, 3)).astype(np.float16)


def test_frames_before_actions_as_hardmaru_recorded(tmp_path):
    obs, action = frames(), driven()
    (tmp_path / "in").mkdir()
    np.savez_compressed(tmp_path / "in/12.npz", obs=obs, action=action)
    take(tmp_path / "in", "carracing", tmp_path / "out")
    (episode,) = episodes(tmp_path / "out", "carracing")
    np.testing.assert_array_equal(episode["observations"], obs)
    expected = np.float32(action[:-1]) * (1, 2, 1) - (0, 1, 0)
    np.testing.assert_allclose(episode["actions"], expected, atol=2e-3)
    assert episode["truncations"].tolist() == [False] * (T - 2) + [True]
    assert not episode["terminations"].any()


def test_a_recorded_end_is_kept_with_the_last_frame_standing_again(tmp_path):
    obs = frames()
    (tmp_path / "in").mkdir()
    values = {"action": np.linspace(-1, 1, T), "reward": np.ones(T), "done": np.arange(T) == T - 1}
    np.savez_compressed(tmp_path / "in/0.npz", obs=obs / np.float32(255), **values)
    take(tmp_path / "in", "doomrnn", tmp_path / "out")
    (episode,) = episodes(tmp_path / "out", "doomrnn")
    np.testing.assert_array_equal(episode["observations"][:-1], obs)
    np.testing.assert_array_equal(episode["observations"][-1], obs[-1])
    assert episode["terminations"].tolist() == [False] * (T - 1) + [True]
    assert episode["rewards"].sum() == T


def test_actions_before_frames_as_ctallec_recorded(tmp_path):
    obs, action = frames(size=64), np.concatenate([driven(), driven()[:1]])
    (tmp_path / "in").mkdir()
    ends = np.arange(T) == T - 1
    arrays = {"observations": obs, "actions": action, "rewards": np.arange(T), "terminals": ends}
    np.savez(tmp_path / "in/rollout_0.npz", **arrays)
    take(tmp_path / "in", "carracing", tmp_path / "out")
    (episode,) = episodes(tmp_path / "out", "carracing")
    np.testing.assert_array_equal(episode["observations"], obs)
    np.testing.assert_array_equal(episode["rewards"], np.arange(1, T))
    np.testing.assert_allclose(episode["actions"][:, 0], np.float32(action[1:T, 0]))
    assert episode["terminations"][-1]


def write_log(path, actions, **columns):
    lines = [",".join(["action", *columns])]
    lines += [",".join(map(str, row)) for row in zip(actions, *columns.values())]
    path.write_text("\n".join(lines))


def test_pictures_with_a_log(tmp_path):
    shown = frames(T + 1, size=128)
    for name in ("first", "second"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number, frame in enumerate(shown):
            cv2.imwrite(str(tmp_path / "in" / name / f"{number:04d}.png"), frame[..., ::-1])
        write_log(tmp_path / "in" / name / "actions.csv", range(T), reward=range(T))
    take(tmp_path / "in", "crafter", tmp_path / "out", 0, "--batch_size", 1)
    one, two = episodes(tmp_path / "out", "crafter")
    small = cv2.resize(shown[3], (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(one["observations"][3], small)
    assert one["actions"].tolist() == two["actions"].tolist() == list(range(T))
    assert one["rewards"].tolist() == list(range(T))


def test_a_video_with_a_log(tmp_path):
    (tmp_path / "in").mkdir()
    shown = (
        np.full((T, 64, 64, 3), 40, np.uint8)
        + np.arange(T, dtype=np.uint8)[:, None, None, None] * 30
    )
    save_video(tmp_path / "in/play.mp4", shown)
    write_log(tmp_path / "in/play.csv", np.linspace(-1, 1, T))
    take(tmp_path / "in", "doomrnn", tmp_path / "out")
    (episode,) = episodes(tmp_path / "out", "doomrnn")
    assert len(episode["actions"]) == T - 1
    np.testing.assert_allclose(
        episode["observations"].mean(axis=(1, 2, 3)), shown[:, 0, 0, 0], atol=6
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no actions", "no actions beside it"),
        ("too few actions", "7 frames, but 3 actions"),
        ("outside", "action [3.] of step 1 lies outside"),
        ("no number", "no number"),
        ("no column", "no column action"),
        ("damaged npz", "damaged"),
        ("other npz", "holds x; expected"),
        ("pickled npz", "no npz of plain arrays"),
        ("lengths", "6 frames for 4 actions"),
        ("nothing", "no Minari dataset, npz files, videos"),
        ("no folder", "no such folder"),
    ],
)
def test_bad_recordings_are_refused(tmp_path, capsys, fault, words):
    source = tmp_path / "in"
    if fault != "no folder":
        source.mkdir()
    actions = {"too few actions": [0] * 3, "outside": [0, 3, 0, 0, 0, 0], "no number": ["x"] * T}
    if fault in ("no actions", "no column", *actions):
        for number, frame in enumerate(frames(T + 1)):
            cv2.imwrite(str(source / f"{number:04d}.png"), frame)
    if fault in actions:
        write_log(source / "actions.csv", actions[fault])
    if fault == "no column":
        (source / "actions.csv").write_text("a,b\n1,2\n")
    if fault == "damaged npz":
        (source / "0.npz").write_bytes(b"PK\x03\x04 and then nothing")
    if fault == "other npz":
        np.savez(source / "0.npz", x=1)
    if fault == "pickled npz":
        np.savez(source / "0.npz", obs=np.array([{}], object), action=np.zeros(1))
    if fault == "lengths":
        np.savez(source / "0.npz", obs=frames(), action=np.zeros(4))
    take(source, "doomrnn", tmp_path / "out", EXIT_BAD_INPUT)
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_an_interrupted_import_reads_nothing_twice(tmp_path, monkeypatch):
    import reverie.rollouts.__main__ as tools

    (tmp_path / "in").mkdir()
    for number in range(4):
        np.savez(tmp_path / f"in/{number}.npz", obs=frames(), action=np.zeros(T))
    read, seen = tools.read_foreign, []

    def fail_at_third(path, target):
        seen.append(path.name)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(path, target)

    monkeypatch.setattr(tools, "read_foreign", fail_at_third)
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path / "in", "doomrnn", tmp_path / "out")
    take(tmp_path / "in", "doomrnn", tmp_path / "out")
    assert seen == ["0.npz", "1.npz", "2.npz", "2.npz", "3.npz"]
    assert len(episodes(tmp_path / "out", "doomrnn")) == 4


def test_stage_2_learns_from_recordings_without_ground_truth(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        np.savez(tmp_path / f"in/{number}.npz", obs=frames(), action=np.zeros(T))
    take(tmp_path / "in", "doomrnn", tmp_path / "out")
    flags = ["--input_data_folder", tmp_path / "out", "--savefolder", tmp_path / "vae"]
    numbers = shlex.split("--epochs 1 --batch_size 5 --latent_size 4 --precision float32")
    assert load_script("02_train_vae.py").main([*map(str, flags), *numbers]) == 0
    assert (tmp_path / "vae/final_full_vae_weights.h5").exists()


def their_pictures(folder, count=12):
    """Write a folder as the published recorder does: picture k and, from 1 on, its keys."""
    folder.mkdir()
    labels = []
    for number in range(count):
        picture = np.full((40, 50, 3), 10 * number, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        keys = [["'w'"], ["'W'", "Key.space"], [], ["Key.esc", "'d'"]][number % 4]
        labels.append({"id": f"{number + 1}.png", "keys_pressed": keys, "time": "2023-07-09"})
    (folder / "samplelabels.json").write_text(json.dumps(labels))
    return folder


def take_keys(source, output, *flags):
    arguments = ["import", source, "--game", "screen", "--keys", "w,d,space", *flags]
    return main([*map(str, arguments), "--output_folder", str(output)])


def test_pictures_and_labels_of_the_published_recorder(tmp_path, capsys):
    their_pictures(tmp_path / "theirs")
    assert take_keys(tmp_path / "theirs", tmp_path / "ours", "--frame_size", 128) == 0
    assert "esc in 2" in capsys.readouterr().out
    with h5py.File(tmp_path / "ours/screen_0.h5") as file:
        group = file["episode_00000"]
        frames, actions = group["observations"][:], group["actions"][:]
    assert frames.shape == (12, 128, 128, 3)
    assert frames[:, 0, 0, 0].tolist() == [10 * number for number in range(12)]
    assert actions[:4].tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert len(actions) == 11


def test_a_video_and_lines_of_keys(tmp_path, capsys):
    folder = tmp_path / "theirs"
    folder.mkdir()
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 20, (64, 64))
    for number in range(6):
        writer.write(np.full((64, 64, 3), 40 * number, np.uint8))
    writer.release()
    lines = [json.dumps({"keys": ["d"] if number == 2 else []}) for number in range(6)]
    (folder / "a.jsonl").write_text("\n".join(lines))
    assert take_keys(folder, tmp_path / "ours") == 0
    with h5py.File(tmp_path / "ours/screen_0.h5") as file:
        assert file["episode_00000/actions"][:, 1].tolist() == [0, 0, 1, 0, 0]
    (folder / "a.jsonl").write_text("\n".join(lines[:3]))
    assert take_keys(folder, tmp_path / "few") == 2
    assert "3 lines for 6 frames" in capsys.readouterr().err
    (folder / "a.jsonl").write_text('{"keys": "w"}\n' * 6)
    assert take_keys(folder, tmp_path / "text") == 2
    assert "no list of keys" in capsys.readouterr().err


def test_a_screen_that_is_imported_needs_its_keys(tmp_path, capsys):
    source = their_pictures(tmp_path / "theirs")
    arguments = ["import", str(source), "--game", "screen", "--output_folder", str(tmp_path / "x")]
    assert main(arguments) == 2
    assert "say which keys play" in capsys.readouterr().err
    (source / "5.png").rename(source / "50.png")
    (source / "samplelabels.json").write_text("[]")
    assert take_keys(source, tmp_path / "y") == 2
    assert "no entry of 1.png" in capsys.readouterr().err
