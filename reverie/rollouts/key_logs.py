"""Logs of held keys beside pictures or a video, as others have recorded them."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from reverie.artifacts import InputError, read_json_lines

PUBLISHED = "samplelabels.json"  # of a folder of pictures
LINES = "keys.jsonl"  # of a folder of pictures; that of a video has the video's name
MEND = 'write a line a frame, e.g. {"keys": ["w", "space"]}'


def find_key_log(path: Path) -> Path | None:
    """Return the log of keys of a folder of pictures or of a video, None if there is none."""
    names = (path / LINES, path / PUBLISHED) if path.is_dir() else (path.with_suffix(".jsonl"),)
    return next((name for name in names if name.is_file()), None)


def read_key_log(path: Path, frames: int) -> list[tuple[str, ...]]:
    """Return the keys that were held in each of the steps between frames.

    Args:
        path: `samplelabels.json`, whose entry of picture k holds the keys just before that picture,
            that is those of the step from picture k - 1; or lines of JSON, one a frame, whose
            `keys` are those that were held when it was taken.
        frames: how many there are, T + 1.

    Returns:
        Names of keys in T steps.

    Raises:
        InputError: the log is damaged or does not fit the frames.
    """
    if path.name == PUBLISHED:
        held = _read_published(path, frames)
    else:
        held = [row.get("keys") for row in read_json_lines(path, MEND)]
        if len(held) not in (frames, frames - 1):
            raise InputError(
                f"{path}: {len(held)} lines for {frames} frames; there must be one for every "
                "frame, the last one excepted"
            )
    for number, keys in enumerate(held):
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise InputError(f"{path}: entry {number} has no list of keys; {MEND}")
    return [tuple(map(plain_name, keys)) for keys in held[: frames - 1]]


def _read_published(path: Path, frames: int) -> list:
    try:
        rows = {row["id"]: row["keys_pressed"] for row in json.loads(path.read_text())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged, or no list of id and keys_pressed ({error})") from error
    names = [f"{number}.png" for number in range(1, frames)]
    if missing := [name for name in names if name not in rows]:
        raise InputError(
            f"{path}: no entry of {missing[0]}; leave that picture out, and later ones"
        )
    return [rows[name] for name in names]


def plain_name(key: str) -> str:
    """Return our name of a key that pynput calls `'w'`, `Key.space` or `Key.shift_r`."""
    bare = key if len(key) < 3 else key.strip("'\"")
    return re.sub(r"^key\.", "", bare.lower())


def only(keys: Sequence[str], held: list[tuple[str, ...]], path: Path) -> list[tuple[str, ...]]:
    """Return the named keys of each step, and say which others were held."""
    others: dict[str, int] = {}
    for step in held:
        for key in set(step) - set(keys):
            others[key] = others.get(key, 0) + 1
    if others:
        counts = ", ".join(f"{key} in {count}" for key, count in sorted(others.items()))
        print(f"{path}: keys that are not among --keys are left out: {counts} steps")
    return [tuple(key for key in keys if key in step) for step in held]
