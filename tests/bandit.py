"""A user's own game: registered with gymnasium, pictures, a MultiDiscrete space; and bad ones."""

import gymnasium
import numpy as np

CHOICES = (3, 2)


class Bandit(gymnasium.Env):
    """A grey square that brightens when the first number is 2; ends by itself after nine such."""

    metadata = {"render_modes": [], "render_fps": 20}
    observation_space = gymnasium.spaces.Box(0, 255, (80, 100, 1), np.uint8)
    action_space = gymnasium.spaces.MultiDiscrete(CHOICES)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.level = int(self.np_random.integers(10, 50))
        self.wins = 0
        return self._picture(), {}

    def step(self, action):
        won = int(action[0]) == 2
        self.wins += won
        self.level = min(self.level + 5 * won, 255)
        return self._picture(), float(won), self.wins >= 9, False, {"unused": object()}

    def _picture(self):
        return np.full((80, 100, 1), self.level, np.uint8)


class Numbers(Bandit):
    observation_space = gymnasium.spaces.Box(0, 1, (4,), np.float32)


class Switches(Bandit):
    action_space = gymnasium.spaces.MultiBinary((2, 2))


for name, entry in (("Bandit", Bandit), ("Numbers", Numbers), ("Switches", Switches)):
    gymnasium.register(f"Own{name}-v0", entry, max_episode_steps=60)
