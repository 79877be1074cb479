"""Recordings that others have made, as episodes: npz files, folders of pictures, videos.

Each source is one file or folder an episode. What they do not tell is not made up: where rewards
are missing they are zero, and an episode whose end is not recorded is truncated.
"""

import csv
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import gymnasium
import numpy as np

from reverie.artifacts import UNREADABLE, InputError
from reverie.games.actions import ActionCode
from reverie.rollouts.key_logs import find_key_log, only, read_key_log
from reverie.rollouts.screen_pairing import GAME, actions_of
from reverie.rollouts.storage import Episode

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov")
LOG = "actions.csv"  # of a folder of pictures; that of a video has the video's name


@dataclass(frozen=True)
class Target:
    """What recordings become.

    Attributes:
        game: its name.
        space: of its actions.
        shape: of its frames.
        options: of the game.
    """

    game: str
    space: gymnasium.Space
    shape: tuple[int, int, int]
    options: dict = field(default_factory=dict)


def find_sources(folder: Path) -> list[Path]:
    """Return the recordings of a folder: npz files, videos, or folders of pictures.

    Raises:
        InputError: there are none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one with npz files, videos or pictures")
    for found in (
        sorted(folder.glob("*.npz")),
        sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEOS),
        sorted(path for path in folder.iterdir() if path.is_dir() and _pictures(path)),
        [folder] if _pictures(folder) else [],
    ):
        if found:
            return found
    raise InputError(
        f"{folder}: no Minari dataset, npz files, videos ({', '.join(VIDEOS)}) or "
        f"folders of pictures ({', '.join(PICTURES)}) in it"
    )


def _pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of their names, numbers by their value."""
    found = (path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    return sorted(found, key=lambda path: [(len(n), n) for n in re.findall(r"\d+|\D+", path.name)])


def read_foreign(path: Path, target: Target) -> Episode:
    """Read one recording.

    Raises:
        InputError: it cannot be used; the message says why.
    """
    if path.suffix == ".npz":
        return _read_npz(path, target)
    log = path / LOG if path.is_dir() else path.with_suffix(".csv")
    keys = find_key_log(path) if target.game == GAME else None
    if not log.is_file() and not keys:
        raise InputError(f"{path}: no actions beside it; write them to {log}, a line a step")
    frames = _read_pictures(path, target) if path.is_dir() else _read_video(path, target)
    return _from_keys(path, keys, frames, target) if keys else _from_log(path, log, frames, target)


def _from_keys(path: Path, log: Path, frames: np.ndarray, target: Target) -> Episode:
    """Join frames and a log of held keys."""
    if len(frames) < 2:
        raise InputError(f"{path}: a single frame; there must be one before and after each step")
    held = only(target.options["keys"].split(","), read_key_log(log, len(frames)), log)
    actions = actions_of(held, target.options)
    return _episode(path, frames, actions, np.zeros(len(actions)), False, target)


def _read_npz(path: Path, target: Target) -> Episode:
    """Read a file of one of the usual World Models repositories.

    `obs` and `action` (hardmaru, zacwellmer, AppliedDataSciencePartners): each frame stands before
    its action. `observations` and `actions` (ctallec): each stands after it, and the very first
    frame was not recorded.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    except (*UNREADABLE, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: damaged, or no npz of plain arrays ({error})") from error
    if {"obs", "action"} <= arrays.keys():
        return _frames_first(path, arrays, target)
    if {"observations", "actions", "terminals"} <= arrays.keys():
        return _actions_first(path, arrays, target)
    raise InputError(
        f"{path}: holds {', '.join(arrays) or 'nothing'}; expected obs and action, or "
        "observations, actions and terminals"
    )


def _frames_first(path: Path, arrays: Mapping[str, np.ndarray], target: Target) -> Episode:
    frames, actions = arrays["obs"], arrays["action"]
    _same_length(path, len(frames), len(actions))
    rewards = arrays.get("reward", np.zeros(len(actions)))
    ended = bool(np.ravel(arrays.get("done", [False]))[-1])
    if ended:  # what the last action led to was not recorded: its frame stands again
        frames = np.concatenate([frames, frames[-1:]])
    else:
        actions, rewards = actions[:-1], rewards[:-1]
    return _episode(path, _small(frames, target), _own(actions, target), rewards, ended, target)


def _actions_first(path: Path, arrays: Mapping[str, np.ndarray], target: Target) -> Episode:
    frames = arrays["observations"]
    actions = arrays["actions"][: len(frames)]
    _same_length(path, len(frames), len(actions))
    ended = bool(arrays["terminals"][-1])
    rewards = arrays.get("rewards", np.zeros(len(frames)))[1:]
    actions = _own(actions[1:], target)
    return _episode(path, _small(frames, target), actions, rewards, ended, target)


def _same_length(path: Path, frames: int, actions: int) -> None:
    if frames != actions or frames < 2:
        raise InputError(f"{path}: {frames} frames for {actions} actions; they must be as many")


def _own(actions: np.ndarray, target: Target) -> np.ndarray:
    """Turn gymnasium's gas of 0 to 1 into ours of -1 to 1."""
    actions = np.asarray(actions)
    if target.game != "carracing" or actions.ndim != 2 or actions.shape[1] != 3:
        return actions
    return np.stack([actions[:, 0], 2.0 * actions[:, 1] - 1.0, actions[:, 2]], axis=1)


def _small(frames: np.ndarray, target: Target) -> np.ndarray:
    """Turn frames of any size, of bytes or of numbers in [0, 1], into those of the game."""
    if frames.dtype != np.uint8:
        frames = np.clip(np.rint(255.0 * frames), 0, 255).astype(np.uint8)
    return np.stack([resized(frame, target) for frame in frames])


def resized(frame: np.ndarray, target: Target) -> np.ndarray:
    """Return a frame in the size of the game's, averaged over areas."""
    rows, columns, _ = target.shape
    if frame.shape == target.shape:
        return frame
    return cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA)


