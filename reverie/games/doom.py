"""ViZDoom TakeCover: strafe between two walls, live as long as the fireballs let you."""

import functools
import os
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import vizdoom

from reverie.games.episode import Episode
from reverie.games.game import FRAME_SHAPE, Balance, Game, frame_space
from reverie.games.resize import area_resize, nearest_resize
from reverie.seeds import seed_32

SMALL, LARGE = vizdoom.ScreenResolution.RES_160X120, vizdoom.ScreenResolution.RES_320X240
SCREENS = {64: SMALL, 96: LARGE, 128: LARGE}  # what frames of these rows and columns are made from
BUTTONS = ([1, 0], [0, 0], [0, 1])  # move left, stay, move right
VARIABLES = (
    vizdoom.GameVariable.HEALTH,
    vizdoom.GameVariable.POSITION_X,
    vizdoom.GameVariable.POSITION_Y,
)
TOGETHER = 1_228_800  # bytes of states that are looked at one after the other, 16 small ones
Seen = tuple[np.ndarray, list[int], np.ndarray, Sequence[float]]  # frame, counts, mask, VARIABLES
MONSTER, FIREBALL = 1, 2  # bits of `object_mask`
CATEGORIES = {"Monster": 0, "Explosive": 1}  # ViZDoom's category -> bit


