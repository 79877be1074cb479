"""The conduct that every numbered script shares: exit codes, signals, progress, last words."""

import contextlib
import errno
import functools
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

from reverie.artifacts import InputError

EXIT_BAD_INPUT = 2
EXIT_REQUEUE = 75  # EX_TEMPFAIL of sysexits.h: a scheduler may run the same command again
UNWRITABLE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),  # no room
    *(errno.EROFS, errno.EACCES, errno.EPERM),  # no permission
    *(errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG),  # no folder
    *(errno.EIO, errno.ESTALE),  # a disk that fails
)


class Stopped(Exception):
    """The stage cannot go on for now, and everything worth keeping has been saved.

    The message says why; without one a signal asked it to stop.
    """


class StopSignal:
    """Remembers that SIGTERM or SIGUSR1 arrived, for loops that stop where it is safe."""

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raise `Stopped` if a signal has arrived; call it when all work is saved."""
        if self.requested:
            raise Stopped

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for the two signals inside the block."""
        numbers = (signal.SIGTERM, signal.SIGUSR1)
        previous = [signal.signal(number, self._remember) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, previous):
                signal.signal(number, handler)

    def _remember(self, *_: Any) -> None:
        self.requested = True


stop_signal = StopSignal()


def conduct(main: Callable[..., None]) -> Callable[..., int]:
    """Give a script's `main` the exit codes of a stage.

    0 when it is done, 2 with one line on standard error for input that cannot be used or a place
    that cannot be written to, 75 when it has stopped after saving: for a signal, say.
    """

    @functools.wraps(main)
    def wrapper(argv: list[str] | None = None) -> int:
        stop_signal.requested = False
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # so that a job's log shows where it is
        try:
            with stop_signal.listening():
                main(argv)
        except InputError as error:
            return _fail(str(error))
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            place, reason = error.filename or "the output folder", os.strerror(error.errno)
            return _fail(f"{place}: {reason}; free or choose another folder and run again")
        except Stopped as reason:
            why = str(reason) or "stopped by a signal"
            print(f"{why}; the same command continues", file=sys.stderr)
            return EXIT_REQUEUE
        return 0

    return wrapper


def _fail(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return EXIT_BAD_INPUT


def progress(items: Iterable | None = None, **options: Any) -> tqdm:
    """Return a progress bar that is silent when the output is not a terminal."""
    return tqdm(items, disable=None, leave=False, dynamic_ncols=True, **options)
