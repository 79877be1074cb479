"""What every game is: a gymnasium environment with small frames that says what it is."""

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from reverie.artifacts import InputError
from reverie.networks import FRAME_SHAPE, written_size

FRAME_SIZES = (64, 96, 128)  # rows and columns that `--frame_size` offers


def frame_space(frame_size: int) -> gymnasium.spaces.Box:
    """Return the space of frames of so many rows and columns."""
    return gymnasium.spaces.Box(0, 255, (frame_size, frame_size, 3), np.uint8)


def frame_shape(options: dict) -> tuple[int, int, int]:
    """Return the shape of the frames that a game shows under its options."""
    size = options.get("frame_size", FRAME_SHAPE[0])
    return size, size, 3


def frame_options(shape: Sequence[int]) -> dict[str, int]:
    """Return the option under which a game shows frames of a shape, none for the default one."""
    return {} if tuple(shape) == FRAME_SHAPE else {"frame_size": shape[0]}


@dataclass(frozen=True)
class Balance:
    """What a balanced recording shows in equal shares, see `reverie.rollouts.balance`.

    Attributes:
        classes: names of `Game.objects`; half of the recorded episodes show none of them.
        search: steps of a game that are looked through for them; 0 for its beginning alone, as many
            steps as are recorded.
    """

    classes: tuple[str, ...]
    search: int = 0


