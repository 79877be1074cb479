"""The real game as an agent of the dream sees it: `gymnasium.make("reverie/Awake-v0", ...)`."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from reverie.backend import compiled
from reverie.controllers.controller import FEATURES
from reverie.games import game_class, make_game
from reverie.games.actions import ActionCode
from reverie.games.game import frame_options, frame_shape
from reverie.headers import check_frames, open_networks
from reverie.training.weights import load_network

ENV_ID = "reverie/Awake-v0"


class AwakeEnv(gymnasium.Env):
    """A game whose observations are those of `DreamEnv`: what was learned there is tried here.

    The observation is the latent drawn for the frame and, by `features`, the LSTM's output and cell
    state; `info` is the game's with the latent as `z`. Actions, rewards and ends are the game's.

    Args:
        game: its name.
        vae_weights: what stage 2 wrote.
        rnn_weights: what stage 4 wrote, on latents of that VAE.
        features: `z`, `zh` or `zhc`.
        render_mode: `rgb_array`, the frame, or None.
        options: what the game takes, e.g. `time_steps`.

    Raises:
        InputError: the networks are not of this game, or do not belong together.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(
        self,
        game: str,
        vae_weights: Path,
        rnn_weights: Path,
        features: str = "zh",
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if features not in FEATURES:
            raise ValueError(f"features must be one of {FEATURES}, not {features!r}")
        vae_weights, rnn_weights = Path(vae_weights), Path(rnn_weights)
        preprocessing = game_class(game).preprocessing
        vae, _ = open_networks(vae_weights, rnn_weights, game=game, preprocessing=preprocessing)
        self.render_mode, self._features = render_mode, features
        self._rnn = load_network(rnn_weights, "MDNRNN")
        self._encode = compiled(load_network(vae_weights, "VAE").encode)
        self._remember = compiled(self._rnn.step)
        options = game_class(game).scored_with | frame_options(vae.frame_shape) | options
        check_frames(game, frame_shape(options), vae_weights, vae)
        self._game = make_game(game, **options)
        self.action_space = self._game.action_space
        self._code = ActionCode.from_space(self.action_space)
        size = self._rnn.latent_size + self._rnn.units * (len(features) - 1)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode of the game."""
        super().reset(seed=seed)
        frame, info = self._game.reset(seed=seed, options=options)
        self._state = [np.zeros((1, self._rnn.units), np.float32)] * 2
        return self._see(frame), info | {"z": self._latents[0].copy()}

    def step(self, action: np.ndarray) -> tuple:
        """Play one step of the game."""
        code = self._code.encode(np.asarray(action))[None]
        self._state = [
            np.asarray(part) for part in self._remember(self._latents, code, self._state)
        ]
        frame, reward, terminated, truncated, info = self._game.step(action)
        observation = self._see(frame)
        return observation, reward, terminated, truncated, info | {"z": self._latents[0].copy()}

    def render(self) -> np.ndarray | None:
        """Return the frame `(rows, columns, 3)` uint8."""
        return self._frame if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """End the game."""
        self._game.close()

    def _see(self, frame: np.ndarray) -> np.ndarray:
        self._frame = frame
        mu, logvar = (np.asarray(part) for part in self._encode(frame[None]))
        noise = self.np_random.standard_normal(mu.shape)
        self._latents = (mu + np.exp(0.5 * logvar) * noise).astype(np.float32)
        parts = [self._latents, *self._state][: len(self._features)]
        return np.concatenate(parts, axis=-1)[0]


def register() -> None:
    """Make it known to gymnasium; importing this module does it."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, AwakeEnv)


register()
