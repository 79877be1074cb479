"""The real game as an agent of the dream sees it: `gymnasium.make("reverie/Awake-v0", ...)`.

Like the dream's, this environment loads its networks when it is first reset, so that gymnasium can
make one to ask for its spaces and fork afterwards.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from reverie.dreams.features import check_features, feature_count
from reverie.dreams.options import check_count
from reverie.games import game_class, make_game
from reverie.games.actions import ActionCode
from reverie.games.game import frame_options, frame_shape
from reverie.lineage import check_frames, open_networks
from reverie.training.weights import load_network


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
        ValueError: an option is out of its range.
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
        check_features(features)
        if "time_steps" in options:
            check_count("time_steps", options["time_steps"])
        self.vae_weights, self.rnn_weights = Path(vae_weights), Path(rnn_weights)
        made_by = game_class(game, options)
        vae, rnn = open_networks(
            self.vae_weights, self.rnn_weights, game=game, preprocessing=made_by.preprocessing
        )
        self.render_mode, self._features = render_mode, features
        options = made_by.scored_with | frame_options(vae.frame_shape) | options
        check_frames(game, frame_shape(options), self.vae_weights, vae)
        self._game = make_game(game, **options)
        self.action_space = self._game.action_space
        self._code = ActionCode.from_space(self.action_space)
        size = feature_count(features, rnn.config["latent_size"], rnn.config["units"])
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    @cached_property
    def _agents(self) -> Any:
        """A batch of one agent; here, and not before, Keras is started."""
        vae = load_network(self.vae_weights, "VAE")
        rnn = load_network(self.rnn_weights, "MDNRNN")
        from reverie.controllers.agents import Agents

        return Agents(vae, rnn, 1)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode of the game.

        Raises:
            ForkError: the process is a fork of one in which Keras's backend was running.
        """
        super().reset(seed=seed)
        self._agents.begin(0)
        frame, info = self._game.reset(seed=seed, options=options)
        self._agents.see(frame[None], self._noise())
        return self._observe(frame, info)

    def step(self, action: np.ndarray) -> tuple:
        """Play one step of the game."""
        codes = self._code.encode(np.asarray(action))[None]
        frame, reward, terminated, truncated, info = self._game.step(action)
        self._agents.follow(codes, frame[None], self._noise())
        observation, info = self._observe(frame, info)
        return observation, reward, terminated, truncated, info

    def render(self) -> np.ndarray | None:
        """Return the frame `(rows, columns, 3)` uint8."""
        return self._frame if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """End the game."""
        self._game.close()

    def _noise(self) -> np.ndarray:
        return self.np_random.standard_normal(self._agents.latents.shape)

    def _observe(self, frame: np.ndarray, info: dict) -> tuple[np.ndarray, dict]:
        """Return what the agent knows now, and the game's info with the latent."""
        self._frame = frame
        seen = self._agents.observe(self._features)[0]
        return seen, info | {"z": self._agents.latents[0].copy()}
