"""What Procgen's games save of a level: its entities, its grid, and where the camera is.

The layout is that of `serialize` in Procgen's game.cpp, basic-abstract-game.cpp, grid.h and
entity.cpp, the geometry that of `get_object_rect`.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np

from reverie.games.game import FRAME_SHAPE

SIDE = FRAME_SHAPE[0]  # of a frame, the only size that Procgen draws
ENTITY = 31  # numbers that the state has of each
KIND, TURN = 6, 13  # two of them


@dataclass(frozen=True)
class Scene:
    """What a state says.

    Attributes:
        numbers: of the entities, `(N, 31)` int32, some of them the bits of floats.
        camera: pixels a cell, cells in view, and by how many pixels they are shifted.
        grid: kind of every cell, `(rows, columns)`, the lowest row first.
    """

    numbers: np.ndarray
    camera: tuple[float, float, float, float]
    grid: np.ndarray

    def boxes(self, kind: int) -> list[tuple[float, float, float, float]]:
        """Return left, upper, right and lower edge in pixels of all entities of a kind."""
        chosen = self.numbers[self.numbers[:, KIND] == kind].view("<f4").tolist()
        return [self.box(values) for values in chosen]

    def box(self, values: list[float]) -> tuple[float, float, float, float]:
        """Return the edges of an entity's picture from its numbers."""
        x, y, _, _, half_width, half_height = values[:6]
        across, down = abs(math.cos(values[TURN])), abs(math.sin(values[TURN]))
        sides = half_width * across + half_height * down, half_width * down + half_height * across
        unit, view, x_off, y_off = self.camera
        center = x * unit - x_off, (view - y) * unit + y_off
        return (
            center[0] - sides[0] * unit,
            center[1] - sides[1] * unit,
            center[0] + sides[0] * unit,
            center[1] + sides[1] * unit,
        )

    def cells(self, kind: int, share: float = 1.0) -> list[tuple[float, float, float, float]]:
        """Return the edges in pixels of the middle of all cells of a kind.

        Args:
            kind: of the cells.
            share: of a cell's width that is shown.
        """
        unit, view, x_off, y_off = self.camera
        half = share * unit / 2
        found = []
        for row, column in np.argwhere(self.grid == kind):
            x = (column + 0.5) * unit - x_off
            y = (view - row - 0.5) * unit + y_off
            found.append((x - half, y - half, x + half, y + half))
        return found


def read_scene(state: memoryview, place: int) -> Scene:
    """Read a state.

    Args:
        state: what `get_state` saved.
        place: where the numbers begin that follow the generators of random numbers.
    """
    (count,) = struct.unpack_from("<i", state, place + 4 * 16)
    place += 4 * 17
    numbers = np.frombuffer(state, "<i4", ENTITY * count, place).reshape(count, ENTITY)
    place += numbers.nbytes + 4 * 20
    place += 4 + struct.unpack_from("<i", state, place)[0]  # a third generator
    place += 4 * 3
    camera = struct.unpack_from("<4f", state, place)
    width, height, cells = struct.unpack_from("<3i", state, place + 4 * 6)
    grid = np.frombuffer(state, "<i4", cells, place + 4 * 9).reshape(height, width)
    return Scene(numbers, camera, grid)


def paint(mask: np.ndarray, boxes: list[tuple[float, float, float, float]], bit: int) -> None:
    """Set a bit in the pixels of a mask that boxes touch."""
    for left, upper, right, lower in boxes:
        rows = slice(max(math.floor(upper), 0), max(math.ceil(lower), 0))
        mask[rows, max(math.floor(left), 0) : max(math.ceil(right), 0)] |= bit
