"""Procgen: sixteen games whose levels are made from a number each, played many at a time."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import gymnasium
import numpy as np

from reverie.artifacts import InputError
from reverie.games import arcade, heist
from reverie.games.game import FRAME_SHAPE, Game, import_gym

import_gym()
from procgen import ProcgenGym3Env  # noqa: E402

ONLY = {  # modes that not all games have
    "extreme": ("chaser", "dodgeball", "leaper", "starpilot"),
    "memory": ("caveflyer", "dodgeball", "heist", "jumper", "maze", "miner"),
}
LARGEST = 2**31 - 1  # Procgen draws level numbers below it
END_LEVEL = -1  # as an action: one step of nothing, then the next level
COMBINATIONS = (
    *("left down", "left", "left up", "down", "nothing", "up", "right down", "right", "right up"),
    *("d", "a", "w", "s", "q", "e"),
)
TRUTHS = {
    "heist": heist.Heist,
    "chaser": arcade.Chaser,
    "dodgeball": arcade.Dodgeball,
}  # games whose saved state says what is in view


@dataclass(frozen=True)
class Rules:
    """Which game is played, on which levels, and for how long; see `Procgen`."""

    name: str
    num_levels: int
    start_level: int
    distribution_mode: str
    time_steps: int
    use_backgrounds: bool = True
    with_truth: bool = True

    def level(self, seed: int) -> int:
        """Return the number of the level that an episode of this seed plays."""
        if self.num_levels:
            return self.start_level + seed % self.num_levels
        return seed % LARGEST


class Batch:
    """Several games of one kind that step together, each with the level that it plays next.

    Procgen begins the next level in the step that ends one, so a level has to be known before it is
    needed. It is written into the game's saved state, as the range that its number is drawn from.

    Args:
        rules: of all of them.
        count: how many.

    Attributes:
        fresh: by slot, first frame and info of the levels that began in the last step.
    """

    def __init__(self, rules: Rules, count: int) -> None:
        self.rules, self.count = rules, count
        self.engine = ProcgenGym3Env(
            count,
            rules.name,
            num_threads=0,
            rand_seed=0,
            distribution_mode=rules.distribution_mode,
            use_backgrounds=rules.use_backgrounds,
        )
        # Version, name with its length, twelve options and the grid's step come before the range.
        self._range = 4 + 4 + len(rules.name) + 4 * 13
        self.buffer = self.engine._ffi.new(f"char[{2**20}]")
        self._limit = min(rules.time_steps, self._timeout())
        self._steps, self._levels = [0] * count, [0] * count
        self._seen: list[tuple[np.ndarray, dict]] = [(np.zeros(FRAME_SHAPE, np.uint8), {})] * count
        self._queued = [0] * count
        self._awaited: set[int] = set()  # slots whose next level will be played
        self.fresh: dict[int, tuple[np.ndarray, dict]] = {}

    def queue(self, slot: int, seed: int) -> None:
        """Say which episode a slot plays when its present one is over."""
        self._queued[slot] = level = self.rules.level(seed)
        self._awaited.add(slot)
        state = self.saved_state(slot)
        struct.pack_into("<2i", state, self._range, level, level + 1)
        self.engine.call_c_func("set_state", slot, self.buffer, len(state))

    def step(self, actions: dict[int, int]) -> Iterator[tuple[int, tuple]]:
        """Play one step of all; slots without an action end their episode and begin the next.

        Yields:
            For each action its slot and what gymnasium's `step` returns.
        """
        everyone = [actions.get(slot, END_LEVEL) for slot in range(self.count)]
        self.engine.act(np.array(everyone, np.int32))
        rewards, observations, ended = self.engine.observe()
        self.fresh = {}
        for slot, action in enumerate(everyone):
            over, before = bool(ended[slot]), self._seen[slot]
            if over:
                self._levels[slot] = self._queued[slot]
            if (slot in self._awaited) if over else (action != END_LEVEL):
                self._seen[slot] = observations["rgb"][slot].copy(), self._info(slot)
            if action != END_LEVEL:
                self._steps[slot] += 1
                frame, info = before if over else self._seen[slot]
                truncated = self._steps[slot] >= self._limit
                flags = over and not truncated, truncated
                yield slot, (frame, float(rewards[slot]), *flags, info)
            if over:
                self._steps[slot] = 0
            if over and slot in self._awaited:
                self._awaited.remove(slot)
                self.fresh[slot] = self._seen[slot]

    def restart(self, slots: Iterable[int]) -> None:
        """End the episodes of some slots and begin their next ones; the others wait.

        Args:
            slots: whose first frames are added to `fresh`.
        """
        ending = set(slots)
        waiting = {slot: bytes(self.saved_state(slot)) for slot in range(self.count)}
        everyone = [END_LEVEL if slot in ending else 0 for slot in range(self.count)]
        self.engine.act(np.array(everyone, np.int32))
        _, observations, _ = self.engine.observe()
        for slot in ending:
            self._levels[slot], self._steps[slot] = self._queued[slot], 0
            self._seen[slot] = observations["rgb"][slot].copy(), self._info(slot)
            self.fresh[slot] = self._seen[slot]
            self._awaited.discard(slot)
        for slot in waiting.keys() - ending:
            self.buffer[0 : len(waiting[slot])] = waiting[slot]
            self.engine.call_c_func("set_state", slot, self.buffer, len(waiting[slot]))

    def _info(self, slot: int) -> dict[str, np.ndarray]:
        """Return the ground truth of what a slot shows."""
        info = {"level_seed": np.int32(self._levels[slot])}
        if self.rules.with_truth and self.rules.name in TRUTHS:
            state = self.saved_state(slot)
            info |= TRUTHS[self.rules.name].look(state, self.after_generators(state))
        return info

    def saved_state(self, slot: int) -> memoryview:
        """Return the saved state of a slot, in a buffer that the next call overwrites."""
        size = self.engine.call_c_func("get_state", slot, self.buffer, len(self.buffer))
        return memoryview(self.engine._ffi.buffer(self.buffer))[:size]

    def after_generators(self, state: memoryview) -> int:
        """Return where in a state its two generators of random numbers end."""
        place = self._range + 4 * 4
        for _ in range(2):  # a flag and a text
            place += 4
            (length,) = struct.unpack_from("<i", state, place)
            place += 4 + length
        return place

    def _timeout(self) -> int:
        """Return after how many steps Procgen ends a level by itself."""
        state = self.saved_state(0)
        # after reward, ends and action
        return struct.unpack_from("<i", state, self.after_generators(state) + 4 * 4)[0]

    def close(self) -> None:
        """End the games."""
        self.engine.close()


def _version() -> str:
    """Return the package's name and version: newer Pythons have it under another name."""
    try:
        return f"procgen {version('procgen')}"
    except PackageNotFoundError:
        return f"procgen-mirror {version('procgen-mirror')}"


