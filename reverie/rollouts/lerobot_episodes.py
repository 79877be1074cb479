"""Episodes of a LeRobot dataset, version 3.0, whoever wrote it, one in memory at a time.

A dataset has no frame after an episode's last action: the last frame stands again for it. Ends are
those of `next.done`; it ended the game where `next.truncated`, which `to_lerobot` writes, does not
say otherwise. An episode without a `next.done` is truncated, and one without `next.reward` has
rewards of zero.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, reading
from reverie.rollouts.foreign import Target, checked_actions, resized
from reverie.rollouts.lerobot_dataset import IMAGE, VERSION, import_lerobot
from reverie.rollouts.storage import Episode

INFO = "meta/info.json"
TABLES = "meta/episodes/*/*.parquet"
ROW = ("episode_index", "length", "data/chunk_index", "data/file_index")
TITLE, MEND = "part of a LeRobot dataset", "fetch the dataset anew"
CLIP = ("chunk_index", "file_index", "from_timestamp")


@dataclass(frozen=True)
class Place:
    """Where an episode lies.

    Attributes:
        number: of the episode.
        steps: how many it has.
        data: the parquet file with its rows.
        video: the file with its frames.
        start: of its first frame in the video, in seconds.
    """

    number: int
    steps: int
    data: Path
    video: Path
    start: float


class LeRobotDataset:
    """A dataset in a folder.

    Args:
        folder: that holds `meta/info.json`.

    Attributes:
        fps: frames a second.
        shape: of the frames, `(rows, columns, 3)`.
        robot: who acted; `to_lerobot` writes the game's name.

    Raises:
        InputError: the dataset is damaged, of another version, or has no video.
    """

    def __init__(self, folder: Path) -> None:
        _, self._parquet, self._av = import_lerobot()
        self.folder = folder
        with reading(folder / INFO, TITLE, MEND):
            info = json.loads((folder / INFO).read_text())
            version, features = info["codebase_version"], info["features"]
            self.fps, self.robot = float(info["fps"]), info.get("robot_type")
            self._paths = info["data_path"], info.get("video_path")
            videos = [name for name, about in features.items() if about["dtype"] == "video"]
        if version != VERSION:
            raise InputError(
                f"{folder}: a LeRobot dataset {version}, {VERSION} is read; convert it with "
                "LeRobot's own converter"
            )
        if not videos:
            raise InputError(
                f"{folder}: no feature of dtype video in {INFO}, so there are no frames"
            )
        self.camera = IMAGE if IMAGE in videos else min(videos)
        self.shape = tuple(features[self.camera]["shape"])

    def places(self) -> list[Place]:
        """Return where each episode lies, in their order.

        Raises:
            InputError: there are none, or a file is missing.
        """
        keys = [*ROW, *(f"videos/{self.camera}/{name}" for name in CLIP)]
        rows = []
        for path in sorted(self.folder.glob(TABLES)):
            with reading(path, TITLE, MEND):
                rows += self._parquet.read_table(path, columns=keys).to_pylist()
        if not rows:
            raise InputError(f"{self.folder}: no episodes in {TABLES}; {MEND}")
        places = [self._place(*(row[key] for key in keys)) for row in rows]
        for place in places:
            for path in (place.data, place.video):
                if not path.is_file():
                    raise InputError(f"{path}: missing; {MEND}")
        return sorted(places, key=lambda place: place.number)

    def _place(
        self, number: int, steps: int, chunk: int, file: int, clip: int, part: int, start: float
    ) -> Place:
        data, video = self._paths
        return Place(
            number,
            steps,
            self.folder / data.format(chunk_index=chunk, file_index=file),
            self.folder / video.format(video_key=self.camera, chunk_index=clip, file_index=part),
            start,
        )

    def read(self, place: Place, target: Target) -> Episode:
        """Read one episode.

        Raises:
            InputError: it is damaged, its lengths do not match, or an action lies outside the
                game's space.
        """
        columns = self._columns(place)
        source = Path(f"{place.data} (episode {place.number})")
        steps = place.steps
        frames = [resized(frame, target) for frame in self._frames(place)]
        if len(frames) != steps or len(columns["action"]) != steps or steps < 1:
            raise InputError(
                f"{source}: {len(frames)} frames in {place.video.name} and "
                f"{len(columns['action'])} rows for {steps} steps; {MEND}"
            )
        nothing, last = np.zeros(steps), np.arange(steps) == steps - 1
        done = bool(columns.get("next.done", nothing)[-1])
        cut = bool(columns.get("next.truncated", nothing)[-1])
        return Episode(
            seed=place.number,
            observations=np.stack([*frames, frames[-1]]),
            actions=checked_actions(source, columns["action"], target.space),
            rewards=np.float32(columns.get("next.reward", nothing)).reshape(steps),
            terminations=last & (done and not cut),
            truncations=last & (cut or not done),
        )

    def _columns(self, place: Place) -> dict[str, np.ndarray]:
        wanted = ["action", "next.reward", "next.done", "next.truncated"]
        with reading(place.data, TITLE, MEND):
            there = self._parquet.read_schema(place.data).names
            table = self._parquet.read_table(
                place.data,
                columns=[name for name in wanted if name in there],
                filters=[("episode_index", "=", place.number)],
            )
            return {name: np.array(table[name].to_pylist()) for name in table.column_names}

    def _frames(self, place: Place) -> Iterator[np.ndarray]:
        """Decode an episode's frames, from the key frame before its first one on."""
        early = place.start - 0.5 / self.fps
        left = place.steps
        with reading(place.video, TITLE, MEND), self._av.open(str(place.video)) as container:
            stream = container.streams.video[0]
            container.seek(int(max(early, 0.0) / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time >= early and left:
                    left -= 1
                    yield frame.to_ndarray(format="rgb24")
                if not left:
                    return