class Game(gymnasium.Env):
    """A game of small frames in colour, its episodes decided by the seed of `reset` alone.

    `info` holds the ground truth of the frame as arrays, under the same keys at every step; it is
    recorded under `infos/`.

    Attributes:
        env_id: what the packages call the game.
        version: of the package that it comes from.
        preprocessing: raised when the same play would give other frames.
        observation_space: of an instance, its frames `(rows, columns, 3)` uint8; of the class,
            those without the option `frame_size`.
        frame_sizes: the values that this option can have.
        action_space: `Box`, `Discrete`, one-dimensional `MultiDiscrete` or `MultiBinary`, see
            `ActionCode`.
        action_levels: into how many equal parts of its range the game sorts each number of an
            action; 0 if it takes them as they are.
        action_names: what people call the numbers of a `Box`, `left|right` where both ends mean
            something, or the choices of a `Discrete` space; the keys of `reverie.play` follow them.
        idle: the action of doing nothing; where it is not given, the middle of a `Box` and the
            first choice of the others.
        time_steps: longest episode, unless a flag says otherwise.
        fps: frames a second of its films.
        objects: bit of each kind of object in `object_masks`; empty where they are not known.
        truth: the info that `object_masks` is made from.
        visible: pixels of a kind of object from which on it counts as in view.
        place: the info that says where the player is; empty where none does.
        groups: kinds of objects that are scored together, by the name of the group; where there
            are none each is a group of its own.
        balances: what balanced recordings there are, by name.
        rewards: what stage 6 can explain, by name, and the kinds of things that earn it, where any
            do; see `earned` and `reward_masks`. `reward`, the game's own, is there for every game.
        policies: players by name that only this game has, see `player`.
        mix: what `--policy mix` plays, see `reverie.rollouts.policies`: the habits that a search
            will try are in it, so that its dreams know what becomes of them.
        habits: policies that do not look, in which dreams are compared with this game beside those
            of every game, see `reverie.rollouts.policies`.
        controller_bias: whether the controller has a bias.
        windowed: whether the game can be shown in a window while it is played.
        scored_with: options that final scores are taken with, whatever flags say.
        scored_in_steps: whether the score of an episode is its length.
        at_once: how many one process plays together; above 1 the class has a `batch`, see
            `reverie.games.procgen`.
        play_through: `(seed, actions)` to a whole `Episode`, where that is faster than step by
            step.
    """

    env_id: str
    version: str
    preprocessing = 1
    observation_space = frame_space(FRAME_SHAPE[0])
    frame_sizes: tuple[int, ...] = FRAME_SIZES
    action_space: gymnasium.Space
    action_levels = 0
    action_names: tuple[str, ...] = ()
    idle: tuple[float, ...] = ()
    time_steps = 1000
    fps = 30
    objects: dict[str, int] = {}
    truth = "object_mask"
    visible = 4.0
    place = ""
    groups: dict[str, tuple[str, ...]] = {}
    balances: dict[str, Balance] = {}
    rewards: dict[str, tuple[str, ...]] = {}
    policies: tuple[str, ...] = ()
    mix = "mix:wandering=5,turning=3,one_action=1,constant=1"
    habits: tuple[str, ...] = ()
    controller_bias = True
    windowed = False
    scored_with: dict[str, object] = {}
    scored_in_steps = False
    at_once = 1
    play_through: Callable | None = None

    @classmethod
    def check(cls, options: dict) -> None:
        """Check options against each other.

        Raises:
            InputError: they do not go together.
        """

    @classmethod
    def settled(cls, options: dict) -> dict:
        """Return options with what only the machine that records can say.

        Raises:
            InputError: it cannot be played there.
        """
        return options

    @classmethod
    def check_frames(cls, name: str, shape: Sequence[int]) -> None:
        """Check that the game can show frames of a shape.

        Raises:
            InputError: it cannot.
        """
        if tuple(shape) not in [(size, size, 3) for size in cls.frame_sizes]:
            sizes = " or ".join(f"{size}x{size}" for size in cls.frame_sizes)
            raise InputError(
                f"{name} shows frames of {sizes} pixels, not of {written_size(shape)}; leave "
                "--frame_size away, or name networks that see such frames"
            )

    @classmethod
    def world_view(cls, frame_shape: Sequence[int]) -> tuple[int, int]:
        """Return how many rows and columns, from the upper left, show the world.

        The rest of the frame tells of the player.
        """
        return tuple(frame_shape[:2])

    @classmethod
    def cell_size(cls, frame_shape: Sequence[int]) -> int:
        """Return the width in pixels of the cells that the world is made of, 0 without cells."""
        return 0

    @classmethod
    def object_masks(
        cls, truth: np.ndarray, frame_shape: Sequence[int] = FRAME_SHAPE
    ) -> np.ndarray:
        """Return which pixels show which `objects`: `(N, rows, columns)` uint8 of bits."""
        return truth

    @classmethod
    def pixels_in_view(
        cls, truth: np.ndarray, frame_shape: Sequence[int] = FRAME_SHAPE
    ) -> np.ndarray:
        """Return how many pixels show each of `objects`: `(N, K)` float32, in their order."""
        masks = cls.object_masks(np.asarray(truth), frame_shape)
        counts = [((masks & bit) > 0).sum(axis=(1, 2)) for bit in cls.objects.values()]
        return np.stack(counts, axis=1).astype(np.float32)

    @classmethod
    def earned(cls, reward: str, rewards: np.ndarray, infos: dict[str, np.ndarray]) -> np.ndarray:
        """Return in which steps of an episode a reward was earned.

        Args:
            reward: `reward` or a key of `cls.rewards`.
            rewards: the game's own, `(T,)`.
            infos: of the T + 1 frames, in memory or on disk.

        Returns:
            `(T,)` bool.
        """
        return rewards > 0

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
        if reward not in cls.rewards or cls.truth not in infos:
            return None
        bits = sum(cls.objects[name] for name in cls.rewards[reward])
        return (cls.object_masks(infos[cls.truth], frame_shape) & bits).astype(bool)

    @classmethod
    def player(cls, policy: str, rng: np.random.Generator) -> Any:
        """Return what plays an episode under one of `policies`: `act(info)` gives actions."""
        raise KeyError(policy)


def import_gym() -> ModuleType:
    """Import gym without the notice that it prints: games that stand on it work as they are."""
    with contextlib.redirect_stderr(io.StringIO()):
        import gym
    return gym