class Procgen(Game):
    """One of Procgen's games: 64x64 RGB, 15 actions, one level an episode.

    The episode's seed is the level's number or, where `num_levels` says how many there are, decides
    which of `start_level` to `start_level + num_levels - 1` it is; `info` holds it as `level_seed`
    (int32). Procgen never shows what a level ends with, so its last frame stands again as the final
    observation. An episode that runs into Procgen's own limit (500 to 6,000 steps by game) is
    truncated like one that runs into `time_steps`.

    Args:
        num_levels: how many levels there are; 0 for all of them.
        start_level: number of the first.
        distribution_mode: `easy`, `hard`, and `extreme` or `memory` where the game has it.
        time_steps: steps after which an episode is truncated.
        use_backgrounds: draw pictures behind the levels, or plain black.
        with_truth: read the ground truth from the game's state, which takes most of the time.
    """

    name: str
    version = _version()
    action_space = gymnasium.spaces.Discrete(15)
    action_names = COMBINATIONS
    idle = (COMBINATIONS.index("nothing"),)
    time_steps = 1000
    fps = 15
    at_once = 16
    frame_sizes = FRAME_SHAPE[:1]  # Procgen draws no other

    def __init__(
        self,
        num_levels: int = 0,
        start_level: int = 0,
        distribution_mode: str = "easy",
        time_steps: int = 1000,
        use_backgrounds: bool = True,
        with_truth: bool = True,
    ) -> None:
        levels = num_levels, start_level, distribution_mode
        self._rules = Rules(self.name, *levels, time_steps, use_backgrounds, with_truth)
        self.single = self.batch(1)

    def batch(self, count: int) -> Batch:
        """Start as many games under the same rules."""
        return Batch(self._rules, count)  # which knows nothing of us: gym3 crashes in a cycle

    @classmethod
    def check(cls, options: dict) -> None:
        """Check options against each other.

        Raises:
            InputError: the game does not have this mode, or there are not so many levels.
        """
        mode = options["distribution_mode"]
        if cls.name not in ONLY.get(mode, (cls.name,)):
            raise InputError(
                f"--distribution_mode {mode}: {cls.name} has no such mode, only "
                f"{', '.join(ONLY[mode])}; choose easy or hard"
            )
        if options["start_level"] and not options["num_levels"]:
            raise InputError("--start_level counts the levels of --num_levels; name both")
        if options["start_level"] + options["num_levels"] > LARGEST:
            raise InputError(f"--start_level + --num_levels must be at most {LARGEST}")

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode; the seed decides its level and all that happens in it."""
        super().reset(seed=seed)
        self.single.queue(0, int(self.np_random.integers(2**31)) if seed is None else seed)
        list(self.single.step({}))
        return self.single.fresh[0]

    def step(self, action: int) -> tuple:
        """Play one step."""
        ((_, result),) = self.single.step({0: int(action)})
        return result

    def close(self) -> None:
        """End the game."""
        self.single.close()


def environment(name: str) -> type[Procgen]:
    """Return the class of a game by its name."""
    bases = (TRUTHS[name], Procgen) if name in TRUTHS else (Procgen,)
    return type(name.capitalize(), bases, {"name": name, "env_id": f"procgen-{name}-v0"})
