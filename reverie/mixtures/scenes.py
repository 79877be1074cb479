"""What is in each frame, and what happens between frames: situations and events of TakeCover."""

from dataclasses import dataclass

import numpy as np

from reverie.games.doom import FIREBALL

NEAR = 120.0  # map units from where the player stops: there the wall fills the edge of the view
WALLS = (752.0, 16.0)  # `position_y` at the left and at the right wall
EXPLOSION = 0.1  # share of the picture; a fireball that has not hit covers at most 0.08

SITUATIONS = ("explosion", "fireball", "left wall", "right wall")
EVENTS = (
    "explosion starts",
    "fireball appears",
    "fireball disappears",
    "monster appears",
    "monster disappears",
)


@dataclass(frozen=True)
class Scene:
    """What is seen in the T frames of an episode or a dream.

    Attributes:
        monsters: how many are in view, `(T,)` int.
        fireballs: how many are in view, `(T,)` int.
        explosion: one fills the view, `(T,)` bool.
        left_wall: the wall is near, `(T,)` bool.
        right_wall: `(T,)` bool.
    """

    monsters: np.ndarray
    fireballs: np.ndarray
    explosion: np.ndarray
    left_wall: np.ndarray
    right_wall: np.ndarray

    def __len__(self) -> int:
        return len(self.monsters)

    def __getitem__(self, frames: slice) -> "Scene":
        return Scene(**{name: values[frames] for name, values in vars(self).items()})


def true_scene(infos: dict[str, np.ndarray]) -> Scene:
    """Return the scene of a recorded episode from ViZDoom's own ground truth.

    Args:
        infos: `monsters`, `fireballs`, `position_y` `(T,)` and `object_mask` `(T, rows, columns)`.
    """
    fire = (infos["object_mask"] & FIREBALL) > 0
    left, right = WALLS
    return Scene(
        monsters=np.asarray(infos["monsters"], int),
        fireballs=np.asarray(infos["fireballs"], int),
        explosion=fire.mean(axis=(1, 2)) > EXPLOSION,
        left_wall=infos["position_y"] > left - NEAR,
        right_wall=infos["position_y"] < right + NEAR,
    )


def situations(scene: Scene) -> dict[str, np.ndarray]:
    """Say of every frame which situations it is in: `(T,)` bool each.

    As in arXiv 1901.07859 an explosion hides everything else; the others may coincide.
    """
    clear = ~scene.explosion
    return {
        "explosion": scene.explosion,
        "fireball": clear & (scene.fireballs > 0),
        "left wall": clear & scene.left_wall,
        "right wall": clear & scene.right_wall,
    }


def events(scene: Scene) -> dict[str, np.ndarray]:
    """Say of every frame what has happened since the one before: `(T,)` bool each.

    What an explosion hides or uncovers has neither appeared nor disappeared. Nothing happens in the
    first frame.
    """
    clear = ~scene.explosion
    both = clear & np.roll(clear, 1)
    found = {"explosion starts": scene.explosion & np.roll(clear, 1)}
    for name, count in (("fireball", scene.fireballs), ("monster", scene.monsters)):
        change = np.diff(count, prepend=count[:1])
        found[f"{name} appears"] = both & (change > 0)
        found[f"{name} disappears"] = both & (change < 0)
    for happened in found.values():
        happened[:1] = False
    return found


def labels(scene: Scene) -> dict[str, np.ndarray]:
    """Return situations and events together."""
    return situations(scene) | events(scene)


def one_situation(scene: Scene) -> dict[str, np.ndarray]:
    """Put every frame into exactly one class: the first situation that holds, or `otherwise`."""
    found, left = {}, np.ones(len(scene), bool)
    for name, holds in situations(scene).items():
        found[name] = holds & left
        left = left & ~holds
    return found | {"otherwise": left}