def _read_pictures(folder: Path, target: Target) -> np.ndarray:
    frames = []
    for path in _pictures(folder):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError(f"{path}: damaged, or no picture")
        frames.append(resized(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), target))
    return np.stack(frames)


def _read_video(path: Path, target: Target) -> np.ndarray:
    """Read a video's frames, resized as they come: only small ones are kept."""
    frames = [resized(frame, target) for frame in _frames(path)]
    if not frames:
        raise InputError(f"{path}: damaged, or no video that OpenCV reads")
    return np.stack(frames)


def _frames(path: Path) -> Iterator[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    try:
        while True:
            there, frame = video.read()
            if not there:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        video.release()


def _from_log(path: Path, log: Path, frames: np.ndarray, target: Target) -> Episode:
    """Join frames and a log with columns `action` or `action_0` on, `reward`, `terminated`."""
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else ()) if name.split("_")[0] == "action"]
    if not names:
        raise InputError(f"{log}: no column action, or action_0, action_1 and so on")
    if len(rows) not in (len(frames), len(frames) - 1) or len(frames) < 2:
        raise InputError(
            f"{path}: {len(frames)} frames, but {len(rows)} actions in {log}; there must be a "
            "frame before every action, and may be one after the last"
        )
    rows = rows[: len(frames) - 1]
    try:
        actions = np.array([[float(row[name]) for name in names] for row in rows])
        rewards = np.array([float(row.get("reward") or 0.0) for row in rows])
        ended = bool(float(rows[-1].get("terminated") or 0))
    except (TypeError, ValueError) as error:
        raise InputError(f"{log}: a field is no number ({error})") from error
    return _episode(path, frames, actions, rewards, ended, target)


def _episode(
    path: Path,
    frames: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    ended: bool,
    target: Target,
) -> Episode:
    last = np.arange(len(actions)) == len(actions) - 1
    if len(rewards) != len(actions):
        raise InputError(f"{path}: {len(rewards)} rewards for {len(actions)} actions")
    return Episode(
        seed=0,
        observations=frames,
        actions=checked_actions(path, actions, target.space),
        rewards=np.asarray(rewards, np.float32).reshape(len(actions)),
        terminations=last & ended,
        truncations=last & (not ended),
    )


def checked_actions(path: Path, actions: np.ndarray, space: gymnasium.Space) -> np.ndarray:
    """Return actions of a space's own type.

    Raises:
        InputError: one lies outside.
    """
    code = ActionCode.from_space(space)
    shape = (len(actions),) if code.scalar else (len(actions), *space.shape)
    if actions.size != np.prod(shape):
        raise InputError(f"{path}: actions {actions.shape}, expected {shape} for {space}")
    actions = actions.reshape(shape)
    typed = actions.astype(np.int64 if code.choices else np.float32)
    for step, (action, given) in enumerate(zip(typed, actions)):
        if not space.contains(action) or (code.choices and (action != given).any()):
            raise InputError(f"{path}: action {given} of step {step} lies outside {space}")
    return typed
