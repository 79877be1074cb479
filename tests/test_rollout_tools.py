"""`python -m reverie.rollouts`: looking, filming, joining, and other formats and back."""

import json
import os

import h5py
import numpy as np
import pytest
from helpers import assert_same_rollouts, load_script, write_batch

from reverie.rollouts.__main__ import main
from reverie.rollouts.storage import find_batches, iterate_episodes
from reverie.stage import EXIT_BAD_INPUT, EXIT_REQUEUE, stop_signal

KEYS = ("observations", "actions", "rewards", "terminations", "truncations")


def said(capsys, *arguments, code=0):
    assert main([str(a) for a in arguments]) == code
    result = capsys.readouterr()
    return result.err if code else result.out


def test_inspect_counts_and_names_what_is_damaged(tmp_path, capsys):
    write_batch(tmp_path, [5, 7], policy="person")
    write_batch(tmp_path, [9], batch=10, first=2)
    damaged = write_batch(tmp_path, [4], batch=2, first=3)
    damaged.write_bytes(damaged.read_bytes()[:5000])
    (tmp_path / "notes.h5").write_bytes(b"something else")
    lines = said(capsys, "inspect", tmp_path).splitlines()
    first, second = lines[1].split(), lines[2].split()
    assert first[:5] == ["doomrnn_0.h5", "doomrnn", "person", "2", "12"]
    assert second[0] == "doomrnn_10.h5"
    assert lines[3].split()[:3] == ["all", "3", "21"]
    faults = "\n".join(lines[4:])
    assert faults.count("unusable:") == 2
    assert "doomrnn_2.h5" in faults
    assert "notes.h5" in faults


def test_preview_is_a_film(tmp_path, capsys):
    write_batch(tmp_path, [20, 30])
    film = tmp_path / "film.mp4"
    said(capsys, "preview", "doomrnn", tmp_path, "--output", film, "--frames", 10)
    assert film.read_bytes()[4:8] == b"ftyp"
    error = said(
        capsys, "preview", "doomrnn", tmp_path, "--output", tmp_path / "f.gif", code=EXIT_BAD_INPUT
    )
    assert ".mp4" in error


def test_merge_joins_and_goes_on(tmp_path, capsys):
    write_batch(tmp_path / "one", [5, 7])
    write_batch(tmp_path / "one", [6], batch=1, first=2)
    write_batch(tmp_path / "two", [9], first=3, policy="person")
    output = tmp_path / "all"
    command = ["merge", tmp_path / "one", tmp_path / "two", "--output_folder", output]
    assert "3 batches" in said(capsys, *command)
    paths = find_batches(output, "doomrnn")
    assert [len(g["rewards"]) for *_, g in iterate_episodes(paths)] == [5, 7, 6, 9]
    assert_same_rollouts(paths[2], tmp_path / "two/doomrnn_0.h5")
    paths[1].unlink()
    time = paths[0].stat().st_mtime_ns
    said(capsys, *command)
    assert paths[0].stat().st_mtime_ns == time
    assert paths[1].exists()


@pytest.mark.parametrize("fault", ["double", "damaged", "other preprocessing", "itself"])
def test_merge_refuses(tmp_path, capsys, fault):
    write_batch(tmp_path / "one", [5, 7])
    changes = {"preprocessing": 99} if fault == "other preprocessing" else {}
    path = write_batch(tmp_path / "two", [5], first=0 if fault == "double" else 5, **changes)
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:3000])
    output = tmp_path / ("one" if fault == "itself" else "all")
    folders = (tmp_path / "one", tmp_path / "two")
    error = said(capsys, "merge", *folders, "--output_folder", output, code=EXIT_BAD_INPUT)
    assert len(error.splitlines()) == 1
    assert str(tmp_path) in error
    assert not list((tmp_path / "all").glob("*_1.h5"))


def test_minari_opens_it_and_the_way_back_is_exact(tmp_path, capsys, monkeypatch):
    minari = pytest.importorskip("minari")
    originals = [write_batch(tmp_path / "in", [5, 7]), write_batch(tmp_path / "in", [6], 1, 2)]
    output, name = tmp_path / "datasets", "doomrnn/tiny-v0"
    said(
        capsys,
        *("convert", "doomrnn", tmp_path / "in", "--to", "minari"),
        *("--output_folder", output, "--name", name),
    )
    monkeypatch.setitem(os.environ, "MINARI_DATASETS_PATH", str(output))
    dataset = minari.load_dataset(name)
    assert (dataset.total_episodes, dataset.total_steps) == (3, 18)
    with h5py.File(originals[0]) as file:
        group = file["episode_00001"]
        episode = dataset[1]
        np.testing.assert_array_equal(episode.actions, group["actions"])
        frames = np.moveaxis(episode.observations, 1, -1)
        np.testing.assert_array_equal(frames, group["observations"])
    said(capsys, "import", output / name, "--output_folder", tmp_path / "back")
    for original in originals:
        assert_same_rollouts(original, tmp_path / "back" / original.name)


