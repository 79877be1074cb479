"""A process that releases keys when the one that pressed them ends, however it ends.

Started by `reverie.games.keyboard` with the codes of the keys; it reads its input until that is
closed. `DONE` there says that nothing is left to release.
"""

import signal
import sys

from Xlib import X, display
from Xlib.ext import xtest

DONE = b"done"


def main(keycodes: list[int]) -> None:
    """Wait for the end of the input, then release the keys."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    server = display.Display()
    print("ready", flush=True)
    if sys.stdin.buffer.read() == DONE:
        return
    for keycode in keycodes:
        xtest.fake_input(server, X.KeyRelease, keycode)
    server.sync()


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
