"""The dream as a gymnasium environment: `gymnasium.make_vec("reverie/Dream-v0", ...)`.

An environment reads the headers of its networks when it is made, and loads them when it first
dreams: gymnasium makes one in the parent of an asynchronous vector to ask for its spaces, and a
process in which TensorFlow has not been started can be forked.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv

from reverie.backend import compiled, refuse_after_fork
from reverie.dreams.features import check_features, feature_count, join_features
from reverie.dreams.options import DreamOptions, check_count
from reverie.games.actions import ActionCode
from reverie.headers import WeightsHeader, open_header
from reverie.latents.storage import load_first_frames
from reverie.lineage import known_vae, open_networks
from reverie.reports.plots import as_bytes
from reverie.training.weights import load_network


class DreamVectorEnv(VectorEnv):
    """Many dreams stepped together, each begun anew in the step after its end.

    The actions are the game's own. The observation is the latent and, by `features`, the LSTM's
    output and cell state; `info` holds the latent as `z`. A dream terminates when the network says
    so and is truncated by its length. Each has a source of noise of its own, seeded one after the
    other as gymnasium does it: dream i of a vector is the dream that `DreamEnv` has under seed + i.

    Args:
        rnn_weights: what stage 4 wrote.
        num_envs: dreams at a time.
        features: `z`, `zh` or `zhc`.
        temperature: of the mixture, see `DreamOptions`.
        sigma_temperature: of the spread inside a component; the same by default.
        time_steps: longest dream.
        vae_weights: what `render` shows the dream with; by default the VAE that the MDN-RNN was
            trained with, where its weights name it.
        render_mode: `rgb_array` or None.

    Raises:
        ValueError: an option is out of its range.
        InputError: a file cannot be used, or the MDN-RNN was trained with another VAE.
    """

    metadata = {
        "render_modes": ["rgb_array"],
        "render_fps": 35,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        rnn_weights: Path,
        num_envs: int = 1,
        features: str = "zh",
        temperature: float = 1.15,
        sigma_temperature: float | None = None,
        time_steps: int = 2100,
        vae_weights: Path | None = None,
        render_mode: str | None = None,
    ) -> None:
        check_features(features)
        check_count("num_envs", num_envs)
        self.num_envs, self.features, self.render_mode = num_envs, features, render_mode
        self.options = DreamOptions(temperature, time_steps, sigma_temperature=sigma_temperature)
        self.rnn_weights = Path(rnn_weights)
        self.vae_weights = None if vae_weights is None else Path(vae_weights)
        self._header = open_header(self.rnn_weights, WeightsHeader, network="MDNRNN")
        if self.vae_weights is not None:
            open_networks(self.vae_weights, self.rnn_weights, game=self._header.game)
        self._noise: list[np.random.Generator | None] = [None] * num_envs
        config = self._header.config
        size = feature_count(features, config["latent_size"], config["units"])
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self._code = ActionCode.from_description(self._header.action_space)
        self.single_action_space = self._code.space
        batch = gymnasium.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, num_envs)
        self.action_space = batch(self.single_action_space, num_envs)

    @cached_property
    def _dream(self) -> Any:
        """The dream; here, and not before, Keras is started."""
        rnn = load_network(self.rnn_weights, "MDNRNN")
        from reverie.dreams.dream import Dream

        return Dream(rnn, *load_first_frames(self.rnn_weights), self.options)

    @cached_property
    def _step(self) -> Any:
        return compiled(self._dream.step)

    @cached_property
    def _decode(self) -> Any:
        path = self.vae_weights or known_vae(self.rnn_weights, self._header)
        return compiled(load_network(path, "VAE").decode)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict | None = None
    ) -> tuple:
        """Begin all dreams; without a seed each goes on with its own noise.

        Raises:
            ForkError: the process is a fork of one in which Keras's backend was running.
        """
        refuse_after_fork()
        if seed is None or isinstance(seed, int | np.integer):
            super().reset(seed=None if seed is None else int(seed))
            seed = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        for index, own in enumerate(seed):
            if own is not None or self._noise[index] is None:
                self._noise[index] = seeding.np_random(own)[0]
        states = [self._dream.first_state(1, rng) for rng in self._noise]
        self._state = {name: np.concatenate([s[name] for s in states]) for name in states[0]}
        self._length = np.zeros(self.num_envs, int)
        self._over = np.zeros(self.num_envs, bool)
        return self._observation(), self._info()

    def step(self, actions: np.ndarray) -> tuple:
        """Dream one step; where a dream was over, its action is ignored and a new one begins."""
        began = self._over.copy()
        codes = self._code.encode(np.asarray(actions))
        going = [None if over else rng for over, rng in zip(began, self._noise)]
        noise = self._dream.draw_noise(going)
        state, rewards, ends = self._step(self._state, codes, noise)
        self._state = {name: np.array(values) for name, values in state.items()}
        for index in np.flatnonzero(began):
            for name, values in self._dream.first_state(1, self._noise[index]).items():
                self._state[name][index] = values[0]
        self._length = np.where(began, 0, self._length + 1)
        terminated = np.asarray(ends) & ~began
        truncated = ~terminated & (self._length >= self.options.time_steps)
        self._over = terminated | truncated
        rewards = np.where(began, 0.0, np.asarray(rewards)).astype(np.float64)
        return self._observation(), rewards, terminated, truncated, self._info()

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Show every dream as `(rows, columns, 3)` uint8.

        Raises:
            InputError: the VAE is not where the MDN-RNN's weights say, and none was named.
        """
        if self.render_mode != "rgb_array":
            return None
        return tuple(as_bytes(np.asarray(self._decode(self._state["z"]))))

    def _observation(self) -> np.ndarray:
        return join_features(self.features, *(self._state[name] for name in "zhc"))

    def _info(self) -> dict[str, Any]:
        return {"z": self._state["z"].copy(), "_z": np.ones(self.num_envs, bool)}


class DreamEnv(gymnasium.Env):
    """One dream; takes what `DreamVectorEnv` takes, but for `num_envs`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 35}

    def __init__(self, rnn_weights: Path, **options: Any) -> None:
        self._dreams = DreamVectorEnv(rnn_weights, 1, **options)
        self.render_mode = self._dreams.render_mode
        self.observation_space = self._dreams.single_observation_space
        self.action_space = self._dreams.single_action_space

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Begin a dream; the seed decides it."""
        super().reset(seed=seed)
        observations, infos = self._dreams.reset(seed=seed)
        return observations[0], {"z": infos["z"][0]}

    def step(self, action: np.ndarray) -> tuple:
        """Dream one step."""
        results = self._dreams.step(np.asarray(action)[None])
        observations, rewards, terminated, truncated, infos = results
        ends = bool(terminated[0]), bool(truncated[0])
        return observations[0], float(rewards[0]), *ends, {"z": infos["z"][0]}

    def render(self) -> np.ndarray | None:
        """Show the dream as `(rows, columns, 3)` uint8."""
        frames = self._dreams.render()
        return None if frames is None else frames[0]