class TakeCover(Game):
    """TakeCover, every tic one step, seen in RGB without the status bar.

    The engine draws 160x120 pixels for frames of 64x64, and 320x240 for larger ones.

    The action is one number in [-1, 1]: below -1/3 moves left, above 1/3 moves right. The reward is
    1 for each tic alive. ViZDoom draws no picture of the tic in which the player dies, so the last
    one stands again as the final observation.

    `info` holds the ground truth of the frame from ViZDoom's labels and variables: `monsters` and
    `fireballs` in view (int32), `health` (0 to 100), `damage` taken since the frame before,
    `position_x` and `position_y` (map units; the walls bound y), all float32, and `object_mask`
    uint8, as large as the frame, with bit 1 for monsters and bit 2 for fireballs.

    Args:
        difficulty: Doom's skill, 1 to 5. At 4 random play lives as long as in the article.
        time_steps: tics after which an episode is truncated.
        render: show the game in a window.
        frame_size: rows and columns of a frame.
    """

    env_id = "VizdoomTakeCover"
    version = vizdoom.__version__
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    time_steps = 2100
    fps = 35
    objects = {"monster": MONSTER, "fireball": FIREBALL}
    place = "position_y"
    balances = {"fireballs": Balance(("fireball",), search=2100)}  # monsters are always in view
    action_levels = 3  # left, stay, right
    action_names = ("left|right",)
    rewards = {"damage": ("monster", "fireball")}
    habits = ("one_action", "turning_40", "turning_80", "turning_120")
    controller_bias = False  # the article's Doom controller has 1,088 weights and no bias
    windowed = True
    scored_in_steps = True

    def __init__(
        self,
        difficulty: int = 4,
        time_steps: int = 2100,
        render: bool = False,
        frame_size: int = FRAME_SHAPE[0],
    ) -> None:
        self.time_steps = time_steps
        self.observation_space = frame_space(frame_size)
        self.engine = _start_engine(difficulty, render, SCREENS[frame_size])
        pixels = self.engine.get_screen_width() * self.engine.get_screen_height()
        self._together = TOGETHER // (4 * pixels)  # three colours and a label
        self._look = functools.partial(_look, size=frame_size)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode; the seed decides it entirely."""
        super().reset(seed=seed)
        state = self._begin(int(self.np_random.integers(2**31)) if seed is None else seed)
        self._seen = self._look(state)
        frame, *truth = self._seen
        return frame, _info(*truth, before=truth[-1])

    def step(self, action: np.ndarray) -> tuple:
        """Play one tic."""
        *_, before = self._seen
        reward, terminated, truncated = self._advance(action)
        self._seen = self._last() if terminated else self._look(self.engine.get_state())
        frame, *truth = self._seen
        return frame, reward, terminated, truncated, _info(*truth, before=before)

    def play_through(self, seed: int, actions: np.ndarray) -> Episode:
        """Play actions that were drawn ahead, and look at the frames many at a time.

        The engine empties the processor's caches between any two steps; to look at one state after
        the other takes half as long as to look at each when it comes.

        Args:
            seed: decides the episode.
            actions: `(time_steps, 1)`, more than are played where the player dies.
        """
        states, seen, ends = [self._begin(seed)], [], []
        for action in actions[: self.time_steps]:
            ends.append(self._advance(action))
            if ends[-1][1]:
                break
            states.append(self.engine.get_state())
            if len(states) == self._together:
                seen += map(self._look, states)
                states = []
        seen += map(self._look, states)
        if ends[-1][1]:
            self._seen = seen[-1]
            seen.append(self._last())
        frames, counts, masks, variables = (np.array(column) for column in zip(*seen))
        variables = variables.T
        before = np.concatenate([variables[:, :1], variables[:, :-1]], axis=1)
        rewards, terminations, truncations = (np.array(column) for column in zip(*ends))
        return Episode(
            seed=seed,
            observations=frames,
            actions=actions[: len(ends)],
            rewards=rewards.astype(np.float32),
            terminations=terminations,
            truncations=truncations,
            infos=_info(counts.T, masks, variables, before),
        )

    @classmethod
    def earned(cls, reward: str, rewards: np.ndarray, infos: dict[str, np.ndarray]) -> np.ndarray:
        """Return in which steps of an episode a reward was earned, or damage taken: `(T,)` bool."""
        return rewards > 0 if reward == "reward" else infos["damage"][1:] > 0

    def close(self) -> None:
        """End the engine."""
        self.engine.close()

    def _begin(self, seed: int) -> vizdoom.GameState:
        """Start an episode; return its first state."""
        self.engine.set_seed(seed_32(seed))
        self.engine.new_episode()
        self._steps = 0
        return self.engine.get_state()

    def _advance(self, action: np.ndarray) -> tuple[float, bool, bool]:
        """Play one tic; return reward, terminated and truncated."""
        direction = np.asarray(action).item()
        reward = self.engine.make_action(BUTTONS[1 + (direction > 1 / 3) - (direction < -1 / 3)])
        self._steps += 1
        terminated = self.engine.is_episode_finished()
        return reward, terminated, not terminated and self._steps >= self.time_steps

    def _last(self) -> Seen:
        """Return what was seen last with the variables of the tic in which the player died."""
        return *self._seen[:-1], [self.engine.get_game_variable(name) for name in VARIABLES]


def environment(name: str) -> type[TakeCover]:
    """Return the class of a game of this family; there is one."""
    return TakeCover


def _start_engine(
    difficulty: int, render: bool, screen: vizdoom.ScreenResolution
) -> vizdoom.DoomGame:
    game = vizdoom.DoomGame()
    game.load_config(os.path.join(vizdoom.scenarios_path, "take_cover.cfg"))
    game.set_doom_config_path(os.devnull)  # else the engine leaves an ini file where it starts
    game.set_screen_resolution(screen)
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_render_hud(True)
    game.set_labels_buffer_enabled(True)
    game.set_available_game_variables(list(VARIABLES))
    game.set_doom_skill(difficulty)
    game.set_episode_timeout(0)  # truncation is ours: the engine shows no frame after its own
    game.set_window_visible(render)
    game.set_mode(vizdoom.Mode.PLAYER)
    game.init()
    return game


def _look(state: vizdoom.GameState, size: int) -> Seen:
    """Return the frame of a state, of so many rows and columns, and its ground truth."""
    counts, mask = _objects(state, size)
    frame = area_resize(_above_the_bar(state.screen_buffer), size)
    return frame, counts, mask, state.game_variables


def _above_the_bar(screen: np.ndarray) -> np.ndarray:
    """Cut the status bar off: the article crops its 480 rows at 400."""
    return screen[: len(screen) * 5 // 6]


def _info(counts: Any, mask: np.ndarray, variables: Any, before: Any) -> dict[str, Any]:
    """Name the ground truth of a frame, or of many if the numbers are arrays.

    Args:
        counts: monsters and fireballs in view.
        mask: pixels of the objects.
        variables: `VARIABLES`.
        before: `VARIABLES` of the frame before.
    """
    health, lost = np.maximum(variables[0], 0.0), np.maximum(before[0], 0.0)
    return {
        "monsters": np.int32(counts[0]),
        "fireballs": np.int32(counts[1]),
        "health": np.float32(health),
        "damage": np.float32(np.maximum(lost - health, 0.0)),
        "position_x": np.float32(variables[1]),
        "position_y": np.float32(variables[2]),
        "object_mask": mask,
    }


def _objects(state: vizdoom.GameState, size: int) -> tuple[list[int], np.ndarray]:
    """Count monsters and fireballs in view and mark their pixels in a frame."""
    count, labels = [0, 0], _above_the_bar(state.labels_buffer)
    bits = np.zeros(256, np.uint8)
    for label in state.labels:
        kind = CATEGORIES.get(label.object_category)
        if kind is not None and label.y < len(labels):
            count[kind] += 1
            bits[label.value] = (MONSTER, FIREBALL)[kind]
    return count, nearest_resize(labels, bits, size)
