"""The same environments for the old gym, which gymnasium has replaced."""

from typing import Any

import numpy as np

from gym_autoencoder.environment import EncodedEnv
from reverie.games.game import import_gym

gym = import_gym()


class OldEncodedEnv(gym.Env):
    """`EncodedEnv` under `gym.make`; takes the same arguments."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}

    def __init__(self, **options: Any) -> None:
        self._env = EncodedEnv(**options)
        self.render_mode = self._env.render_mode
        low, high = self._env.observation_space.low, self._env.observation_space.high
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float32)
        self.action_space = _space(self._env.action_space)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode; see `EncodedEnv.reset`."""
        super().reset(seed=seed)
        return self._env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple:
        """Play one step; see `EncodedEnv.step`."""
        return self._env.step(action)

    def render(self) -> np.ndarray | None:
        """Return frame and reconstruction side by side."""
        return self._env.render()

    def close(self) -> None:
        """End the game."""
        self._env.close()


def _space(space: Any) -> Any:
    """Return a space of gymnasium as one of gym."""
    name = type(space).__name__
    if name == "Discrete":
        return gym.spaces.Discrete(int(space.n))
    if name == "MultiDiscrete":
        return gym.spaces.MultiDiscrete(space.nvec)
    return gym.spaces.Box(space.low, space.high, dtype=space.dtype.type)
