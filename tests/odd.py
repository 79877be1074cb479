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


class NaNReward(Base):
    def reward(self):
        return float("nan") if self.steps == 3 else 1.0


class InfReward(Base):
    def reward(self):
        return float("-inf") if self.steps == 3 else 1.0


class HugeReward(Base):
    def reward(self):
        return 1e39 if self.steps == 3 else 1.0


class TextReward(Base):
    def reward(self):
        return "a lot" if self.steps == 3 else 1.0


class ArrayReward(Base):
    """What NumPy users return, all of it as good as plain numbers."""

    def step(self, action):
        frame, reward, terminated, truncated, info = super().step(action)
        return frame, np.array([reward]), np.array(terminated), np.bool_(truncated), info


class FloatFrames(Base):
    def frame(self):
        return super().frame() / 255.0


class LaterFloatFrames(Base):
    def frame(self):
        return super().frame() / 255.0 if self.steps == 3 else super().frame()


class OtherShape(Base):
    def frame(self):
        return super().frame()[:-1]


class NoArray(Base):
    def frame(self):
        return super().frame().tolist()


class RaisesInStep(Base):
    def step(self, action):
        if self.steps == 2:
            raise ValueError("boom inside the user's step")
        return super().step(action)


class RaisesInReset(Base):
    def reset(self, **options):
        raise KeyError("level")


class RaisesInConstructor(Base):
    def __init__(self, **options):
        raise FileNotFoundError(2, "No such file or directory", "/roms/my_game.bin")


class OldReset(Base):
    def reset(self, **options):
        return super().reset(**options)[0]


class OldStep(Base):
    def step(self, action):
        return super().step(action)[1:]


class DictObservations(Base):
    observation_space = gymnasium.spaces.Dict({"image": Base.observation_space})


class DictActions(Base):
    action_space = gymnasium.spaces.Dict({"turn": Base.action_space})


class Sided(Base):
    """Needs an argument, which changes its actions."""

    def __init__(self, actions, render_mode=None):
        super().__init__(render_mode)
        self.action_space = gymnasium.spaces.Discrete(actions)


for _name, _class in list(globals().items()):
    if isinstance(_class, type) and issubclass(_class, Base) and _class is not Base:
        gymnasium.register(f"{_name}-v0", _class)
gymnasium.register("Plain", Base)
