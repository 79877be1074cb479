"""One writer at a time: a lock file that says whose a folder is.

It works on file systems that several machines share. The file is made by one call that fails if it
is there. Its owner touches it every few seconds, so a lock whose owner was killed is known: on the
owner's machine at once, elsewhere when nobody has touched it for two minutes.
"""

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reverie.artifacts import InputError, remove_unfinished
from reverie.processes import Process
from reverie.stage import stop_signal

NAME = ".lock"
BEAT = 10.0  # seconds between two touches
STALE = 120.0  # seconds without a touch after which the owner, on another machine, is dead


@dataclass(frozen=True)
class Lock:
    """What a lock file says.

    Attributes:
        process: its owner, None if the file is empty or damaged.
        since: when it was taken, as text.
        command: what the owner runs.
        touched: time of the last touch, by the clock of the file system.
    """

    process: Process | None
    since: str
    command: str
    touched: float

    @classmethod
    def read(cls, path: Path) -> "Lock | None":
        """Read a lock file, None if there is none; opening it asks a server for the present one."""
        try:
            with open(path) as file:
                text, touched = file.read(), os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            return None
        try:
            values = json.loads(text)
            process = Process.parse(values["process"])
            return cls(process, str(values["since"]), str(values["command"]), touched)
        except (ValueError, KeyError, TypeError):
            return cls(None, "a time unknown", "unknown", touched)


@contextlib.contextmanager
def owned(folder: Path, beat: float = BEAT, stale: float = STALE) -> Iterator[None]:
    """Be the only process that writes into a folder inside the block.

    What killed writers have left unfinished in the folder is removed. A process may own a folder
    more than once.

    Args:
        folder: created if it is not there.
        beat: seconds between two touches of the lock.
        stale: seconds without a touch after which an owner on another machine is dead.

    Raises:
        InputError: another process owns the folder; the message says which.
        OSError: the folder cannot be written to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path, ours = folder / NAME, Process.current()
    lock = Lock.read(path)
    if lock and lock.process == ours:
        yield
        return
    _acquire(path, ours, stale)
    over = threading.Event()
    toucher = threading.Thread(target=_keep_touching, args=(path, ours, over, beat), daemon=True)
    toucher.start()
    try:
        remove_unfinished(folder)
        yield
    finally:
        over.set()
        toucher.join()
        lock = Lock.read(path)
        if lock and lock.process == ours:
            path.unlink(missing_ok=True)


def _acquire(path: Path, ours: Process, stale: float) -> None:
    """Create the lock file, in the place of one whose owner is dead if need be.

    An owner on another machine is alive if it touches the file while we watch.
    """
    first: Lock | None = None
    while not _create(path, ours):
        lock = Lock.read(path)
        if lock is None:
            continue
        first = first if first and first.process == lock.process else lock
        if _is_alive(lock) or lock.touched != first.touched:
            raise InputError(_refusal(path.parent, lock))
        if _is_dead(path, lock, stale):
            _remove(path, lock, ours, stale)
            continue
        if lock is first:
            print(f"{path}: its owner is on another machine; waiting for a sign of life")
        time.sleep(min(1.0, stale / 4))
        stop_signal.check()


def _is_alive(lock: Lock) -> bool:
    return lock.process is not None and lock.process.is_alive


def _is_dead(path: Path, lock: Lock, stale: float) -> bool:
    if lock.process is not None and lock.process.is_here:
        return not lock.process.is_alive
    return _now(path.parent) - lock.touched > stale


def _now(folder: Path) -> float:
    """Return the time by the clock of the file system that a folder lies on."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def _create(path: Path, ours: Process) -> bool:
    """Create a lock file; tell whether it was not there."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with open(handle, "w") as file:
        json.dump({"process": str(ours), "since": since, "command": command}, file)
    return True


def _remove(path: Path, lock: Lock, ours: Process, stale: float) -> None:
    """Remove the lock of a dead process, and never one that was made since it was read.

    Whoever removes it holds a lock of its own, named after the dead, while looking once more.
    """
    claim = path.with_name(f"{path.name}.{lock.process or 'unknown'}")
    if not _create(claim, ours):
        earlier = Lock.read(claim)
        if earlier and not _is_alive(earlier) and _is_dead(claim, earlier, stale):
            claim.unlink(missing_ok=True)
        time.sleep(min(0.1, stale / 4))
        return
    try:
        again = Lock.read(path)
        if again and (again.process, again.touched) == (lock.process, lock.touched):
            path.unlink(missing_ok=True)
    finally:
        claim.unlink(missing_ok=True)


def _keep_touching(path: Path, ours: Process, over: threading.Event, beat: float) -> None:
    while not over.wait(beat):
        with contextlib.suppress(OSError):
            lock = Lock.read(path)
            if lock and lock.process == ours:
                os.utime(path)


def _refusal(folder: Path, lock: Lock) -> str:
    owner = lock.process
    who = f"process {owner.pid} on {owner.host}" if owner else "another process"
    return (
        f"{folder}: {who} has been writing here since {lock.since} ({lock.command}); wait until it "
        "has ended, or choose another folder"
    )
