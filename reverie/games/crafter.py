"""Crafter: survive, gather and build in a small open world."""

from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import gymnasium
import numpy as np

from reverie.games.game import FRAME_SHAPE, Balance, Game, frame_space, import_gym

import_gym()
import crafter  # noqa: E402
from crafter import constants, engine, objects  # noqa: E402

COLUMNS, ROWS = 9, 7  # cells of the map in view; two rows of the inventory follow
OUTSIDE = 0  # beyond the edge of the world; Crafter's own numbers begin with 1
MATERIALS = tuple(constants.materials)
CREATURES = ("player", "cow", "zombie", "skeleton", "arrow", "plant")
SEMANTIC = {name: number for number, name in enumerate((*MATERIALS, *CREATURES), 1)}
ITEMS = tuple(constants.items)
ACHIEVEMENTS = tuple(constants.achievements)
TOOLS = ("pickaxe", "sword")
SHOWN = ("tree", "water", "coal", "iron", "diamond", "cow", "zombie", "skeleton")


class Crafter(Game):
    """Crafter as it is published: RGB with the inventory below the map, 17 actions.

    A cell of the map is 7 pixels wide, 10 in frames of 96x96 and 14 in frames of 128x128; what is
    left over on the right and below stays black.

    `info` holds the ground truth of the frame: `semantic` `(7, 9)` uint8, for every cell of the map
    in view what is there (numbers in `SEMANTIC`, 0 beyond the edge of the world), and `materials`
    `(7, 9)` uint8, the same without creatures; `player_position` `(2,)` int16 in the world's 64x64
    cells, x and y; `facing` `(2,)` int8, the direction; `inventory` `(16,)` uint8 in the order of
    `ITEMS`; `achievements` `(22,)` int32, how often each of `ACHIEVEMENTS` was unlocked; `daylight`
    float32 in 0 to 1, and `sleeping` bool. `cell_masks` turns the first two into pixels.

    Args:
        time_steps: steps after which an episode is truncated.
        frame_size: rows and columns of a frame. After dark the same seed plays out otherwise at
            another size, because Crafter draws the noise of the night from the random
            generator of the world.
    """

    env_id = "CrafterReward-v1"
    version = version("crafter")
    action_space = gymnasium.spaces.Discrete(len(constants.actions))
    action_names = tuple(name.replace("_", " ") for name in constants.actions)
    time_steps = 10_000
    fps = 10
    objects = {name: 1 << bit for bit, name in enumerate(SHOWN)}
    place = "player_position"
    balances = {"things": Balance(SHOWN, search=500)}
    truth = "semantic"
    rewards = {
        "wood": ("tree",),
        "sapling": ("grass",),
        "drink": ("water",),
        **{name: (name,) for name in ("stone", "coal", "iron", "diamond")},
        **{name: (name,) for name in ("cow", "plant", "zombie", "skeleton")},
        **{f"make_{kind}_{tool}": ("table",) for kind in ("wood", "stone") for tool in TOOLS},
        **{f"make_iron_{tool}": ("table", "furnace") for tool in TOOLS},
        **dict.fromkeys(("place_stone", "place_table", "place_furnace", "place_plant"), ()),
        "wake_up": (),
    }
    policies = ("gatherer",)

    def __init__(self, time_steps: int = 10_000, frame_size: int = FRAME_SHAPE[0]) -> None:
        self.observation_space = frame_space(frame_size)
        drawn = COLUMNS * self.cell_size(self.observation_space.shape)
        self.env = crafter.Env(size=(drawn, drawn), length=time_steps)
        self.env._world.__class__ = _World

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode in a new world; the seed decides both entirely."""
        super().reset(seed=seed)
        self.env._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self.env._episode = 0
        picture = self.env.reset()
        return self.whole_frame(picture), self.ground_truth(self.env._sem_view())

    def step(self, action: int) -> tuple:
        """Play one step."""
        picture, reward, done, info = self.env.step(int(action))
        terminated = info["discount"] == 0.0
        results = float(reward), terminated, bool(done and not terminated)
        return self.whole_frame(picture), *results, self.ground_truth(info["semantic"])

    def whole_frame(self, picture: np.ndarray) -> np.ndarray:
        """Fill a picture of whole cells up with black."""
        missing = self.observation_space.shape[0] - len(picture)
        return np.pad(picture, ((0, missing), (0, missing), (0, 0)))

    def ground_truth(self, semantic: np.ndarray) -> dict[str, np.ndarray]:
        """Return the ground truth of a frame; `semantic` is Crafter's map of the whole world."""
        player, world = self.env._player, self.env._world
        return {
            "semantic": _in_view(semantic, player.pos),
            "materials": _in_view(world._mat_map, player.pos),
            "player_position": np.array(player.pos, np.int16),
            "facing": np.array(player.facing, np.int8),
            "inventory": np.array([player.inventory[item] for item in ITEMS], np.uint8),
            "achievements": np.array([player.achievements[a] for a in ACHIEVEMENTS], np.int32),
            "daylight": np.float32(world.daylight),
            "sleeping": np.bool_(player.sleeping),
        }

    @classmethod
    def earned(cls, reward: str, rewards: np.ndarray, infos: dict[str, np.ndarray]) -> np.ndarray:
        """Return in which steps of an episode a reward was earned: `(T,)` bool.

        Achievements count what was collected, eaten, made, placed and defeated. The inventory does
        not: it is full at nine, and what the tenth tree gives is lost.
        """
        if reward == "reward":
            return rewards > 0
        (number,) = (n for n, name in enumerate(ACHIEVEMENTS) if name in _spellings(reward))
        return np.diff(infos["achievements"][:, number]) > 0

    @classmethod
    def reward_masks(
        cls,
        reward: str,
        infos: dict[str, np.ndarray],
        frame_shape: Sequence[int] = FRAME_SHAPE,
    ) -> np.ndarray | None:
        """Return which pixels show what earns a reward: `(N, rows, columns)` bool, None if unknown.

        Args:
            reward: a key of `cls.rewards`.
            infos: of N frames.
            frame_shape: of these frames.
        """
        kinds = cls.rewards.get(reward)
        if not kinds or cls.truth not in infos:
            return None
        return np.any([cell_masks(infos[cls.truth], kind, frame_shape) for kind in kinds], axis=0)

    @classmethod
    def player(cls, policy: str, rng: np.random.Generator) -> Any:
        """Return the scripted player."""
        from reverie.games.gatherer import Gatherer  # which reads the numbers of this module

        return {"gatherer": Gatherer}[policy](rng)

    @classmethod
    def world_view(cls, frame_shape: Sequence[int]) -> tuple[int, int]:
        """Return how many rows and columns show the map."""
        cell = cls.cell_size(frame_shape)
        return ROWS * cell, COLUMNS * cell

    @classmethod
    def cell_size(cls, frame_shape: Sequence[int]) -> int:
        """Return the width of a cell of the map in pixels."""
        return frame_shape[0] // COLUMNS

    @classmethod
    def object_masks(
        cls, truth: np.ndarray, frame_shape: Sequence[int] = FRAME_SHAPE
    ) -> np.ndarray:
        """Return which pixels show which `objects`: `(N, rows, columns)` uint8 of bits."""
        masks = np.zeros((len(truth), *frame_shape[:2]), np.uint8)
        for name, bit in cls.objects.items():
            masks |= np.where(cell_masks(truth, name, frame_shape), np.uint8(bit), np.uint8(0))
        return masks


