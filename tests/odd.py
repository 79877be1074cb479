"""Environments as people bring them, with something odd about each: `odd:NaNReward-v0`, ..."""

import os
import signal
import time
from pathlib import Path

import gymnasium
import numpy as np

DEATHS = "ODD_DEATHS"  # names a file with a letter for each death that is still to come


class Base(gymnasium.Env):
    """A square that the actions move; an episode has forty steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(3)
    length = 40

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def frame(self):
        frame = np.zeros((64, 64, 3), np.uint8)
        start = (self.place % 8) * 7
        frame[start : start + 7, 10:20] = 200
        return frame

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.place = 0, int(self.np_random.integers(8))
        return self.frame(), {}

    def reward(self):
        return float(self.place % 2)

    def step(self, action):
        self.steps += 1
        self.place += int(action) - 1
        return self.frame(), self.reward(), self.steps >= self.length, False, {}


class Mortal(Base):
    """Its process is killed in the fifth step of an episode, as often as the file says."""

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def step(self, action):
        path = Path(os.environ[DEATHS])
        if self.steps == 5 and (left := path.read_text()):
            path.write_text(left[1:])
            self.die()
        return super().step(action)


class Greedy(Mortal):
    """Wants more memory than there is."""

    def die(self):
        raise MemoryError


class Sleeper(Base):
    """Takes a minute for a step."""

    def step(self, action):
        time.sleep(60)
        return super().step(action)


for _name, _class in list(globals().items()):
    if isinstance(_class, type) and issubclass(_class, Base) and _class is not Base:
        gymnasium.register(f"{_name}-v0", _class)
