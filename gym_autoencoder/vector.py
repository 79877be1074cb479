"""Many games whose frames are encoded together, in one compiled call a step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode

from gym_autoencoder.codes import Codes, Setting
from gym_autoencoder.environment import code_space
from reverie.games.separate import Separate


class EncodedVectorEnv(gymnasium.vector.VectorEnv):
    """What `EncodedEnv` is for one game, for many in one process.

    Game i under seed s is that of a single environment under seed s + i. An episode that ends
    begins anew in the same step: its last observation is `final_obs` and its last info `final_info`
    of `infos`, as gymnasium's own vectors have it.

    Args:
        num_envs: how many games.
        architecture: of the encoder.
        game: its name.
        weights: see `EncodedEnv`, as all that follow.
        render_mode: `rgb_array` for a tuple of pictures, or None.
        options: what the game takes.

    Raises:
        InputError: see `EncodedEnv`.
    """

    metadata = {
        "render_modes": ["rgb_array"],
        "render_fps": 15,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        architecture: str,
        game: str = "heist",
        weights: Path | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        setting = Setting(architecture, game, weights, tuple(options.items()))
        header = setting.check()
        self.num_envs, self.render_mode = num_envs, render_mode
        self._codes = Codes(setting.path())
        self._games = _start(setting, header, num_envs)
        self.single_action_space = setting.game_class().action_space
        self.single_observation_space = code_space(header.config["latent_size"])
        batched = gymnasium.vector.utils.batch_space
        self.action_space = batched(self.single_action_space, num_envs)
        self.observation_space = batched(self.single_observation_space, num_envs)
        self._frames = np.zeros((num_envs, *header.frame_shape), np.uint8)
        self._seeds: list[np.random.Generator | None] = [None] * num_envs

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict | None = None
    ) -> tuple:
        """Begin all games; without a seed each goes on with the levels that it draws."""
        if seed is None or isinstance(seed, int | np.integer):
            super().reset(seed=None if seed is None else int(seed))
            seed = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        for slot, own in enumerate(seed):
            if own is not None or self._seeds[slot] is None:
                self._seeds[slot] = seeding.np_random(own)[0]
            self._games.queue(slot, self._draw(slot) if own is None else int(own))
        list(self._games.step({}))
        self._begin()
        infos: dict = {}
        for slot, (_, info) in self._games.fresh.items():
            infos = self._add_info(infos, info | {"original_ob": self._frames[slot]}, slot)
        self._code = self._codes.encode(self._frames)
        return self._code.copy(), infos

    def step(self, actions: np.ndarray) -> tuple:
        """Play one step of all games."""
        rewards = np.zeros(self.num_envs)
        ends = np.zeros((2, self.num_envs), bool)
        last: dict[int, tuple[np.ndarray, dict]] = {}
        infos: dict = {}
        for slot, result in self._games.step(dict(enumerate(actions))):
            frame, rewards[slot], ends[0, slot], ends[1, slot], info = result
            self._frames[slot] = frame
            if ends[:, slot].any():
                last[slot] = frame, info
            else:
                infos = self._add_info(infos, info, slot)
        finals = self._codes.encode(self._frames) if last else None
        if late := last.keys() - self._games.fresh.keys():  # whose time was up
            self._games.restart(late)
        for slot, (frame, info) in last.items():
            final = {"final_obs": finals[slot], "final_info": info | {"original_ob": frame.copy()}}
            infos = self._add_info(infos, final | self._games.fresh[slot][1], slot)
        self._begin()
        infos["original_ob"] = self._frames.copy()
        infos["_original_ob"] = np.ones(self.num_envs, bool)
        self._code = self._codes.encode(self._frames)
        return self._code.copy(), rewards, *ends, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return frame and reconstruction of every game side by side, `(H, W, 3)` uint8 each."""
        if self.render_mode != "rgb_array":
            return None
        return tuple(self._codes.pictures(self._frames, self._code))

    def close_extras(self, **_: Any) -> None:
        """End the games."""
        self._games.close()

    def _begin(self) -> None:
        """Take the first frames of new episodes, and say which come after them."""
        for slot, (frame, _) in self._games.fresh.items():
            self._frames[slot] = frame
            self._games.queue(slot, self._draw(slot))

    def _draw(self, slot: int) -> int:
        """Draw the seed of the next episode as a single game does."""
        return int(self._seeds[slot].integers(2**31))


def _start(setting: Setting, header: Any, count: int) -> Any:
    """Start the games, together where the game can be played so."""
    game = setting.start(header)
    if setting.game_class().at_once == 1:
        return Separate([game, *(setting.start(header) for _ in range(count - 1))])
    games = game.batch(count)
    game.close()
    return games