def environment(name: str) -> type[Crafter]:
    """Return the class of a game of this family; there is one."""
    return Crafter


def _spellings(reward: str) -> tuple[str, ...]:
    """Return the names that an achievement can have for what `Crafter.rewards` calls it."""
    return reward, *(f"{verb}_{reward}" for verb in ("collect", "eat", "defeat"))


def cell_masks(
    semantic: np.ndarray, name: str, frame_shape: Sequence[int] = FRAME_SHAPE
) -> np.ndarray:
    """Mark the pixels of the cells that hold one kind of material or creature.

    The marks are whole cells. Materials fill theirs; of a creature the corners show what it stands
    on.

    Args:
        semantic: recorded `semantic` (or `materials`) of N frames, `(N, 7, 9)`.
        name: a key of `SEMANTIC`.
        frame_shape: of the frames.

    Returns:
        `(N, rows, columns)` bool. The inventory and the black rows and columns are False.
    """
    cells = np.asarray(semantic) == SEMANTIC[name]
    width, (rows, columns) = Crafter.cell_size(frame_shape), Crafter.world_view(frame_shape)
    masks = np.zeros((len(cells), *frame_shape[:2]), bool)
    masks[:, :rows, :columns] = cells.repeat(width, 1).repeat(width, 2)
    return masks


def _in_view(world: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Cut the map in view, `(7, 9)` by row and column, from the world's, which is `[x, y]`."""
    padded = np.pad(world, ((COLUMNS // 2,) * 2, (ROWS // 2,) * 2), constant_values=OUTSIDE)
    x, y = center
    return padded[x : x + COLUMNS, y : y + ROWS].T.astype(np.uint8)


class _World(engine.World):
    """Crafter's world with its creatures in the order of their arrival.

    The original keeps those of a chunk in a set, which Python orders by their addresses in memory,
    and takes one of them at random: the same seed would play out otherwise in every process.
    """

    def reset(self, seed: int | None = None) -> None:
        """Begin a new world."""
        super().reset(seed)
        self._chunks = defaultdict(_Arrivals)


class _Arrivals(dict):
    """As much of a set as the world needs, in order."""

    def add(self, creature: objects.Object) -> None:
        """Put a creature last."""
        self[creature] = None

    def remove(self, creature: objects.Object) -> None:
        """Take a creature out."""
        del self[creature]
