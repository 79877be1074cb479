"""Rollouts as a LeRobot dataset, version 3.0, written with pyarrow and PyAV.

    meta/info.json  meta/stats.json  meta/tasks.parquet  meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet                       a row a step, a file a batch
    videos/observation.image/chunk-000/file-000.mp4       the frames of these rows, in H.264

A row is a frame and the action that follows it, so an episode's last frame, which no action
follows, is left out. `info.json` is written last: it says that the dataset is whole.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reverie.artifacts import InputError, atomic_path, write_json
from reverie.games.actions import ActionCode, space_of
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.minari_dataset import EXTRA
from reverie.stage import progress, stop_signal

VERSION = "v3.0"
IMAGE = "observation.image"
CHUNK = 1000  # files in a folder
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
QUALITY = {"crf": "18", "g": "2"}  # a key frame every other one: readers jump to any frame
SAMPLED = 20  # frames of an episode that the statistics of pictures rest on


@dataclass(frozen=True)
class Batch:
    """A batch of rollouts and its place in the dataset.

    Attributes:
        path: the rollouts.
        number: of its files.
        lengths: steps of each episode.
        episode: number of the first one.
        row: number of its first row.
    """

    path: Path
    number: int
    lengths: list[int]
    episode: int
    row: int

    def file(self, folder: Path, pattern: str) -> Path:
        """Return the path of one of its files."""
        chunk, number = divmod(self.number, CHUNK)
        return folder / pattern.format(chunk_index=chunk, file_index=number, video_key=IMAGE)


def import_lerobot() -> tuple[Any, Any, Any]:
    """Return pyarrow, its parquet and PyAV.

    Raises:
        InputError: one is not installed.
    """
    try:
        import av
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(f"LeRobot datasets need pyarrow and av ({error}); {EXTRA}") from error
    return pyarrow, parquet, av


def to_lerobot(paths: list[Path], folder: Path, fps: int, task: str) -> int:
    """Write checked batches of one game as a dataset; the same call continues.

    Args:
        paths: the batches.
        folder: of the dataset.
        fps: steps a second.
        task: what is done, in words.

    Returns:
        How many episodes it holds.

    Raises:
        InputError: another dataset is there.
        Stopped: a signal came; whole batches are kept.
    """
    import_lerobot()
    header = open_header(paths[0], RolloutsHeader)
    source, notes = {"rollouts": rollouts_identity(paths), "fps": fps}, folder / "meta/source.json"
    if notes.exists() and json.loads(notes.read_text()) != source:
        raise InputError(f"{folder}: another dataset; choose an empty --output_folder")
    write_json(notes, source)
    batches = _plan(paths)
    for batch in progress(batches, desc="batches"):
        data, video = batch.file(folder, DATA), batch.file(folder, VIDEO)
        if not (data.exists() and video.exists()):
            _write_video(batch, video, fps)
            _write_rows(batch, data, fps)
        stop_signal.check()
    _write_meta(folder, batches, header, fps, task)
    return sum(len(batch.lengths) for batch in batches)


def _plan(paths: list[Path]) -> list[Batch]:
    batches, episode, row = [], 0, 0
    for number, path in enumerate(paths):
        with h5py.File(path, "r") as file:
            lengths = [len(file[name]["rewards"]) for name in sorted(file)]
        batches.append(Batch(path, number, lengths, episode, row))
        episode, row = episode + len(lengths), row + sum(lengths)
    return batches


def _write_video(batch: Batch, path: Path, fps: int) -> None:
    _, _, av = import_lerobot()
    with (
        atomic_path(path, ".mp4") as temporary,
        h5py.File(batch.path, "r") as file,
        av.open(str(temporary), "w", format="mp4") as container,
    ):
        stream = container.add_stream("libx264", rate=fps, options=QUALITY)
        stream.pix_fmt = "yuv420p"
        names = sorted(file)
        stream.height, stream.width = file[names[0]]["observations"].shape[1:3]
        for name in names:
            for frame in file[name]["observations"][:-1]:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _write_rows(batch: Batch, path: Path, fps: int) -> None:
    pyarrow, parquet, _ = import_lerobot()
    writer = None
    with atomic_path(path, ".parquet") as temporary, h5py.File(batch.path, "r") as file:
        row = batch.row
        for number, name in enumerate(sorted(file)):
            columns = _columns(file[name], fps, batch.episode + number, row)
            row += len(columns["index"])
            table = pyarrow.table({k: _array(pyarrow, v) for k, v in columns.items()})
            writer = writer or parquet.ParquetWriter(temporary, table.schema)
            writer.write_table(table)
        writer.close()


def _columns(group: h5py.Group, fps: int, episode: int, row: int) -> dict[str, np.ndarray]:
    """Return what the dataset says of each step of an episode, pictures apart."""
    steps = len(group["rewards"])
    frames = np.arange(steps)
    return {
        "action": group["actions"][:],
        "next.reward": group["rewards"][:],
        "next.done": group["terminations"][:] | group["truncations"][:],
        "next.truncated": group["truncations"][:],
        "timestamp": (frames / fps).astype(np.float32),
        "frame_index": frames,
        "episode_index": np.full(steps, episode),
        "index": row + frames,
        "task_index": np.zeros(steps, np.int64),
    }


def _array(pyarrow: Any, values: np.ndarray) -> Any:
    if values.ndim == 1:
        return pyarrow.array(values)
    return pyarrow.FixedSizeListArray.from_arrays(values.ravel(), values.shape[1])


def _write_meta(
    folder: Path, batches: list[Batch], header: RolloutsHeader, fps: int, task: str
) -> None:
    pyarrow, parquet, _ = import_lerobot()
    names = {"index_columns": ["task"], "column_indexes": [], "columns": [], "pandas_version": "2"}
    tasks = pyarrow.table({"task_index": [0], "task": [task]})
    tasks = tasks.replace_schema_metadata({"pandas": json.dumps(names)})
    for name, table in {
        "meta/tasks.parquet": tasks,
        EPISODES: _episodes(batches, fps, task),
    }.items():
        with atomic_path(folder / name, ".parquet") as temporary:
            parquet.write_table(table, temporary)
    write_json(folder / "meta/stats.json", _statistics(batches, fps))
    write_json(folder / "meta/info.json", _info(batches, header, fps))


def _episodes(batches: list[Batch], fps: int, task: str) -> Any:
    pyarrow, _, _ = import_lerobot()
    rows = []
    for batch in batches:
        chunk, number = divmod(batch.number, CHUNK)
        starts = np.cumsum([0, *batch.lengths])
        for index, length in enumerate(batch.lengths):
            start, stop = int(starts[index]), int(starts[index + 1])
            rows.append(
                {
                    "episode_index": batch.episode + index,
                    "tasks": [task],
                    "length": length,
                    "data/chunk_index": chunk,
                    "data/file_index": number,
                    "dataset_from_index": batch.row + start,
                    "dataset_to_index": batch.row + stop,
                    f"videos/{IMAGE}/chunk_index": chunk,
                    f"videos/{IMAGE}/file_index": number,
                    f"videos/{IMAGE}/from_timestamp": start / fps,
                    f"videos/{IMAGE}/to_timestamp": stop / fps,
                    "meta/episodes/chunk_index": 0,
                    "meta/episodes/file_index": 0,
                }
            )
    return pyarrow.Table.from_pylist(rows)


def _info(batches: list[Batch], header: RolloutsHeader, fps: int) -> dict:
    last = batches[-1]
    episodes = last.episode + len(last.lengths)
    return {
        "codebase_version": VERSION,
        "robot_type": header.game,
        "total_episodes": episodes,
        "total_frames": last.row + sum(last.lengths),
        "total_tasks": 1,
        "chunks_size": CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA,
        "video_path": VIDEO,
        "features": _features(header, fps),
    }


def _features(header: RolloutsHeader, fps: int) -> dict:
    rows, columns, channels = shape = list(header.observation_space["shape"])
    space = space_of(header.action_space)
    kind = "int64" if ActionCode.from_space(space).choices else "float32"
    video = {
        "video.height": rows,
        "video.width": columns,
        "video.channels": channels,
        "video.fps": fps,
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "has_audio": False,
    }
    names = ["height", "width", "channels"]
    image = {"dtype": "video", "shape": shape, "names": names, "info": video}
    one = {"shape": [1], "names": None}
    numbers = ("frame_index", "episode_index", "index", "task_index")
    return {
        IMAGE: image,
        "action": {"dtype": kind, "shape": list(space.shape) or [1], "names": None},
        "next.reward": {"dtype": "float32"} | one,
        "next.done": {"dtype": "bool"} | one,
        "next.truncated": {"dtype": "bool"} | one,
        "timestamp": {"dtype": "float32"} | one,
        **{name: {"dtype": "int64"} | one for name in numbers},
    }


def _statistics(batches: list[Batch], fps: int) -> dict:
    """Return minimum, maximum, mean, deviation and count of every feature, pictures in [0, 1]."""
    sums: dict[str, _Sums] = {}
    for batch in batches:
        with h5py.File(batch.path, "r") as file:
            for number, name in enumerate(sorted(file)):
                columns = _columns(file[name], fps, batch.episode + number, 0)
                every = max(1, batch.lengths[number] // SAMPLED)
                pixels = file[name]["observations"][:-1:every].reshape(-1, 3) / 255.0
                for key, values in {**columns, IMAGE: pixels}.items():
                    sums.setdefault(key, _Sums()).add(values.reshape(len(values), -1))
    result = {key: values.result() for key, values in sums.items()}
    for key in ("min", "max", "mean", "std"):
        result[IMAGE][key] = np.reshape(result[IMAGE][key], (3, 1, 1)).tolist()
    return result


class _Sums:
    """Statistics of columns that come in parts."""

    count = 0

    def add(self, values: np.ndarray) -> None:
        values = values.astype(np.float64)
        parts = values.min(0), values.max(0), values.sum(0), np.square(values).sum(0)
        if self.count:
            low, high, total, squares = self._parts
            parts = (
                np.minimum(low, parts[0]),
                np.maximum(high, parts[1]),
                total + parts[2],
                squares + parts[3],
            )
        self._parts, self.count = parts, self.count + len(values)

    def result(self) -> dict:
        low, high, total, squares = self._parts
        mean = total / self.count
        std = np.sqrt(np.maximum(squares / self.count - mean**2, 0.0))
        named = {"min": low, "max": high, "mean": mean, "std": std}
        return {key: values.tolist() for key, values in named.items()} | {"count": [self.count]}
