"""Any environment of gymnasium's registry that shows pictures: a user's own game needs no code."""

import importlib
from pathlib import Path

import cv2
import gymnasium
import numpy as np
from gymnasium.spaces import Box

from reverie.artifacts import InputError
from reverie.games.actions import ActionCode
from reverie.games.checked import Checked, failure
from reverie.games.game import FRAME_SHAPE, Game, frame_space

TIME_STEPS = 1000  # where the registration names no limit


class Registered(Game):
    """A registered environment, its pictures resized to square RGB by area.

    Its own wrappers stay, its limit of steps is ours: an episode is truncated after `time_steps` or
    when the environment says so. Grey pictures are shown in grey.

    Args:
        time_steps: steps after which an episode is truncated.
        render: show the game in a window.
        frame_size: rows and columns of a frame.
    """

    settings: dict[str, object] = {}
    windowed = True

    def __init__(
        self,
        time_steps: int = TIME_STEPS,
        render: bool = False,
        frame_size: int = FRAME_SHAPE[0],
    ) -> None:
        window = {"render_mode": "human"} if render else {}
        limit = {"max_episode_steps": -1}  # none: the limit is ours
        self._env = _start(self.env_id, self.settings | window | limit)
        self._limit, self._size = time_steps, frame_size
        self.observation_space = frame_space(frame_size)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode; the seed decides it as far as the environment lets it."""
        super().reset(seed=seed)
        self._steps = 0
        picture, _ = self._env.reset(seed=seed, options=options)
        return see(picture, self._size), {}

    def step(self, action: np.ndarray) -> tuple:
        """Play one step."""
        picture, reward, terminated, truncated, _ = self._env.step(action)
        self._steps += 1
        truncated = bool(truncated or self._steps >= self._limit) and not terminated
        return see(picture, self._size), reward, terminated, truncated, {}

    def close(self) -> None:
        """End the game."""
        self._env.close()


def see(picture: np.ndarray, size: int) -> np.ndarray:
    """Turn a picture `(rows, columns)` or `(rows, columns, channels)` uint8 into a frame."""
    picture = np.ascontiguousarray(picture)
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    grey = small.ndim == 2 or small.shape[-1] == 1
    return np.repeat(small.reshape(size, size, 1), 3, axis=2) if grey else small[..., :3]


def environment(name: str, settings: dict | None = None) -> type[Registered]:
    """Return the class of a registered environment; it is started once to ask for its spaces.

    Args:
        name: its id, `module:id` to have the module imported that registers it.
        settings: what it is made with.

    Raises:
        InputError: it does not start, shows no pictures, or wants actions that are not supported.
    """
    settings = settings or {}
    env = _start(name, settings)
    meanings = getattr(env.unwrapped, "get_action_meanings", tuple)()
    spec, fps = env.spec, env.metadata.get("render_fps") or Registered.fps
    pictures, actions = env.observation_space, env.action_space
    env.close()
    check_pictures(name, pictures)
    try:
        ActionCode.from_space(actions)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    values = {
        "env_id": name,
        "version": f"gymnasium {gymnasium.__version__}",
        "settings": settings,
        "action_space": actions,
        "action_names": tuple(map(str, meanings)),
        "time_steps": spec.max_episode_steps or TIME_STEPS,
        "fps": fps,
        "windowed": "human" in env.metadata.get("render_modes", ()),
    }
    return type(spec.name, (Registered,), values)


def check_pictures(name: str, space: gymnasium.Space) -> None:
    """Check that observations are pictures.

    Raises:
        InputError: they are something else.
    """
    shape = space.shape or ()
    sizes = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if not (isinstance(space, Box) and space.dtype == np.uint8 and sizes):
        raise InputError(
            f"{name}: observations {space} are not pictures, (rows, columns, 1, 3 or 4) of uint8; "
            "make it show pictures, e.g. with gymnasium.wrappers.AddRenderObservation"
        )


def _start(name: str, settings: dict[str, object]) -> gymnasium.Env:
    if ":" in name:
        _import(name, name.partition(":")[0])
    try:
        env = gymnasium.make(name, disable_env_checker=True, **settings)
    except gymnasium.error.Error as error:
        raise InputError(f"{name}: gymnasium cannot start it ({error})") from error
    except Exception as error:
        raise failure(f"{name}: its constructor", error) from error
    return Checked(env, name)


def _import(name: str, module: str) -> None:
    """Import the module that registers an environment."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(f"{name}: {_not_found(module, error)}") from error
    except Exception as error:
        raise failure(f"{name}: importing {module}", error) from error


def _not_found(module: str, error: ModuleNotFoundError) -> str:
    """Say what to do about a module that is not found."""
    if error.name == module.partition(".")[0] and _lies_here(error.name):
        return (
            f"the module {module} lies in the current folder; put PYTHONPATH=. before the command"
        )
    return (
        f"no module named {error.name}; install it, or put PYTHONPATH=<its folder> before the "
        "command"
    )


def _lies_here(module: str) -> bool:
    return Path(f"{module}.py").is_file() or (Path(module) / "__init__.py").is_file()
