"""One game whose observation is the code of its frame."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from gym_autoencoder.codes import Codes, Setting


class EncodedEnv(gymnasium.Env):
    """A game as an encoder sees it; actions, rewards and ends are the game's.

    The observation is the encoder's code, the mean where it is a Gaussian: `(Z,)` float32.
    `info["original_ob"]` is the frame `(rows, columns, 3)` uint8, beside what the game says.

    Args:
        architecture: of the encoder.
        game: its name.
        weights: what `02_train_vae.py` wrote; by default those that come with the package.
        render_mode: `rgb_array`, the frame beside its reconstruction, or None.
        options: what the game takes, such as `distribution_mode`, `num_levels`, `start_level` and
            `time_steps`; Procgen's games say their ground truth under `with_truth=True`.

    Raises:
        InputError: the weights are of another game or architecture, or see other frames.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}

    def __init__(
        self,
        architecture: str,
        game: str = "heist",
        weights: Path | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        setting = Setting(architecture, game, weights, tuple(options.items()))
        header = setting.check()
        self.render_mode, self._codes = render_mode, Codes(setting.path())
        self._game = setting.start(header)
        self.action_space = self._game.action_space
        self.observation_space = code_space(header.config["latent_size"])

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode of the game; the seed decides it."""
        super().reset(seed=seed)
        return self._see(*self._game.reset(seed=seed, options=options))

    def step(self, action: Any) -> tuple:
        """Play one step of the game."""
        frame, reward, terminated, truncated, info = self._game.step(action)
        code, info = self._see(frame, info)
        return code, float(reward), bool(terminated), bool(truncated), info

    def render(self) -> np.ndarray | None:
        """Return frame and reconstruction side by side, `(H, W, 3)` uint8."""
        if self.render_mode != "rgb_array":
            return None
        return self._codes.pictures(self._frame[None], self._code[None])[0]

    def close(self) -> None:
        """End the game."""
        self._game.close()

    def _see(self, frame: np.ndarray, info: dict) -> tuple[np.ndarray, dict]:
        self._frame, self._code = frame, self._codes.encode(frame[None])[0]
        return self._code, info | {"original_ob": frame}


def code_space(size: int) -> gymnasium.spaces.Box:
    """Return the space of codes of so many numbers."""
    return gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
