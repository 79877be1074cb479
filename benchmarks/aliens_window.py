"""pygame-ce's own example game in a window, an episode for each seed that it is told.

    python -m benchmarks.aliens_window --seconds 10

It reads seeds, a line each, and answers with `over SCORE SECONDS` when the player is hit or the
time is up. The game itself is as it comes: `pygame.examples.aliens`.
"""

import argparse
import random
import sys
import threading
import time

import pygame
from pygame.examples import aliens


def play(seed: int, seconds: float) -> tuple[int, float]:
    """Play an episode; return its score and how long it was."""
    random.seed(seed)
    aliens.SCORE = 0
    start = time.monotonic()
    end = threading.Timer(seconds, lambda: pygame.event.post(pygame.event.Event(pygame.QUIT)))
    end.start()
    aliens.main()
    end.cancel()
    return aliens.SCORE, time.monotonic() - start


def main(argv: list[str] | None = None) -> None:
    """Play until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of an episode, at most")
    args = parser.parse_args(argv)
    print("ready", flush=True)
    for line in sys.stdin:
        score, seconds = play(int(line), args.seconds)
        print(f"over {score} {seconds:.2f}", flush=True)


if __name__ == "__main__":
    main()
