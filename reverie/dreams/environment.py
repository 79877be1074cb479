"""The dream as a gymnasium environment: `gymnasium.make_vec("reverie/Dream-v0", ...)`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv

from reverie.backend import compiled
from reverie.controllers.controller import FEATURES
from reverie.dreams.dream import Dream, DreamOptions
from reverie.games.actions import ActionCode
from reverie.headers import WeightsHeader, check_same_vae, open_header
from reverie.latents.storage import load_first_frames
from reverie.training.weights import load_network

ENV_ID = "reverie/Dream-v0"


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
        temperature: of the mixture.
        sigma_temperature: of the spread inside a component; the same by default.
        time_steps: longest dream.
        vae_weights: lets `render` show the dream.
        render_mode: `rgb_array` or None.
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
        if features not in FEATURES:
            raise ValueError(f"features must be one of {FEATURES}, not {features!r}")
        self.num_envs, self.features, self.render_mode = num_envs, features, render_mode
        header = open_header(Path(rnn_weights), WeightsHeader, network="MDNRNN")
        self._rnn = load_network(Path(rnn_weights), "MDNRNN")
        options = DreamOptions(temperature, time_steps, sigma_temperature=sigma_temperature)
        self._dream = Dream(self._rnn, *load_first_frames(Path(rnn_weights)), options)
        self._decode = None
        if vae_weights is not None:
            check_same_vae(Path(rnn_weights), header, Path(vae_weights))
            self._decode = compiled(load_network(Path(vae_weights), "VAE").decode)
        self._step = compiled(self._dream.step)
        self._choices = self._dream.noise((1,), 0, 0)["choice"].shape[1:]
        self._noise: list[np.random.Generator | None] = [None] * num_envs
        size = self._rnn.latent_size + self._rnn.units * (len(features) - 1)
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self._code = ActionCode.from_description(header.action_space)
        self.single_action_space = self._code.space
        batch = gymnasium.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, num_envs)
        self.action_space = batch(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict | None = None
    ) -> tuple:
        """Begin all dreams; without a seed each goes on with its own noise."""
        if seed is None or isinstance(seed, int | np.integer):
            super().reset(seed=None if seed is None else int(seed))
            seed = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        for index, own in enumerate(seed):
            if own is not None or self._noise[index] is None:
                self._noise[index] = seeding.np_random(own)[0]
        states = [self._first_state(index) for index in range(self.num_envs)]
        self._state = {name: np.stack([state[name] for state in states]) for name in states[0]}
        self._length = np.zeros(self.num_envs, int)
        self._over = np.zeros(self.num_envs, bool)
        return self._observation(), self._info()

    def step(self, actions: np.ndarray) -> tuple:
        """Dream one step; where a dream was over, its action is ignored and a new one begins."""
        began = self._over.copy()
        noise = self._draw(began)
        codes = self._code.encode(np.asarray(actions))
        state, rewards, ends = self._step(self._state, codes, noise)
        self._state = {name: np.array(values) for name, values in state.items()}
        for index in np.flatnonzero(began):
            for name, values in self._first_state(index).items():
                self._state[name][index] = values
        self._length = np.where(began, 0, self._length + 1)
        terminated = np.asarray(ends) & ~began
        truncated = ~terminated & (self._length >= self._dream.options.time_steps)
        self._over = terminated | truncated
        rewards = np.where(began, 0.0, np.asarray(rewards)).astype(np.float64)
        return self._observation(), rewards, terminated, truncated, self._info()

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Show every dream as `(rows, columns, 3)` uint8; needs `vae_weights`."""
        if self.render_mode != "rgb_array" or self._decode is None:
            return None
        frames = np.asarray(self._decode(self._state["z"]))
        return tuple(np.clip(np.rint(frames * 255.0), 0, 255).astype(np.uint8))

    def _first_state(self, index: int) -> dict[str, np.ndarray]:
        zeros = np.zeros(self._rnn.units, np.float32)
        return {"z": self._dream.first_latents(1, self._noise[index])[0], "h": zeros, "c": zeros}

    def _draw(self, began: np.ndarray) -> dict[str, np.ndarray]:
        """Draw what `Dream.noise` draws, for each dream that goes on from its own source."""
        noise = {
            "choice": np.zeros((self.num_envs, *self._choices), np.float32),
            "spread": np.zeros((self.num_envs, self._rnn.latent_size), np.float32),
            "end": np.zeros(self.num_envs, np.float32),
        }
        for index in np.flatnonzero(~began):
            source = self._noise[index]
            noise["choice"][index] = source.gumbel(size=self._choices)
            noise["spread"][index] = source.standard_normal(self._rnn.latent_size)
            noise["end"][index] = source.random()
        return noise

    def _observation(self) -> np.ndarray:
        parts = [self._state[name] for name in ("z", "h", "c")[: len(self.features)]]
        return np.concatenate(parts, axis=-1)

    def _info(self) -> dict[str, Any]:
        return {"z": self._state["z"].copy(), "_z": np.ones(self.num_envs, bool)}


class DreamEnv(gymnasium.Env):
    """One dream; takes what `DreamVectorEnv` takes."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 35}

    def __init__(self, **options: Any) -> None:
        self._dreams = DreamVectorEnv(num_envs=1, **options)
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
        """Show the dream as `(rows, columns, 3)` uint8; needs `vae_weights`."""
        frames = self._dreams.render()
        return None if frames is None else frames[0]


def register() -> None:
    """Make the dream known to gymnasium; importing this module does it."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, DreamEnv, vector_entry_point=DreamVectorEnv)


register()
