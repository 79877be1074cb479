"""Dreams: what the MDN-RNN imagines, many at once."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reverie.backend import compiled
from reverie.controllers.controller import Controller

if TYPE_CHECKING:
    from reverie.models.mdn_rnn import MDNRNN

CHUNK = 50  # steps between two looks at which dreams have ended
SMALLEST = 32  # dreams; fewer cost the same


@dataclass(frozen=True)
class DreamOptions:
    """How a dream is dreamt.

    Attributes:
        temperature: of the mixture, see `Mixture.sample`.
        time_steps: longest dream.
        threshold_ends: end where the probability exceeds one half, as in the article's code,
            instead of with that probability.
        sigma_temperature: of the spread inside a component; the same by default. Below 1 a dream
            keeps its place better: much of what an RNN in training calls spread is its own
            ignorance, and drawing it anew at every step lets the picture wander.
    """

    temperature: float = 1.15
    time_steps: int = 2100
    threshold_ends: bool = False
    sigma_temperature: float | None = None


class Dream:
    """Runs whole populations of dreams in compiled loops.

    All policies of a call dream with the same luck: rollout r starts from the same recorded frame
    and meets the same noise whoever plays, so that differences are the policies' own.

    Args:
        rnn: a trained network with heads for reward and termination.
        first_mu: `(E, Z)`, first frames of recorded episodes.
        first_logvar: `(E, Z)`.
        options: temperature, length and how dreams end.
    """

    def __init__(
        self,
        rnn: "MDNRNN",
        first_mu: np.ndarray,
        first_logvar: np.ndarray,
        options: DreamOptions | None = None,
    ) -> None:
        self.rnn, self.options = rnn, options or DreamOptions()
        self.first_mu, self.first_logvar = first_mu, first_logvar
        self._open_loop = compiled(self._play_actions, xla=True)
        self._closed_loop: dict[Controller, Any] = {}
        self._draws: dict[tuple, Any] = {}

    def first_latents(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw where `count` dreams begin: `(count, Z)` float32."""
        episode = rng.integers(len(self.first_mu), size=count)
        spread = np.exp(0.5 * self.first_logvar[episode])
        noise = rng.standard_normal(spread.shape)
        return (self.first_mu[episode] + spread * noise).astype(np.float32)

    def step(self, state: dict, actions: Any, noise: dict) -> tuple[dict, Any, Any]:
        """Dream one step; pure, in tensors.

        Args:
            state: `z` `(B, Z)`, `h` and `c` `(B, H)`.
            actions: `(B, A)`.
            noise: what `noise` gave for B frames.

        Returns:
            The next state, rewards `(B,)` and ends `(B,)` bool.
        """
        from keras import ops

        hidden, cell = self.rnn.step(state["z"], actions, [state["h"], state["c"]])
        predicted = self.rnn.predictions(hidden)
        latents, _ = self.rnn.mixture.sample(
            predicted["mixture"],
            (noise["choice"], noise["spread"]),
            self.options.temperature,
            self.options.sigma_temperature,
        )
        if self.options.threshold_ends:
            ends = predicted["termination"] > 0.0
        else:
            ends = noise["end"] < ops.sigmoid(predicted["termination"])
        next_state = {"z": latents / self.rnn.latent_scale, "h": hidden, "c": cell}
        return next_state, predicted["reward"], ends

    def noise(self, shape: tuple[int, ...], seed: int, index: int) -> dict:
        """Draw the noise of frames in this shape, through a function compiled once for it."""
        if shape not in self._draws:

            def draw(seed: Any, index: Any) -> dict:
                from keras import ops

                noise = self._draw(math.prod(shape), seed, index)
                return {k: ops.reshape(v, (*shape, *v.shape[1:])) for k, v in noise.items()}

            self._draws[shape] = compiled(draw)
        return self._draws[shape](np.asarray(seed, np.int32), np.asarray(index, np.int32))

    def _draw(self, count: int, seed: Any, index: Any) -> dict:
        from reverie.models.distributions import seed_at, tfd

        choice, spread = self.rnn.mixture.noise(count, seed_at(seed, 2 * index))
        end = tfd.Uniform(0.0, 1.0).sample(count, seed=seed_at(seed, 2 * index + 1))
        return {"choice": choice, "spread": spread, "end": end}

    def play_controllers(
        self, controller: Controller, parameters: np.ndarray, rollouts: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let every controller dream `rollouts` times.

        Args:
            controller: their shape.
            parameters: `(N, P)`.
            rollouts: dreams R of each.
            seed: decides beginnings and noise.

        Returns:
            Returns and lengths, `(N, R)`.
        """
        if controller not in self._closed_loop:

            def play(carry: dict, parameters: Any, noise: dict, rollout: Any) -> dict:
                def choose(carry: dict, _: Any) -> Any:
                    return controller.act(parameters, carry["z"], carry["h"], carry["c"])

                return self._chunk(carry, noise, rollout, choose)

            self._closed_loop[controller] = compiled(play, xla=True)
        count = len(parameters)
        each = np.repeat(np.asarray(parameters, np.float32), rollouts, axis=0)
        rollout = np.tile(np.arange(rollouts, dtype=np.int32), count)
        play = self._closed_loop[controller]

        def run(carry: dict, kept: np.ndarray, noise: dict, _: int) -> dict:
            return play(carry, each[kept], noise, rollout[kept])

        results = self._run(run, count * rollouts, rollout, rollouts, seed)
        return tuple(result.reshape(count, rollouts) for result in results)

    def play_actions(self, actions: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Dream along given actions `(R, time_steps, A)`; return returns and lengths `(R,)`."""
        rollout = np.arange(len(actions), dtype=np.int32)

        def run(carry: dict, kept: np.ndarray, noise: dict, start: int) -> dict:
            part = actions[kept, start : start + CHUNK].transpose(1, 0, 2)
            missing = CHUNK - len(part)
            padded = np.pad(part, ((0, missing), (0, 0), (0, 0)))
            return self._open_loop(carry, padded, noise, rollout[kept])

        return self._run(run, len(actions), rollout, len(actions), seed)

    def _play_actions(self, carry: dict, actions: Any, noise: dict, rollout: Any) -> dict:
        return self._chunk(carry, noise, rollout, lambda _, step: actions[step])

    def _chunk(self, carry: dict, noise: dict, rollout: Any, choose: Any) -> dict:
        """Dream `CHUNK` steps; a dream that has ended stays as it is."""
        from keras import ops

        def body(step: Any, carry: dict) -> dict:
            now = {name: ops.take(values[step], rollout, axis=0) for name, values in noise.items()}
            state, reward, ends = self.step(carry, choose(carry, step), now)
            alive = carry["alive"]
            length = carry["length"] + alive
            over = ops.logical_or(ends, length >= self.options.time_steps)
            return state | {
                "total": carry["total"] + alive * reward,
                "length": length,
                "alive": alive * (1.0 - ops.cast(over, "float32")),
            }

        return ops.fori_loop(0, CHUNK, body, carry)

    def _run(
        self, run: Any, count: int, rollout: np.ndarray, rollouts: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Dream until all have ended, leaving out between chunks those that have."""
        rng = np.random.default_rng(seed)
        state = np.zeros((count, self.rnn.units), np.float32)
        zeros = np.zeros(count, np.float32)
        carry = {
            "z": self.first_latents(rollouts, rng)[rollout],
            "h": state,
            "c": state,
            "total": zeros,
            "length": zeros,
            "alive": zeros + 1.0,
        }
        totals, lengths = zeros.copy(), zeros.copy()
        kept, real = np.arange(count), np.ones(count, bool)
        for chunk, start in enumerate(range(0, self.options.time_steps, CHUNK)):
            noise = self.noise((CHUNK, rollouts), seed, chunk)
            carry = {name: np.asarray(v) for name, v in run(carry, kept, noise, start).items()}
            totals[kept[real]] = carry["total"][real]
            lengths[kept[real]] = carry["length"][real]
            alive = np.flatnonzero(real & (carry["alive"] > 0))
            if len(alive) == 0:
                break
            kept, real, carry = _compact(kept, alive, carry, len(kept))
        return totals, lengths


def _compact(
    kept: np.ndarray, alive: np.ndarray, carry: dict, size: int
) -> tuple[np.ndarray, np.ndarray, dict]:
    """Keep the living, filled up with copies to one of few sizes, each compiled once."""
    while size // 2 >= max(len(alive), SMALLEST):
        size //= 2
    index = np.resize(alive, size)
    real = np.arange(size) < len(alive)
    return kept[index], real, {name: values[index] for name, values in carry.items()}
