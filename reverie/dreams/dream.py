"""Dreams of the MDN-RNN, many at once: controlled, along given actions, free, committed, warmed up.

Axes: R dreams, T steps, A numbers in an action, Z latent dimensions, H LSTM units, K components.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from keras import ops

from reverie.artifacts import InputError
from reverie.backend import compiled
from reverie.dreams.noise import Noise, SharedNoise, own_noise
from reverie.dreams.options import DreamOptions
from reverie.models.mdn_rnn import MDNRNN

CHUNK = 50  # steps of a compiled loop, between two looks at which dreams have ended
SMALLEST = 32  # dreams; fewer cost the same

State = dict[str, Any]  # `z` (B, Z), `h` and `c` (B, H), of B dreams


class Policy(Protocol):
    """What chooses actions in a dream; equal policies must choose alike and have equal hashes."""

    def act(self, parameters: Any, latents: Any, hidden: Any, cell: Any) -> Any:
        """Return the codes of actions `(B, A)`, in tensors, each row by parameters of its own."""


@dataclass(frozen=True)
class Dreams:
    """R dreams of T steps, kept whole; they go on after the network has ended them.

    Attributes:
        latents: what was dreamt, the frame it began with first, `(R, T + 1, Z)`.
        weights: of the components, before each dreamt frame, `(R, T, K)`, or `(R, T, Z, K)` of a
            mixture per dimension.
        ends: predicted probability that each step ends the dream, `(R, T)`.
        rewards: predicted, `(R, T)`; 0 without a head for them.
        lengths: the step in which the network ended each dream, or T: `(R,)`.
    """

    latents: np.ndarray
    weights: np.ndarray
    ends: np.ndarray
    rewards: np.ndarray
    lengths: np.ndarray

    def components(self) -> np.ndarray:
        """Return the most probable component of each dreamt frame, `(R, T)`."""
        return self.weights.argmax(axis=-1)


class Dream:
    """What an MDN-RNN dreams, step by step or whole populations in compiled loops.

    `controlled` and `along` return what dreams are worth and how long they last. All policies of a
    call share their noise: rollout r starts from the same recorded frame and meets the same noise
    whoever plays, so that differences are the policies' own. `free`, `committed` and `warmed_up`
    keep the dreams themselves; each has noise of its own.

    Args:
        rnn: a trained network with a head for termination.
        first_mu: `(E, Z)`, first frames of recorded episodes.
        first_logvar: `(E, Z)`.
        options: temperature, length and how dreams end.
    """

    def __init__(
        self,
        rnn: MDNRNN,
        first_mu: np.ndarray,
        first_logvar: np.ndarray,
        options: DreamOptions | None = None,
    ) -> None:
        self.rnn, self.options = rnn, options or DreamOptions()
        self.first_mu, self.first_logvar = first_mu, first_logvar
        self.noise = SharedNoise(rnn.mixture)
        self._along = compiled(self._act_as_given, xla=True)
        self._controlled: dict[Policy, Any] = {}
        self._kept = compiled(self._keep_chunk)
        self._acted: dict[Policy, Any] = {}
        self._remember = compiled(rnn.step)

    def first_latents(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw where `count` dreams begin: `(count, Z)` float32."""
        episode = first_episodes(self.first_mu, count, rng)
        spread = np.exp(0.5 * self.first_logvar[episode])
        noise = rng.standard_normal(spread.shape)
        return (self.first_mu[episode] + spread * noise).astype(np.float32)

    def first_state(self, count: int, rng: np.random.Generator) -> State:
        """Draw the state that `count` dreams begin in."""
        zeros = np.zeros((count, self.rnn.units), np.float32)
        return {"z": self.first_latents(count, rng), "h": zeros, "c": zeros}

    def beginning(self, count: int, rng: np.random.Generator) -> State:
        """Draw the state that `count` dreams of `controlled` and `along` begin in."""
        return self.first_state(count, rng)

    def step(
        self, state: State, actions: Any, noise: Noise, component: Any = None
    ) -> tuple[State, Any, Any]:
        """Dream one step; pure, in tensors.

        Args:
            state: of B dreams.
            actions: their codes, `(B, A)`.
            noise: of B frames, see `reverie.dreams.noise`.
            component: `(B,)` int: draw from these components instead of choosing.

        Returns:
            The next state, rewards `(B,)` (0 without a head for them) and ends `(B,)` bool.
        """
        return self._draw(*self._predict(state, actions), noise, component)

    def _predict(self, state: State, actions: Any) -> tuple[list, dict]:
        lstm = self.rnn.step(state["z"], actions, [state["h"], state["c"]])
        return lstm, self.rnn.predictions(lstm[0])

    def _draw(
        self, lstm: list, predicted: dict, noise: Noise, component: Any
    ) -> tuple[State, Any, Any]:
        hidden, cell = lstm
        latents, _ = self.rnn.mixture.sample(
            predicted["mixture"],
            (noise["choice"], noise["spread"]),
            self.options.temperature,
            self.options.sigma_temperature,
            component,
        )
        ends = self._over(ops.sigmoid(predicted["termination"]), noise["end"])
        rewards = predicted.get("reward")
        if rewards is None:
            rewards = ops.zeros_like(predicted["termination"])
        return {"z": latents / self.rnn.latent_scale, "h": hidden, "c": cell}, rewards, ends

    def _over(self, ends: Any, noise: Any) -> Any:
        """Tell which dreams end, by the probabilities that they do; for tensors and arrays."""
        return ends > 0.5 if self.options.threshold_ends else noise < ends

    def controlled(
        self, policy: Policy, parameters: np.ndarray, rollouts: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let a policy dream `rollouts` times with each row of parameters.

        Args:
            policy: chooses the actions.
            parameters: `(N, P)`.
            rollouts: dreams R of each.
            seed: decides beginnings and noise.

        Returns:
            Returns and lengths, `(N, R)`.
        """
        if policy not in self._controlled:

            def play(carry: dict, parameters: Any, noise: Noise, rollout: Any) -> dict:
                def choose(carry: dict, _: Any) -> Any:
                    return policy.act(parameters, carry["z"], carry["h"], carry["c"])

                return self._chunk(carry, noise, rollout, choose)

            self._controlled[policy] = compiled(play, xla=True)
        count = len(parameters)
        each = np.repeat(np.asarray(parameters, np.float32), rollouts, axis=0)
        rollout = np.tile(np.arange(rollouts, dtype=np.int32), count)
        play = self._controlled[policy]

        def run(carry: dict, kept: np.ndarray, noise: Noise, _: int) -> dict:
            return play(carry, each[kept], noise, rollout[kept])

        results = self._run(run, count * rollouts, rollout, rollouts, seed)
        return tuple(result.reshape(count, rollouts) for result in results)

    def along(self, actions: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Dream along the codes of actions `(R, time_steps, A)`; return returns and lengths."""
        rollout = np.arange(len(actions), dtype=np.int32)

        def run(carry: dict, kept: np.ndarray, noise: Noise, start: int) -> dict:
            part = actions[kept, start : start + CHUNK].transpose(1, 0, 2)
            return self._along(carry, _filled(part), noise, rollout[kept])

        return self._run(run, len(actions), rollout, len(actions), seed)

    def _act_as_given(self, carry: dict, actions: Any, noise: Noise, rollout: Any) -> dict:
        return self._chunk(carry, noise, rollout, lambda _, step: actions[step])

    def _chunk(self, carry: dict, noise: Noise, rollout: Any, choose: Any) -> dict:
        """Dream `CHUNK` steps; a dream that has ended stays as it is."""

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
        first = self.beginning(rollouts, np.random.default_rng(seed))
        zeros = np.zeros(count, np.float32)
        carry = {name: values[rollout] for name, values in first.items()}
        carry |= {"total": zeros, "length": zeros, "alive": zeros + 1.0}
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

    def free(self, actions: np.ndarray, seed: int) -> Dreams:
        """Dream along the codes of actions `(R, T, A)` from recorded first frames."""
        begin = self.first_state(len(actions), np.random.default_rng(seed))
        return self._keep(begin, actions, self._noise_of(*actions.shape[:2], seed))

    def committed(self, actions: np.ndarray, seed: int) -> list[Dreams]:
        """Dream committed to each component: every step is drawn from it.

        All components begin with the same frames, meet the same noise and take the same actions.

        Args:
            actions: codes `(R, T, A)`.
            seed: decides beginnings and noise.

        Raises:
            InputError: the mixture is per dimension.
        """
        if self.rnn.form != "joint":
            raise InputError(
                "a mixture per dimension has no components to commit a dream to; train a joint one "
                "with: python 04_train_rnn.py --mixture joint"
            )
        groups, count = self.rnn.num_mixtures, len(actions)
        first = self.first_state(count, np.random.default_rng(seed))
        begin = {name: np.tile(values, (groups, 1)) for name, values in first.items()}
        noise = self._noise_of(count, actions.shape[1], seed)
        noise = {name: np.concatenate([v] * groups, axis=1) for name, v in noise.items()}
        component = np.repeat(np.arange(groups, dtype=np.int32), count)
        dreams = self._keep(begin, np.tile(actions, (groups, 1, 1)), noise, component)
        parts = zip(*(np.split(values, groups) for values in vars(dreams).values()))
        return [Dreams(*part) for part in parts]

    def warmed_up(
        self, mu: np.ndarray, recorded: np.ndarray, actions: np.ndarray, seed: int
    ) -> Dreams:
        """Dream on, R times, from where a recorded episode is after W steps.

        Args:
            mu: latents of its frames, `(W + 1, Z)`; the dreams begin with the last.
            recorded: the codes of the actions between them, `(W, A)`.
            actions: of the dreams, `(R, T, A)`.
            seed: decides what is dreamt.
        """
        state = [np.zeros((1, self.rnn.units), np.float32)] * 2
        for latents, action in zip(mu, recorded):
            state = self._remember(latents[None], action[None], state)
        hidden, cell = map(np.asarray, state)
        begin = {"z": mu[-1][None], "h": hidden, "c": cell}
        begin = {name: np.repeat(values, len(actions), axis=0) for name, values in begin.items()}
        return self.onward(begin, actions, seed)

    def onward(self, state: State, actions: np.ndarray, seed: int) -> Dreams:
        """Dream on from a state of R dreams along the codes of actions `(R, T, A)`."""
        return self._keep(state, actions, self._noise_of(*actions.shape[:2], seed))

    def acted(
        self, state: State, policy: Policy, parameters: np.ndarray, steps: int, seed: int
    ) -> Dreams:
        """Dream on from a state of R dreams, a policy with parameters `(P,)` acting in all."""
        if policy not in self._acted:

            def keep(state: State, given: dict, parameters: Any) -> tuple[State, Any]:
                def choose(state: State, _: dict) -> Any:
                    return policy.act(parameters, state["z"], state["h"], state["c"])

                return self._keep_chunk(state, given, None, choose)

            self._acted[policy] = compiled(keep)
        count = len(state["z"])
        each = np.repeat(np.asarray(parameters, np.float32)[None], count, axis=0)
        noise = self._noise_of(count, steps, seed)
        return self._record(state, noise, noise, lambda s, part: self._acted[policy](s, part, each))

    def _noise_of(self, count: int, steps: int, seed: int) -> Noise:
        generators = [np.random.default_rng([seed, dream]) for dream in range(count)]
        return self.draw_noise(generators, (steps,))

    def draw_noise(
        self, generators: Sequence[np.random.Generator | None], steps: tuple[int, ...] = ()
    ) -> Noise:
        """Draw the noise of dreams, each from a generator of its own; zeros where there is none.

        Args:
            generators: of B dreams.
            steps: `()` for one step, `(T,)` for T.

        Returns:
            Arrays `(B, ...)`, or `(T, B, ...)`.
        """
        each = [own_noise(self.rnn.mixture, rng, steps) for rng in generators]
        axis = len(steps)
        return {name: np.stack([noise[name] for noise in each], axis) for name in each[0]}

    def _keep(
        self, state: State, actions: np.ndarray, noise: Noise, component: Any = None
    ) -> Dreams:
        """Dream along actions `(R, T, A)` and keep everything."""
        given = noise | {"actions": actions.transpose(1, 0, 2).astype(np.float32)}
        return self._record(state, noise, given, lambda s, part: self._kept(s, part, component))

    def _record(self, state: State, noise: Noise, given: dict, keep: Any) -> Dreams:
        """Dream through what is given for T steps, chunk by chunk, and keep everything."""
        first, steps, records = state["z"], len(noise["end"]), []
        for start in range(0, steps, CHUNK):
            part = {name: _filled(v[start : start + CHUNK]) for name, v in given.items()}
            state, record = keep(state, part)
            records.append(np.asarray(record))
        record = np.concatenate(records)[:steps].transpose(1, 0, 2)
        cuts = [self.rnn.latent_size, record.shape[-1] - 2, record.shape[-1] - 1]
        latents, weights, ends, rewards = np.split(record, cuts, axis=-1)
        weights = weights.reshape(*weights.shape[:2], *self.rnn.mixture.choices)
        latents = np.concatenate([first[:, None], latents], axis=1)
        ends, rewards = ends[..., 0], rewards[..., 0]
        over = self._over(ends, noise["end"].T)
        lengths = np.where(over.any(1), over.argmax(1) + 1, steps)
        return Dreams(latents, weights, ends, rewards, lengths)

    def _keep_chunk(
        self, state: State, given: dict, component: Any, choose: Any = None
    ) -> tuple[State, Any]:
        """Dream `CHUNK` steps; return the state and what was dreamt, `(CHUNK, R, ...)`.

        Actions are chosen by the state and what is given for the step; the given ones by default.
        """
        choose = choose or (lambda _, now: now["actions"])
        weights = int(np.prod(self.rnn.mixture.choices))
        shape = (CHUNK, ops.shape(state["z"])[0], self.rnn.latent_size + weights + 2)

        def body(step: Any, carry: tuple) -> tuple:
            state, record = carry
            now = {name: values[step] for name, values in given.items()}
            lstm, predicted = self._predict(state, choose(state, now))
            state, rewards, _ = self._draw(lstm, predicted, now, component)
            shares = ops.softmax(self.rnn.mixture.split(predicted["mixture"])[0])
            shares = ops.reshape(shares, (ops.shape(state["z"])[0], -1))
            ends = ops.sigmoid(predicted["termination"])
            row = [state["z"], shares, ends[:, None], rewards[:, None]]
            row = ops.concatenate(row, axis=-1)
            return state, ops.slice_update(record, (step, 0, 0), row[None])

        return ops.fori_loop(0, CHUNK, body, (state, ops.zeros(shape)))


def first_episodes(first_mu: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the recorded episodes that `count` dreams begin with: `(count,)` int."""
    return rng.integers(len(first_mu), size=count)


def _filled(values: np.ndarray) -> np.ndarray:
    """Fill steps up to `CHUNK` with zeros."""
    return np.pad(values, [(0, CHUNK - len(values))] + [(0, 0)] * (values.ndim - 1))


def _compact(
    kept: np.ndarray, alive: np.ndarray, carry: dict, size: int
) -> tuple[np.ndarray, np.ndarray, dict]:
    """Keep the living, filled up with copies to one of few sizes, each compiled once."""
    while size // 2 >= max(len(alive), SMALLEST):
        size //= 2
    index = np.resize(alive, size)
    real = np.arange(size) < len(alive)
    return kept[index], real, {name: values[index] for name, values in carry.items()}
