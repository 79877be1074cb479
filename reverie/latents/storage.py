"""Encoded episodes on disk: one npz of flat arrays, written and read piece by piece."""

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reverie.artifacts import UNREADABLE, Damaged, InputError, Refusal, atomic_path
from reverie.games.actions import ActionCode
from reverie.hdf5 import open_hdf5
from reverie.headers import LatentsHeader, WeightsHeader, header_text, open_header
from reverie.networks import NETWORKS

FRAME_KEYS = ("mu", "logvar")  # one row a frame, T + 1 an episode; so have the `infos/...`
KINDS = {"mu": "f", "logvar": "f", "actions": "fiu", "rewards": "f"}  # of NumPy's types
KINDS |= {"terminations": "b", "truncations": "b"}
MEND = LatentsHeader.mend
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
        policy_index: which of `header.policies` played each episode, `(E,)`.
        batch_index: which of the encoded batches each episode is from, `(E,)`; zeros in files of
            earlier versions, which do not say it.
        header: what the file says of itself.
        code: how the actions enter the MDN-RNN.

    Raises:
        InputError: the file is missing, damaged, foreign, empty, holds NaN, or arrays that do not
            fit its header.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        _check_joined(self.path)
        self.header = open_header(path, LatentsHeader)
        try:
            self.arrays = _map_arrays(self.path)
            self.lengths = np.asarray(self.arrays.pop("episode_lengths"))
        except (zipfile.BadZipFile, struct.error, *UNREADABLE) as error:
            raise Damaged(f"{path}: damaged, or no file of latents ({error}); {MEND}") from error
        del self.arrays["header"]
        nothing = np.zeros(self.lengths.shape, np.int64)
        self.policy_index = np.asarray(self.arrays.pop("policy_index", nothing))
        self.batch_index = np.asarray(self.arrays.pop("batch_index", nothing))
        self.code = ActionCode.from_description(self.header.action_space)
        self._check(Refusal(self.path, MEND))
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

    def _check(self, fail: Refusal) -> None:
        lengths = self.lengths
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 1).any():
            fail("its episode_lengths are no positive whole numbers")
        if len(lengths) == 0:
            fail("holds no episodes")
        steps, frames = int(lengths.sum()), int(lengths.sum()) + len(lengths)
        for key, kinds in KINDS.items():
            rows = frames if key in FRAME_KEYS else steps
            if key not in self.arrays or self.arrays[key].shape[:1] != (rows,):
                fail(f"{key} does not have {rows} rows")
            if self.arrays[key].dtype.kind not in kinds:
                fail(f"{key} is of {self.arrays[key].dtype}")
        for key in ("rewards", "terminations", "truncations"):
            if self.arrays[key].ndim != 1:
                fail(f"{key} has shape {self.arrays[key].shape}, expected one number a step")
        for key in self.arrays.keys() - KINDS.keys():
            if self.arrays[key].shape[:1] != (frames,):
                fail(f"{key} does not have {frames} rows")
        for key in FRAME_KEYS:
            if self.arrays[key].shape != (frames, self.header.latent_size):
                fail(
                    f"{key} has shape {self.arrays[key].shape}, not {self.header.latent_size} wide"
                )
        self._check_policies(fail)
        self._check_values(fail)

    def _check_policies(self, fail: Refusal) -> None:
        played, count = self.policy_index, len(self.header.policies)
        if played.shape != self.lengths.shape or played.dtype.kind not in "iu":
            fail("policy_index does not say who played each episode")
        if (played < 0).any() or (played >= count).any():
            fail(f"policy_index names policies that the header does not list, it has {count}")
        if self.batch_index.shape != self.lengths.shape or self.batch_index.dtype.kind not in "iu":
            fail("batch_index does not say which batch each episode is from")

    def _check_values(self, fail: Refusal) -> None:
        """Look at all values, some rows at a time."""
        for key in (*FRAME_KEYS, "actions", "rewards"):
            for start in range(0, len(self.arrays[key]), BLOCK):
                block = self.arrays[key][start : start + BLOCK]
                if not np.isfinite(block).all():
                    fail(f"NaN or infinity in {key}")
                fault = self.code.fault(block) if key == "actions" else None
                if fault:
                    fail(f"{fault}, the space of its header")


def _check_joined(path: Path) -> None:
    """Tell latents that are still being encoded from latents that nobody has begun."""
    parts = [] if path.exists() else sorted(path.parent.glob(".parts_*/*.npz"))
    if parts:
        names = ", ".join(part.stem.rpartition("_")[0] for part in parts[:3])
        raise InputError(
            f"{path}: encoding is unfinished, {len(parts)} batches so far ({names}); let it end, "
            "or run 03_generate_rnn_data.py again, without --share when all shares are done"
        )


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


def merge_latents(parts: list[Path], played: list[int], path: Path, header: LatentsHeader) -> None:
    """Join parts into one npz, atomically, holding one array of one part in memory at a time.

    Args:
        parts: what `write_part` wrote.
        played: which of the header's policies played each of them.
        path: the npz; plain arrays, readable with `np.load` as well.
        header: what the file says of itself.
    """
    with np.load(parts[0]) as first:
        keys = first.files
    with (
        atomic_path(path, ".npz") as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        _write_member(archive, "header", iter([np.array(header_text(header))]), ())
        episodes = [_member_shape(part, "episode_lengths")[0] for part in parts]
        for key, values in (("policy_index", played), ("batch_index", range(len(parts)))):
            column = np.repeat(np.asarray(values, np.int64), episodes)
            _write_member(archive, key, iter([column]), column.shape)
        for key in keys:
            shapes = [_member_shape(part, key) for part in parts]
            rows = sum(shape[0] for shape in shapes)
            _write_member(archive, key, _members(parts, key), (rows, *shapes[0][1:]))


def load_first_frames(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return `mu` and `logvar` `(E, Z)` float32 of the episodes that an MDN-RNN was trained on.

    Args:
        path: weights of the MDN-RNN; dreams begin there.

    Raises:
        InputError: the file holds none, or NaN.
    """
    mend = NETWORKS["MDNRNN"].mend
    size = open_header(path, WeightsHeader, network="MDNRNN").config.get("latent_size", 64)
    with open_hdf5(path, "first frames of dreams", mend) as file:
        first = [file[f"arrays/first_{key}"][:].astype(np.float32) for key in FRAME_KEYS]
    for frames in first:
        if frames.shape != (len(first[0]), size) or not np.isfinite(frames).all():
            Refusal(path, mend)(f"its first frames are no numbers of {size} latents")
    return tuple(first)


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
    timeless = zipfile.ZipInfo(f"{key}.npy")  # so that the same data are the same file
    with archive.open(timeless, "w", force_zip64=True) as member:
        description = np.lib.format.dtype_to_descr(first.dtype)
        fields = {"descr": description, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(member, fields)
        member.write(first.tobytes())
        for array in arrays:
            member.write(np.ascontiguousarray(array).tobytes())
