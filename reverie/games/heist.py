"""What a frame of Heist shows, read from the state that Procgen saves."""

import struct
from collections.abc import Sequence

import numpy as np

from reverie.games.game import FRAME_SHAPE, Balance
from reverie.games.procgen_state import KIND, SIDE, read_scene

THINGS = (
    *("player", "gem", "blue_key", "green_key", "red_key"),
    *("blue_lock", "green_lock", "red_lock"),
)
PLAYER, LOCK, KEY, GEM, KEY_ON_RING = 0, 1, 2, 9, 11  # Procgen's kinds; colours are its themes
FIRST = {PLAYER: 0, GEM: 1, KEY: 2, LOCK: 5}  # of each kind in `THINGS`
THEME = 8  # one of the numbers of an entity


class Heist:
    """What Heist has beside Procgen's other games: the exact ground truth of its frames.

    `info` holds `things` `(8, 4)` float32, for each of `THINGS` the left, upper, right and lower
    edge of its picture in pixels of the frame, zeros for what is not in view; `held` `(3,)` bool,
    the keys on the ring at the upper right, blue, green and red; and `player_position` `(2,)`
    float32 in cells, x from the left and y from below.
    """

    objects = {name: 1 << bit for bit, name in enumerate(THINGS)}
    truth = "things"
    visible = 6.0  # square pixels of its rectangle: about a quarter of a key's
    place = "player_position"
    groups = {"keys": THINGS[2:5], "locks": THINGS[5:], "exit": ("gem",)}
    balances = {"keys_and_locks": Balance((*THINGS[2:], "gem"))}
    rewards = {
        "gem": ("gem",),
        "key": ("blue_key", "green_key", "red_key"),
        "lock": ("blue_lock", "green_lock", "red_lock"),
    }

    @classmethod
    def earned(cls, reward: str, rewards: np.ndarray, infos: dict[str, np.ndarray]) -> np.ndarray:
        """Return in which steps of an episode a reward was earned: `(T,)` bool.

        The game itself rewards the gem alone. A key is earned when it comes to those on the ring, a
        lock when it is gone from beside the player.
        """
        if reward == "key":
            held = infos["held"][:]
            return (held[1:] & ~held[:-1]).any(axis=1)
        if reward == "lock":
            things = infos["things"][:]
            locks = [THINGS.index(name) for name in cls.rewards["lock"]]
            shown = things[..., 2] > 0.0
            beside = _gaps(things[:, locks], things[:, :1]) < _widths(things[:, :1])
            return (shown[:-1, locks] & beside[:-1] & ~shown[1:, locks]).any(axis=1)
        return rewards > 0

    @classmethod
    def object_masks(
        cls, truth: np.ndarray, frame_shape: Sequence[int] = FRAME_SHAPE
    ) -> np.ndarray:
        """Return which pixels the pictures of which `objects` touch: `(N, 64, 64)` uint8 of bits.

        A mask is the whole rectangle; the pictures of keys, gem and player leave parts of theirs
        free.
        """
        pixels = np.arange(SIDE)
        left, upper, right, lower = np.moveaxis(np.asarray(truth)[..., None], 2, 0)
        across = (pixels + 1 > left) & (pixels < right)
        down = (pixels + 1 > upper) & (pixels < lower)
        bits = np.array(list(cls.objects.values()), np.uint8)
        masks = down[:, :, :, None] & across[:, :, None, :]
        return (masks * bits[:, None, None]).sum(axis=1, dtype=np.uint8)

    @classmethod
    def pixels_in_view(
        cls, truth: np.ndarray, frame_shape: Sequence[int] = FRAME_SHAPE
    ) -> np.ndarray:
        """Return the area of each of `THINGS` in the frame: `(N, 8)` float32, square pixels."""
        left, upper, right, lower = np.moveaxis(np.asarray(truth, np.float32), -1, 0)
        return (right - left) * (lower - upper)

    @staticmethod
    def look(state: memoryview, place: int) -> dict[str, np.ndarray]:
        """Return the ground truth of a frame.

        What is in the state beside a `Scene` is laid out as in games/heist.cpp.

        Args:
            state: what `get_state` saved.
            place: where the numbers begin that follow the generators of random numbers.
        """
        scene = read_scene(state, place)
        things = np.zeros((len(THINGS), 4), np.float32)
        position, keys = None, 0
        for entity, values in zip(scene.numbers.tolist(), scene.numbers.view("<f4").tolist()):
            kind, theme = entity[KIND], entity[THEME]
            if kind == PLAYER:
                position = values[:2]
            if kind == KEY_ON_RING:
                keys += 1
            elif kind in FIRST:
                things[FIRST[kind] + theme] = _inside(scene.box(values))
        held = np.zeros(3, bool)
        held[:keys] = struct.unpack_from(f"<{keys}i", state, len(state) - 4 - 4 * keys)
        return {"things": things, "held": held, "player_position": np.array(position, np.float32)}


def _widths(boxes: np.ndarray) -> np.ndarray:
    return boxes[..., 2] - boxes[..., 0]


def _gaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how many pixels lie between boxes `(..., 4)`, across or down, whichever is more."""
    before, after = boxes[..., :2] - others[..., 2:], others[..., :2] - boxes[..., 2:]
    return np.maximum(before, after).max(axis=-1)


def _inside(box: tuple[float, ...]) -> tuple[float, ...]:
    """Return the part of a box that is in the frame, zeros if it is outside."""
    left, upper, right, lower = box
    if left >= SIDE or upper >= SIDE or right <= 0.0 or lower <= 0.0:
        return (0.0,) * 4
    return max(left, 0.0), max(upper, 0.0), min(right, SIDE), min(lower, SIDE)
