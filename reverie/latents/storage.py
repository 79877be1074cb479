"""Encoded episodes on disk: one npz of flat arrays, written and read piece by piece."""

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reverie.artifacts import UNREADABLE, InputError, atomic_path, require_file
from reverie.games.actions import ActionCode

SCHEMA = 1
FRAME_KEYS = ("mu", "logvar")  # one row a frame, T + 1 an episode; so have the `infos/...`
STEP_KEYS = ("actions", "rewards", "terminations", "truncations")  # one row a step, T an episode
MEND = "write it with: python 03_generate_rnn_data.py"
BLOCK = 1 << 20  # rows looked at together


class Latents:
    """The latents of many episodes, mapped from disk and not read into memory.

    Args:
        path: what `merge_latents` wrote.

    Attributes:
        arrays: `mu` and `logvar` `(N + E, Z)` float16 for N steps in E episodes, the final frame of
            each included; `actions` as they were recorded; `rewards`, `terminations`,
            `truncations` `(N,)`; `infos/...` `(N + E, ...)`.
        lengths: steps of each episode, `(E,)`.
        header: game, latent size, hash of the VAE, action space.
        code: how the actions enter the MDN-RNN.

    Raises:
        InputError: the file is missing, damaged, foreign, empty or holds NaN.
    """

    def __init__(self, path: Path) -> None:
        self.path = require_file(path, "latents", MEND)
        try:
            self.arrays = _map_arrays(path)
            self.header = json.loads(str(self.arrays.pop("header")))
            self.lengths = np.asarray(self.arrays.pop("episode_lengths"))
            self.code = ActionCode.from_description(self.header["action_space"])
        except (zipfile.BadZipFile, struct.error, *UNREADABLE) as error:
            raise InputError(f"{path}: damaged, or no file of latents ({error}); {MEND}") from error
        self._check()
        self.step_starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.frame_starts = self.step_starts + np.arange(len(self.lengths) + 1)

    @property
    def latent_size(self) -> int:
        """Latent dimensions Z."""
        return self.arrays["mu"].shape[1]

    @property
    def action_size(self) -> int:
        """Numbers in the code of an action A."""
        return self.code.size

    def first_frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return `mu` and `logvar` `(E, Z)` float32 of the episodes' first frames."""
        first = self.frame_starts[:-1]
        return tuple(np.asarray(self.arrays[key][first], np.float32) for key in FRAME_KEYS)

    def reward_scale(self) -> float:
        """Return the standard deviation of the rewards, 1 where they are all alike."""
        rewards = self.arrays["rewards"]
        mean = rewards.mean(dtype=np.float64)
        blocks = (rewards[start : start + BLOCK] for start in range(0, len(rewards), BLOCK))
        variance = sum(float(np.square(block - mean).sum()) for block in blocks) / len(rewards)
        return float(np.sqrt(variance)) or 1.0

    def end_rate(self) -> float:
        """Return the share of steps that end the game, half an end more than there are: above 0."""
        ends = self.arrays["terminations"]
        return (int(ends.sum()) + 0.5) / (len(ends) + 1)

    def _check(self) -> None:
        steps, episodes = int(self.lengths.sum()), len(self.lengths)
        if episodes == 0 or steps == 0:
            raise InputError(f"{self.path}: holds no episodes; {MEND}")
        for key in (*FRAME_KEYS, *STEP_KEYS):
            rows = steps + episodes if key in FRAME_KEYS else steps
            if key not in self.arrays or len(self.arrays[key]) != rows:
                raise InputError(f"{self.path}: {key} does not have {rows} rows; {MEND}")
        for key in (*FRAME_KEYS, "actions", "rewards"):
            for start in range(0, len(self.arrays[key]), BLOCK):
                if not np.isfinite(self.arrays[key][start : start + BLOCK]).all():
                    raise InputError(f"{self.path}: NaN or infinity in {key}; {MEND}")


def _map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Map the uncompressed members of an npz into memory; `np.load` would read them whole."""
    arrays = {}
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for member in archive.infolist():
            file.seek(member.header_offset + 26)  # lengths of name and extra field, zip's 4.3.7
            name_length, extra_length = struct.unpack("<HH", file.read(4))
            file.seek(name_length + extra_length, 1)
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                version, np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read(file)
            if dtype.hasobject or fortran or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename} is not a plain array")
            end = file.tell() + int(np.prod(shape)) * dtype.itemsize
            if end > path.stat().st_size:
                raise ValueError(f"{member.filename} is cut off")
            key = member.filename.removesuffix(".npy")
            arrays[key] = _map(path, dtype, file.tell(), shape)
    return arrays


def _map(path: Path, dtype: np.dtype, offset: int, shape: tuple) -> np.ndarray:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def write_part(path: Path, arrays: dict[str, np.ndarray], lengths: np.ndarray) -> None:
    """Write the latents of one batch, atomically."""
    with atomic_path(path, ".npz") as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for key, values in {"episode_lengths": lengths, **arrays}.items():
            _write_member(archive, key, iter([values]), values.shape)


def merge_latents(parts: list[Path], path: Path, header: dict) -> None:
    """Join parts into one npz, atomically, holding one array of one part in memory at a time.

    Args:
        parts: what `write_part` wrote.
        path: the npz; plain arrays, readable with `np.load` as well.
        header: game, latent size, hash of the VAE, action space.
    """
    with np.load(parts[0]) as first:
        keys = first.files
    text = json.dumps({"schema": SCHEMA} | header)
    with (
        atomic_path(path, ".npz") as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        _write_member(archive, "header", iter([np.array(text)]), ())
        for key in keys:
            shapes = [_member_shape(part, key) for part in parts]
            rows = sum(shape[0] for shape in shapes)
            _write_member(archive, key, _members(parts, key), (rows, *shapes[0][1:]))


def _members(parts: list[Path], key: str) -> Iterator[np.ndarray]:
    for part in parts:
        with np.load(part) as arrays:
            yield arrays[key]


def _member_shape(part: Path, key: str) -> tuple:
    return _map_arrays(part)[key].shape


def _write_member(
    archive: zipfile.ZipFile, key: str, arrays: Iterator[np.ndarray], shape: tuple
) -> None:
    first = next(arrays)
    with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
        description = np.lib.format.dtype_to_descr(first.dtype)
        fields = {"descr": description, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(member, fields)
        member.write(first.tobytes())
        for array in arrays:
            member.write(np.ascontiguousarray(array).tobytes())
