"""Which process a file belongs to, and whether that process is still alive."""

import functools
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

START = 21  # the field of /proc/<pid>/stat, counted from 0, that holds the time of the start
FIRST_NAMESPACE = 0xEFFFFFFC  # what Linux numbers the namespace of processes outside containers


@dataclass(frozen=True)
class Process:
    """A process of some machine.

    Attributes:
        host: name of the machine, and of the container if process numbers are its own.
        pid: number of the process.
        start: when it started, in clock ticks after the machine's start: numbers are used again.
    """

    host: str
    pid: int
    start: int

    @classmethod
    def current(cls) -> "Process":
        """Return the process that asks."""
        return cls(_host(), os.getpid(), _started(os.getpid()))

    @classmethod
    def parse(cls, text: str) -> "Process | None":
        """Return what `str` wrote, None if it is something else."""
        match = re.fullmatch(r"([\w-]+)~(\d+)~(\d+)", text)
        return cls(match[1], int(match[2]), int(match[3])) if match else None

    def __str__(self) -> str:
        return f"{self.host}~{self.pid}~{self.start}"

    @property
    def is_here(self) -> bool:
        """Whether this machine can see the process."""
        return self.host == _host()

    @property
    def is_alive(self) -> bool:
        """Whether the process, one of this machine, is still running."""
        return self.is_here and (self.start == _started(self.pid) or _is_hidden(self.pid))


@functools.cache
def _host() -> str:
    name = re.sub(r"[^\w-]", "-", socket.gethostname())[:40]
    namespace = os.stat("/proc/self/ns/pid").st_ino
    return name if namespace == FIRST_NAMESPACE else f"{name}-{namespace}"


def _started(pid: int) -> int:
    """Return the ticks at which a process started, -1 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in "ZX" else int(fields[START - 2])


def _is_hidden(pid: int) -> bool:
    """Tell whether there is a process of another user that this machine does not show us."""
    if Path(f"/proc/{pid}").exists():
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False
