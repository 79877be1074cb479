"""A window that paints its own frame number and the keys that it sees, to check what is recorded.

    python -m benchmarks.painted_window --title painted --keys left,right,space --fps 60

Sixteen columns of blocks: the first row is the frame number in binary, the second row the keys.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import pygame

SIZE = 640, 480
COLUMNS, ROWS = 16, 8
BLOCK = SIZE[0] // COLUMNS, SIZE[1] // ROWS


def paint(surface: pygame.Surface, number: int, held: Sequence[bool]) -> None:
    """Paint a frame number, modulo 65,536, and which keys are held."""
    surface.fill("black")
    bits = [number >> column & 1 for column in range(COLUMNS)]
    for row, blocks in enumerate((bits, held)):
        for column, on in enumerate(blocks):
            if on:
                surface.fill("white", (column * BLOCK[0], row * BLOCK[1], *BLOCK))


def read(picture: np.ndarray, count: int) -> tuple[int, tuple[bool, ...]]:
    """Read a painted window from a picture `(rows, columns, 3)` of any size.

    Args:
        picture: of the whole window.
        count: how many keys.

    Returns:
        The frame number, and which keys the window has seen.
    """
    rows, columns, _ = picture.shape
    middles = ((np.arange(COLUMNS) + 0.5) * columns / COLUMNS).astype(int)
    lines = [picture[int((row + 0.5) * rows / ROWS), middles, 0] > 127 for row in range(2)]
    number = int((lines[0] << np.arange(COLUMNS)).sum())
    return number, tuple(bool(on) for on in lines[1][:count])


def main(argv: list[str] | None = None) -> None:
    """Show the window until it is closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", default="painted")
    parser.add_argument("--keys", default="left,right,space", help="as pygame calls them")
    parser.add_argument("--fps", type=int, default=60)
    args = parser.parse_args(argv)
    pygame.display.init()
    surface = pygame.display.set_mode(SIZE)
    pygame.display.set_caption(args.title)
    codes = [pygame.key.key_code(name) for name in args.keys.split(",")]
    clock, number = pygame.time.Clock(), 0
    while not any(event.type == pygame.QUIT for event in pygame.event.get()):
        pressed = pygame.key.get_pressed()
        paint(surface, number, [pressed[code] for code in codes])
        pygame.display.flip()
        if number == 0:
            print("shown", flush=True)
        number += 1
        clock.tick(args.fps)


if __name__ == "__main__":
    main()