def test_an_interrupted_conversion_goes_on(tmp_path, capsys, monkeypatch):
    minari = pytest.importorskip("minari")
    original = write_batch(tmp_path / "in", [5, 7, 4])
    command = [
        *("convert", "doomrnn", tmp_path / "in", "--to", "minari"),
        *("--output_folder", tmp_path / "datasets"),
    ]
    check = stop_signal.check
    calls = []

    def stop_after_two():
        calls.append(0)
        stop_signal.requested = len(calls) == 2
        check()

    monkeypatch.setattr(stop_signal, "check", stop_after_two)
    said(capsys, *command, code=EXIT_REQUEUE)
    monkeypatch.setattr(stop_signal, "check", check)
    folder = tmp_path / "datasets/doomrnn/rollouts-v0"
    with h5py.File(folder / "data/main_data.hdf5", "a") as file:  # as a killed process leaves it
        file.create_group("episode_2")
    said(capsys, *command)
    assert minari.MinariDataset(folder / "data").total_episodes == 3
    said(capsys, "import", folder, "--output_folder", tmp_path / "back")
    assert_same_rollouts(original, tmp_path / "back" / original.name)


def test_what_is_no_dataset_is_refused(tmp_path, capsys):
    pytest.importorskip("minari")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/metadata.json").write_text("{}")
    error = said(
        capsys, "import", tmp_path, "--output_folder", tmp_path / "back", code=EXIT_BAD_INPUT
    )
    assert "no Minari dataset" in error


