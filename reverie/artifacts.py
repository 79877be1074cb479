"""Files that stages hand to each other: written whole or not at all, and identified by a hash."""

import contextlib
import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from reverie.processes import Process
from reverie.runs import CONFIG

# What h5py, NumPy and json raise for a file that is damaged or holds something else.
UNREADABLE = (OSError, AttributeError, KeyError, RuntimeError, TypeError, ValueError)
LOCKED = (errno.EAGAIN, errno.EWOULDBLOCK)
FORBIDDEN = (errno.EACCES, errno.EPERM)
BROKEN = (errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ENXIO)
MARKED = "h5clear"  # HDF5 names it where a file carries the mark of a writer, and gives no errno
FORGOTTEN = 24 * 3600.0  # seconds after which an unfinished file of another machine is nobody's
PACKAGES = ("keras", "tensorflow", "numpy", "gymnasium", "vizdoom", "cma", "h5py")


class InputError(Exception):
    """Something the user handed over cannot be used.

    The message is one line that names the file or flag, what is wrong with it and what mends it.
    """


class Damaged(InputError):
    """A file is cut off or holds something else: to write it anew would mend it.

    A file that is locked, forbidden, on a failing disk, or of another game is not damaged.
    """


class Refusal:
    """Says what is wrong with a file, and what mends it."""

    def __init__(self, path: Path, mend: str) -> None:
        self.path, self.mend = path, mend

    def __call__(self, fault: str) -> NoReturn:
        """Raise an `InputError` of one line."""
        raise InputError(f"{self.path}: {fault}; {self.mend}")


@contextlib.contextmanager
def atomic_path(path: Path, suffix: str = ".tmp", durable: bool = True) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it becomes `path`, otherwise it is removed.

    The file is flushed to the disk before it is renamed, so a reader never sees half of it, not
    even after a power cut.

    The temporary name says which process writes it, see `remove_unfinished`.

    Args:
        path: the final name; its folder is created.
        suffix: how the temporary name ends, for writers that insist on an extension.
        durable: wait for the disk. Without it a killed process still leaves whole files, but a
            power cut may leave some cut off.

    Raises:
        OSError: the folder cannot be written to or the disk is full; `path` is as it was before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{Process.current()}."
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            _flush_to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
        if durable:
            _flush_to_disk(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # h5py does not say it
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder and in the folders in it.

    A file is left by the dead if its writer ran on this machine and has ended, or if it was
    written on another machine and has not changed for a day.
    """
    for path in [*Path(folder).glob(".*"), *Path(folder).glob("*/.*")]:
        with contextlib.suppress(FileNotFoundError):  # another process removes them as well
            if _is_unfinished(path):
                path.unlink()


def _is_unfinished(path: Path) -> bool:
    match = re.fullmatch(r"\..+\.([\w-]+~\d+~\d+)\.\w{8}(\.\w+)*", path.name)
    writer = Process.parse(match[1]) if match else None
    if writer is None:
        return False
    if writer.is_here:
        return not writer.is_alive
    return time.time() - path.stat().st_mtime > FORGOTTEN


def _flush_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=2, default=_plain) + "\n")


def write_json_lines(path: Path, rows: list[dict]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(row, default=_plain) + "\n" for row in rows))


def read_json(path: Path, mend: str, *names: str) -> dict:
    """Read a table from a JSON file.

    Args:
        path: the file.
        mend: the command that writes it anew, for the message.
        names: what must be in it.

    Raises:
        InputError: it is missing, not JSON, or lacks one of the names.
    """
    require_file(path, "results", mend)
    try:
        table = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error}); {mend}") from error
    missing = [name for name in names if not isinstance(table, dict) or name not in table]
    if missing or not isinstance(table, dict):
        raise InputError(f"{path}: does not hold {' or '.join(missing) or 'a table'}; {mend}")
    return table


def read_json_lines(path: Path, mend: str) -> list[dict]:
    """Read what `write_json_lines` wrote.

    Args:
        path: the file.
        mend: the command that writes it anew, for the message.

    Raises:
        InputError: it is missing, or a line is not a table of JSON.
    """
    require_file(path, "log", mend)
    rows = []
    for number, line in enumerate(Path(path).read_text(errors="replace").splitlines(), 1):
        try:
            rows.append(dict(json.loads(line)))
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: line {number} is damaged ({error}); {mend}") from error
    return rows


def _plain(value: Any) -> Any:
    """Turn NumPy scalars, arrays and paths into what JSON knows."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def file_hash(path: Path) -> str:
    """Return the first 16 hex digits of the file's SHA-256, enough to tell artifacts apart."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def require_file(path: Path, what: str, mend: str) -> Path:
    """Return `path` if it is a file.

    Raises:
        InputError: it is not there; the message says `what` is missing and which command mends it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no {what} there; {mend}")
    return path


@contextlib.contextmanager
def reading(path: Path, title: str, mend: str) -> Iterator[None]:
    """Tell apart what goes wrong when the block reads a file.

    Args:
        path: the file.
        title: what it should be, with its article if it has one.
        mend: the command that writes it anew, for the message.

    Raises:
        InputError: the file is missing, locked by a process that writes it, not to be read by this
            user, or on a disk that fails.
        Damaged: it is cut off, or what the block looks for is not as it should be.
    """
    require_file(path, bare(title), mend)
    try:
        yield
    except (*UNREADABLE, EOFError, zipfile.BadZipFile) as error:
        number = getattr(error, "errno", None)
        if number in LOCKED:
            fault = "another process has it open to write; wait until that is done"
        elif number in FORBIDDEN:
            fault = "no permission to read it; change its mode, or run as its owner"
        elif number in BROKEN:
            fault = f"the disk does not give it ({error}); try again, or copy it from elsewhere"
        elif MARKED in str(error):
            fault = (
                "marked as open to write; wait for its writer, or if that was killed, clear the "
                f"mark with HDF5's own tool: h5clear -s {path}"
            )
        else:
            raise Damaged(f"{path}: damaged, or not {title} ({error}); {mend}") from error
        raise InputError(f"{path}: {fault}") from error


def bare(title: str) -> str:
    """Return a title without its article."""
    return title.removeprefix("a ").removeprefix("an ")


def write_config(
    folder: Path,
    arguments: dict,
    inputs: dict[str, Path],
    hashes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write `config.json` of a run: what was run, with which versions, on which inputs.

    Args:
        folder: the run folder.
        arguments: the stage's parsed flags.
        inputs: files that decide the result; their hashes are kept.
        hashes: those that are known already, by the name of the input.
    """
    found = {name: hashes.get(name) or file_hash(path) for name, path in inputs.items()}
    config = {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "arguments": arguments,
        "inputs": {name: {"path": path, "hash": found[name]} for name, path in inputs.items()},
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "git_revision": _git_revision(),
    }
    write_json(Path(folder) / CONFIG, config)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():  # installed, perhaps inside somebody's own repository
        return None
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True
        )
    except OSError:
        return None
    return result.stdout.strip() or None
