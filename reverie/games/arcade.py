"""What frames of Chaser and Dodgeball show, read from the state that Procgen saves."""

import numpy as np

from reverie.games.game import FRAME_SHAPE, Balance
from reverie.games.procgen_state import KIND, Scene, paint, read_scene

PLAYER = 0  # Procgen's kind of entity in all games
PELLET, PELLET_SHARE = 1002, 0.2  # of Chaser's cells; how much of a cell it takes


class Arcade:
    """What these games have beside Procgen's others: the ground truth of their frames.

    `info` holds `object_mask` `(64, 64)` uint8, bits of `objects` in the pixels of their pictures,
    whole rectangles, and `player_position` `(2,)` float32 in cells, x from the left and y from
    below.
    """

    objects: dict[str, int]
    entities: dict[str, tuple[int, ...]]  # Procgen's kinds
    place = "player_position"

    @classmethod
    def look(cls, state: memoryview, place: int) -> dict[str, np.ndarray]:
        """Return the ground truth of a frame; see `reverie.games.procgen_state.read_scene`."""
        scene = read_scene(state, place)
        mask = np.zeros(FRAME_SHAPE[:2], np.uint8)
        for name, kinds in cls.entities.items():
            for kind in kinds:
                paint(mask, scene.boxes(kind), cls.objects[name])
        cls.look_at_cells(scene, mask)
        players = scene.numbers[scene.numbers[:, KIND] == PLAYER].view("<f4")
        return {"object_mask": mask, "player_position": players[0, :2].astype(np.float32)}

    @classmethod
    def look_at_cells(cls, scene: Scene, mask: np.ndarray) -> None:
        """Mark what is in the grid and no entity."""


class Chaser(Arcade):
    """Chaser: pellets in a maze, large ones that turn the tables, and three enemies."""

    objects = {"player": 1, "pellet": 2, "large_pellet": 4, "enemy": 8}
    entities = {"player": (PLAYER,), "large_pellet": (2,), "enemy": (3, 4, 6, 7, 8)}
    groups = {name: (name,) for name in objects}
    visible = 1.0  # a pellet has four pixels at most
    balances = {"enemies": Balance(("large_pellet", "enemy"), search=200)}

    @classmethod
    def look_at_cells(cls, scene: Scene, mask: np.ndarray) -> None:
        """Mark the pellets."""
        paint(mask, scene.cells(PELLET, PELLET_SHARE), cls.objects["pellet"])


class Dodgeball(Arcade):
    """Dodgeball: enemies that throw balls, balls of one's own, and a door that opens at last."""

    objects = {"player": 1, "enemy": 2, "own_ball": 4, "enemy_ball": 8, "door": 16}
    entities = {
        "player": (PLAYER,),
        "enemy": (4,),
        "own_ball": (3,),
        "enemy_ball": (6,),
        "door": (5, 7),
    }
    groups = {name: (name,) for name in objects}
    balances = {"balls": Balance(("own_ball", "enemy_ball"), search=200)}
