"""What identifies rollouts: their content, whatever their names, their times and their machine."""

import contextlib
import hashlib
import json
import zlib
from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, write_json
from reverie.hdf5 import open_hdf5
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.storage import AGREED, CHUNK
from reverie.stage import progress

KNOWN = ".identities.json"  # beside the batches, so that they are read once and not by every stage
SAID = ("game", "env_version", "policy", "options", *AGREED)


def rollouts_identity(paths: list[Path]) -> dict[str, str]:
    """Return what identifies batches of rollouts, by the names of their files.

    It is a hash over what the header says of the game and over all that was recorded. As that means
    to read the whole batch, the hashes are kept in `.identities.json` beside the batches, where the
    folder can be written to, and hold as long as a file keeps its size and its time.

    Args:
        paths: checked batches.

    Returns:
        16 hexadecimal digits for each.
    """
    found, known = {}, {folder: _read_known(folder) for folder in {path.parent for path in paths}}
    for path in progress(paths, desc="identity"):
        stamp = [path.stat().st_size, path.stat().st_mtime_ns]
        entry = known[path.parent].get(path.name, {})
        if entry.get("stamp") != stamp:
            entry = {"stamp": stamp, "identity": _content_hash(path)}
            _keep(path.parent, known[path.parent] | {path.name: entry})
            known[path.parent][path.name] = entry
        found[path.name] = entry["identity"]
    return found


def _read_known(folder: Path) -> dict[str, dict]:
    """Return what was found out earlier, nothing where the file is not as it should be."""
    try:
        known = json.loads((folder / KNOWN).read_text())
        return {name: entry for name, entry in known.items() if isinstance(entry["identity"], str)}
    except UNREADABLE:
        return {}


def _keep(folder: Path, known: dict[str, dict]) -> None:
    """Keep what was found out; in a folder that others own every stage finds it out anew."""
    with contextlib.suppress(OSError):
        write_json(folder / KNOWN, known)


def _content_hash(path: Path) -> str:
    header = open_header(path, RolloutsHeader)
    said = {name: getattr(header, name) for name in SAID}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    with open_hdf5(path, header.title, header.mend) as file:
        for name in sorted(file):
            digest.update(f"{name} {file[name].attrs.get('seed')}".encode())
            file[name].visititems(lambda name, item: digest.update(_sum(name, item)))
    return digest.hexdigest()[:16]


def _sum(name: str, item: h5py.Dataset | h5py.Group) -> bytes:
    """Return name, type, shape and checksum of a dataset, read a few frames at a time."""
    if not isinstance(item, h5py.Dataset) or item.shape == ():
        return name.encode()
    total = 0
    for start in range(0, len(item), CHUNK):
        total = zlib.crc32(np.ascontiguousarray(item[start : start + CHUNK]).data, total)
    return f"{name} {item.dtype} {item.shape} {total}".encode()