def test_lerobot_has_its_layout_and_its_video_shows_the_frames(tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    av = pytest.importorskip("av")
    smooth = np.linspace(0, 200, 64 * 64 * 3).reshape(64, 64, 3)
    paths = [write_batch(tmp_path / "in", [5, 7]), write_batch(tmp_path / "in", [6], 1, 2)]
    for number, path in enumerate(paths):
        with h5py.File(path, "a") as file:
            for name in file:
                steps = np.arange(len(file[name]["observations"]))[:, None, None, None]
                file[name]["observations"][:] = (smooth + 5 * steps + number).astype(np.uint8)
    output = tmp_path / "out"
    command = ["convert", "doomrnn", tmp_path / "in", "--to", "lerobot", "--output_folder", output]
    assert "3 episodes" in said(capsys, *command)

    info = json.loads((output / "meta/info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"], info["total_frames"]) == (
        "v3.0",
        3,
        18,
    )
    episodes = parquet.read_table(output / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row["length"] for row in episodes] == [5, 7, 6]
    assert parquet.read_table(output / "meta/tasks.parquet").to_pylist()[0]["task_index"] == 0
    stats = json.loads((output / "meta/stats.json").read_text())
    assert stats.keys() == info["features"].keys()
    assert np.shape(stats["observation.image"]["mean"]) == (3, 1, 1)

    for row, (_, _, group) in zip(episodes, iterate_episodes(paths)):
        where = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
        data = parquet.read_table(output / info["data_path"].format(**where)).to_pylist()
        data = [step for step in data if step["episode_index"] == row["episode_index"]]
        np.testing.assert_array_equal([step["action"] for step in data], group["actions"])
        np.testing.assert_array_equal([step["next.reward"] for step in data], group["rewards"])
        assert [step["next.done"] for step in data] == [False] * (len(data) - 1) + [True]
        span = range(row["dataset_from_index"], row["dataset_to_index"])
        assert [step["index"] for step in data] == list(span)
        key = "videos/observation.image"
        video = info["video_path"].format(**where, video_key="observation.image")
        with av.open(str(output / video)) as container:
            decoded = {f.time: f.to_ndarray(format="rgb24") for f in container.decode(video=0)}
        start = row[f"{key}/from_timestamp"]
        for step, truth in zip(data, group["observations"]):
            near = min(decoded, key=lambda time: abs(time - start - step["timestamp"]))
            assert abs(near - start - step["timestamp"]) < 1e-4
            assert np.abs(decoded[near].astype(int) - truth).mean() < 4


@pytest.fixture
def lerobot(tmp_path, capsys):
    """Return batches of smooth pictures and the LeRobot dataset of them."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("av")
    smooth = np.linspace(0, 200, 64 * 64 * 3).reshape(64, 64, 3)
    paths = [write_batch(tmp_path / "in", [5, 7])]
    paths += [write_batch(tmp_path / "in", [6], 1, 2)]
    for number, path in enumerate(paths):
        with h5py.File(path, "a") as file:
            for index, name in enumerate(sorted(file)):
                steps = np.arange(len(file[name]["observations"]))[:, None, None, None]
                frames = smooth + 5 * steps + 7 * index + 3 * number
                file[name]["observations"][:] = frames.astype(np.uint8)
                file[name]["truncations"][-1] = index == 1
                file[name]["terminations"][-1] = index == 0
    folder = tmp_path / "lerobot"
    flags = ["doomrnn", tmp_path / "in", "--to", "lerobot", "--output_folder", folder]
    said(capsys, "convert", *flags)
    return paths, folder


def test_lerobot_becomes_rollouts_that_a_stage_trains_on(lerobot, tmp_path, capsys):
    paths, folder = lerobot
    back, two = tmp_path / "back", ["--batch_size", 2]
    assert "2 batches" in said(capsys, "import", folder, "--output_folder", back, *two)
    episodes = [
        [{name: group[name][()] for name in KEYS} for *_, group in iterate_episodes(batches)]
        for batches in (find_batches(back, "doomrnn"), paths)
    ]
    assert [len(found) for found in episodes] == [3, 3]
    for found, truth in zip(*episodes):
        for name in KEYS[1:]:
            np.testing.assert_array_equal(found[name], truth[name])
            assert found[name].dtype == truth[name].dtype
        frames = found["observations"]
        assert np.abs(frames[:-1].astype(int) - truth["observations"][:-1]).mean() < 4
        np.testing.assert_array_equal(frames[-1], frames[-2])
    flags = ["--input_data_folder", back, "--savefolder", tmp_path / "vae", "--epochs", 1]
    flags += ["--batch_size", 5, "--latent_size", 4, "--precision", "float32"]
    assert load_script("02_train_vae.py").main([*map(str, flags)]) == 0
    assert (tmp_path / "vae/final_full_vae_weights.h5").exists()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("info", "part of a LeRobot dataset"),
        ("version", "a LeRobot dataset v2.1"),
        ("no video", "no frames"),
        ("video", "missing"),
        ("damaged", "damaged"),
        ("length", "for 9 steps"),
        ("action", "lies outside"),
        ("game", "expected"),
    ],
)
def test_a_bad_lerobot_dataset_is_refused(lerobot, tmp_path, capsys, fault, words):
    parquet = pytest.importorskip("pyarrow.parquet")
    _, folder = lerobot
    info, table = folder / "meta/info.json", next(folder.glob("meta/episodes/*/*.parquet"))
    video, data = (min(folder.glob(f"{kind}/**/file-*")) for kind in ("videos", "data"))
    about, more = json.loads(info.read_text()), []
    if fault == "info":
        info.write_text("{")
    if fault == "version":
        info.write_text(json.dumps(about | {"codebase_version": "v2.1"}))
    if fault == "no video":
        kept = {n: f for n, f in about["features"].items() if f["dtype"] != "video"}
        info.write_text(json.dumps(about | {"features": kept}))
    if fault == "video":
        video.unlink()
    if fault == "damaged":
        video.write_bytes(video.read_bytes()[:100])
    if fault == "length":
        rows = parquet.read_table(table)
        lengths = rows.column_names.index("length")
        parquet.write_table(rows.set_column(lengths, "length", [[9, 7, 6]]), table)
    if fault == "action":
        rows = parquet.read_table(data)
        actions = [[3.0]] * len(rows)
        parquet.write_table(
            rows.set_column(rows.column_names.index("action"), "action", [actions]), data
        )
    if fault == "game":
        more = ["--game", "carracing"]
    error = said(capsys, "import", folder, "--output_folder", tmp_path / "back", *more, code=2)
    assert words in error
    assert len(error.strip().splitlines()) == 1


def test_an_interrupted_lerobot_conversion_goes_on(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    for number in range(2):
        write_batch(tmp_path / "in", [5], number, number)
    output = tmp_path / "out"
    command = ["convert", "doomrnn", tmp_path / "in", "--to", "lerobot", "--output_folder", output]
    said(capsys, *command)
    first, second = sorted(output.glob("data/*/*.parquet"))
    (output / "meta/info.json").unlink()
    second.unlink()
    time = first.stat().st_mtime_ns
    said(capsys, *command)
    assert first.stat().st_mtime_ns == time
    assert second.exists()
    assert (output / "meta/info.json").exists()
    write_batch(tmp_path / "in", [9], 2, 7)
    assert "another dataset" in said(capsys, *command, code=EXIT_BAD_INPUT)
