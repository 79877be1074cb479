"""The MDN-RNN: an LSTM that predicts a mixture over the next latent, the reward and the end."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from . import lstm
from .mixture import Mixture
from .shares import normal, total

HEADS = ("reward", "termination", "gaussian")


@keras.saving.register_keras_serializable("reverie")
class MDNRNN(keras.Model):
    """Predicts the next latent from latents and actions (Ha and Schmidhuber, arXiv 1803.10122).

    With `mixture="per_dim"`, 512 units, five components, the termination head alone and a restart
    flag as second action it is the article's Doom network (1,678,785 parameters); with 256 units,
    32 latents, three actions and no heads its CarRacing network (422,368).

    Args:
        latent_size: latent dimensions Z.
        action_size: numbers in an action A.
        units: LSTM units H.
        num_mixtures: components K.
        mixture: `joint` or `per_dim`, see `Mixture`.
        heads: what is predicted beside the mixture: `reward`, `termination`, and `gaussian`, a
            one-component head on the same LSTM, without influence on it, that the mixture is
            compared with.
        latent_scale: latents are multiplied by it on their way in and divided on their way out.
        action_levels: into how many equal parts of [-1, 1] the game sorts each number of an action
            (Doom: 3, for left, stay and right); 0 if it takes them as they are. The network is
            shown the part, so that it need not learn where one ends.
        reward_scale: what the reward's error is measured in, such as its standard deviation in the
            data, so that games that count in hundreds learn like those that count in ones.
        termination_weight: factor of the termination's cross-entropy in the loss. Deaths and
            survivals weigh the same, which keeps the termination probability calibrated.
        seed: decides the latents that are drawn in training.
    """

    def __init__(
        self,
        latent_size: int = 64,
        action_size: int = 1,
        units: int = 512,
        num_mixtures: int = 5,
        mixture: str = "joint",
        heads: tuple[str, ...] = HEADS,
        latent_scale: float = 1.0,
        action_levels: int = 0,
        reward_scale: float = 1.0,
        termination_weight: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.latent_size, self.action_size, self.units = latent_size, action_size, units
        self.num_mixtures, self.form = num_mixtures, mixture
        self.heads, self.termination_weight = tuple(heads), termination_weight
        self.latent_scale, self.action_levels = latent_scale, action_levels
        self.reward_scale = reward_scale
        self.mixture = Mixture(latent_size, num_mixtures, mixture)
        self.scalars = [name for name in self.heads if name != "gaussian"]
        self.lstm = keras.layers.LSTM(units, return_sequences=True, return_state=True, name="lstm")
        outputs = self.mixture.parameters + len(self.scalars)
        self.head = keras.layers.Dense(outputs, dtype="float32", name="head")
        self.gaussian = Mixture(latent_size, 1, "joint")
        if "gaussian" in self.heads:
            size = self.gaussian.parameters
            self.gaussian_head = keras.layers.Dense(size, dtype="float32", name="gaussian_head")
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in ("nats_per_frame", *self.heads)
        }
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Create the weights; every size is known from the start."""
        inputs = self.latent_size + self.action_size
        self.lstm.build((None, None, inputs))
        self.sequences = lstm.sequences(inputs + 1, self.units)
        self.head.build((None, None, self.units))
        if "gaussian" in self.heads:
            self.gaussian_head.build((None, None, self.units))
        self.built = True

    def expect_ends(self, rate: float) -> None:
        """Let the termination head begin by saying that this share of steps ends an episode.

        Ends are rare. A head that begins at one half spends its first epochs on unlearning that,
        and a network that saw little data dreams a few steps (Lin et al., arXiv 1708.02002, 4.1).
        """
        index = self.mixture.parameters + self.scalars.index("termination")
        bias = np.array(ops.convert_to_numpy(self.head.bias))
        bias[index] = math.log(rate / (1.0 - rate))
        self.head.bias.assign(bias)

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {
            "latent_size": self.latent_size,
            "action_size": self.action_size,
            "units": self.units,
            "num_mixtures": self.num_mixtures,
            "mixture": self.form,
            "heads": list(self.heads),
            "latent_scale": self.latent_scale,
            "action_levels": self.action_levels,
            "reward_scale": self.reward_scale,
            "termination_weight": self.termination_weight,
        }

    def predictions(self, hidden: Any) -> dict[str, Any]:
        """Turn LSTM outputs `(..., H)` into predictions.

        Returns:
            `mixture` `(..., parameters)`; `reward` and `termination` `(...)`, the latter a logit.
        """
        raw = self.head(hidden)
        size = self.mixture.parameters
        outputs = {name: raw[..., size + index] for index, name in enumerate(self.scalars)}
        if "reward" in outputs:
            outputs["reward"] = outputs["reward"] * self.reward_scale
        return {"mixture": raw[..., :size]} | outputs

    def _join(self, latents: Any, actions: Any) -> Any:
        actions = ops.cast(actions, "float32")
        if self.action_levels:
            last = self.action_levels - 1
            level = ops.floor((actions + 1.0) / 2.0 * self.action_levels)
            actions = ops.clip(level, 0, last) / last * 2.0 - 1.0
        return ops.concatenate([latents, actions], axis=-1)

    def hidden(self, latents: Any, actions: Any) -> Any:
        """Run the LSTM from zero over whole sequences `(B, L, Z)`, `(B, L, A)`: `(B, L, H)`."""
        return self.lstm(self._join(latents * self.latent_scale, actions))[0]

    def step(self, latents: Any, actions: Any, state: list[Any]) -> list[Any]:
        """Move the LSTM one step: `(B, Z)`, `(B, A)`, state `[h, c]` of `(B, H)` -> new state."""
        inputs = self._join(latents * self.latent_scale, actions)
        return list(self.lstm.cell(inputs, state)[1])

    def initial_state(self, rows: int) -> list[Any]:
        """Return the LSTM's state at the beginning of an episode: `[h, c]`, zeros `(rows, H)`."""
        return [ops.zeros((rows, self.units)) for _ in range(2)]

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Predict every next frame of sequences from zero, see `unroll`."""
        return self.unroll(inputs)[0]

    def unroll(
        self, inputs: dict[str, Any], state: list[Any] | None = None
    ) -> tuple[dict[str, Any], list[Any]]:
        """Predict every next frame of sequences, latents drawn anew from their posteriors.

        Args:
            inputs: `mu` and `logvar` `(B, L + 1, Z)`, `actions` `(B, L, A)`, and `begins` `(B, L)`
                where another episode may begin inside a sequence: 1 where the state is zero again.
                The step before, which leads from one episode into the other, predicts nothing.
            state: of the LSTM before the first step, `[h, c]` of `(B, H)`; zeros by default.

        Returns:
            What `predictions` gives, `(B, L, ...)`, `next_latent` `(B, L, Z)`, scaled, and
            `gaussian` `(B, L, 1 + 2Z)` if there is that head; and the state after the last step.
        """
        mu, logvar = (ops.cast(inputs[name], "float32") for name in ("mu", "logvar"))
        noise = normal(mu, self.seed_generator)
        latents = (mu + ops.exp(0.5 * logvar) * noise) * self.latent_scale
        joined = self._join(latents[:, :-1], inputs["actions"])
        hidden, state = self._run(joined, inputs.get("begins"), state)
        outputs = self.predictions(hidden) | {"next_latent": latents[:, 1:]}
        if "gaussian" in self.heads:
            outputs["gaussian"] = self.gaussian_head(ops.stop_gradient(hidden))
        return outputs, state

    def _run(self, joined: Any, begins: Any, state: list[Any] | None) -> tuple[Any, list[Any]]:
        """Run the LSTM over sequences `(B, L, I)`; return its outputs and last state."""
        rows, steps = ops.shape(joined)[:2]
        closes = ops.zeros((rows, steps), joined.dtype)
        if begins is not None:
            begins = ops.cast(begins, joined.dtype)
            closes = ops.concatenate([begins[:, 1:], closes[:, :1]], axis=1)
        cell, dtype = self.lstm.cell, self.lstm.compute_dtype
        weights = [ops.cast(w, dtype) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]
        joined, weights[0] = lstm.closing(ops.cast(joined, dtype), closes, weights[0])
        state = [ops.cast(part, dtype) for part in state or self.initial_state(rows)]
        return self.sequences(joined, state, weights)

    def compute_loss(
        self,
        x: Any = None,
        y: dict[str, Any] | None = None,
        y_pred: dict[str, Any] | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return nats per dimension of the next latent plus the losses of the heads.

        The latent of a last frame is not scored: a dream never shows what follows its end.

        Args:
            x: unused.
            y: `reward`, `termination` and `mask` `(B, L)`; the mask is 1 where a step was played.
            y_pred: what `call` gave.
            sample_weight: unused.
            training: unused.
        """
        mask = ops.cast(y["mask"], "float32")
        ended = ops.cast(y["termination"], "float32")
        scored = mask * (1.0 - ended)
        nats = self.nats_of(self.mixture, y_pred["mixture"], y_pred["next_latent"])
        loss = self._average("nats_per_frame", nats, scored) / self.latent_size
        if "gaussian" in self.heads:
            nats = self.nats_of(self.gaussian, y_pred["gaussian"], y_pred["next_latent"])
            loss += self._average("gaussian", nats, scored) / self.latent_size
        if "reward" in self.heads:
            error = y_pred["reward"] - ops.cast(y["reward"], "float32")
            error = ops.square(error / self.reward_scale)
            loss += self._average("reward", error, mask)
        if "termination" in self.heads:
            surprise = ops.binary_crossentropy(ended, y_pred["termination"], from_logits=True)
            loss += self.termination_weight * self._average("termination", surprise, mask)
        return loss

    def nats_of(self, mixture: Mixture, raw: Any, latents: Any) -> Any:
        """Return nats per frame `(B, L)` of the unscaled latents."""
        scale = self.latent_size * math.log(self.latent_scale)
        return -mixture.log_density(raw, latents) - scale

    def _average(self, name: str, values: Any, weights: Any) -> Any:
        weight = total(weights)
        mean = total(values * weights) / ops.maximum(weight, 1.0)
        self.trackers[name].update_state(mean, sample_weight=weight)
        return mean
