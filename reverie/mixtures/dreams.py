"""Dreams to look into: free or committed to a component, after a warm-up, at two temperatures."""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from reverie.artifacts import InputError
from reverie.backend import compiled
from reverie.mixtures.recordings import Recording
from reverie.mixtures.world_model import World
from reverie.rollouts.policies import episode_seeds, open_loop_actions

CHUNK = 50  # steps of a compiled loop
FREE = -1  # no component is forced
FORCED = 1e9  # added to the noise of the forced component's logit


@dataclass(frozen=True)
class DreamSettings:
    """How dreams are dreamt.

    Attributes:
        steps: of every dream T; dreams go on after the network ended them.
        temperature: of the choice of component.
        sigma_temperature: of the spread inside a component.
    """

    steps: int = 1000
    temperature: float = 1.0
    sigma_temperature: float = 1.0


@dataclass(frozen=True)
class Dreams:
    """R dreams of T steps.

    Attributes:
        latents: what was dreamt, the frame it began with first, `(R, T + 1, Z)`.
        weights: of the components, before each dreamt frame, `(R, T, K)`, or `(R, T, Z, K)` of a
            mixture per dimension.
        lengths: the step in which the network ended each dream, or T: `(R,)`.
    """

    latents: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray

    def components(self) -> np.ndarray:
        """Return the most probable component of each dreamt frame, `(R, T)`."""
        return self.weights.argmax(axis=-1)


class Imagination:
    """Dreams many dreams in one compiled loop, each from a state of its own that starts at zero.

    Args:
        world: the networks.
        settings: length and temperatures.
    """

    def __init__(self, world: World, settings: DreamSettings | None = None) -> None:
        self.world, self.settings = world, settings or DreamSettings()
        self._play = compiled(self._chunk)
        self._remember = compiled(world.rnn.step)

    def free(self, count: int, seed: int) -> Dreams:
        """Dream `count` dreams from recorded first frames, each played as its recording was."""
        begin, policies = self._beginnings(count, seed)
        return self._run(begin, policies, np.full(count, FREE), seed)

    def committed(self, count: int, seed: int) -> list[Dreams]:
        """Dream `count` dreams committed to each component: every step is drawn from it.

        All components begin with the same frames, meet the same noise and take the same actions.

        Raises:
            InputError: the mixture is per dimension.
        """
        rnn = self.world.rnn
        if rnn.form != "joint":
            raise InputError(
                f"{self.world.name}: only a joint mixture has components to commit to; train one "
                "with: python 04_train_rnn.py --mixture joint"
            )
        begin, policies = self._beginnings(count, seed)
        everyone = {name: np.tile(v, (rnn.num_mixtures, 1)) for name, v in begin.items()}
        forced = np.repeat(np.arange(rnn.num_mixtures), count)
        dreams = self._run(everyone, policies, forced, seed, rnn.num_mixtures)
        return _split(dreams, rnn.num_mixtures)

    def after(self, recording: Recording, warm_up: int, count: int, seed: int) -> Dreams:
        """Dream on where a recorded episode is after `warm_up` steps, `count` times.

        Args:
            recording: at least `warm_up` steps long.
            warm_up: true frames and actions that the state is warmed up with.
            count: dreams.
            seed: decides what is dreamt.
        """
        state = [np.zeros((1, self.world.rnn.units), np.float32)] * 2
        for mu, action in zip(recording.mu[:warm_up], recording.actions[:warm_up]):
            state = self._remember(mu[None], action[None], state)
        hidden, cell = map(np.asarray, state)
        state = {"z": recording.mu[warm_up][None], "h": hidden, "c": cell}
        begin = {name: np.repeat(values, count, axis=0) for name, values in state.items()}
        return self._run(begin, [recording.policy] * count, np.full(count, FREE), seed)

    def _beginnings(self, count: int, seed: int) -> tuple[dict[str, np.ndarray], list[str]]:
        """Draw the states that dreams begin with; return them and who played each recording."""
        mu, logvar = self.world.first_frames
        rng = np.random.default_rng(seed)
        episode = rng.integers(len(mu), size=count)
        noise = rng.standard_normal((count, mu.shape[1]))
        zeros = np.zeros((count, self.world.rnn.units), np.float32)
        latents = mu[episode] + np.exp(0.5 * logvar[episode]) * noise
        policies = [self.world.policies[index] for index in episode]
        return {"z": latents.astype(np.float32), "h": zeros, "c": zeros}, policies

    def _run(
        self,
        begin: dict[str, np.ndarray],
        policies: list[str],
        forced: np.ndarray,
        seed: int,
        groups: int = 1,
    ) -> Dreams:
        """Dream from `begin`; all groups of dreams share their actions and their noise."""
        count, steps = len(forced) // groups, self.settings.steps
        space = gymnasium.spaces.Box(-1.0, 1.0, (self.world.rnn.action_size,), np.float32)
        seeds = episode_seeds(seed, 0, count, "evaluate")
        actions = [open_loop_actions(p, s, steps, space) for p, s in zip(policies, seeds)]
        actions = np.stack(actions)
        given = {"actions": actions.transpose(1, 0, 2)} | self._noise(count, seed)
        given = {name: np.concatenate([v] * groups, axis=1) for name, v in given.items()}
        given = {name: v.astype(np.float32) for name, v in given.items()}
        if self.world.rnn.form == "joint":
            forced = forced[:, None] == np.arange(self.world.rnn.num_mixtures)
            given["choice"] += np.float32(FORCED) * forced
        latents, weights, ends = self._play_all(begin, given)
        latents = np.concatenate([begin["z"][:, None], latents], axis=1)
        lengths = np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, steps)
        return Dreams(latents, weights, lengths)

    def _noise(self, count: int, seed: int) -> dict[str, np.ndarray]:
        """Draw the luck of `count` dreams, each from a generator of its own."""
        rnn, steps = self.world.rnn, self.settings.steps
        choices = (rnn.num_mixtures,)
        if rnn.form == "per_dim":
            choices = (rnn.latent_size, rnn.num_mixtures)
        luck = [np.random.default_rng([seed, dream]) for dream in range(count)]
        return {
            "choice": np.stack([rng.gumbel(size=(steps, *choices)) for rng in luck], axis=1),
            "spread": np.stack(
                [rng.standard_normal((steps, rnn.latent_size)) for rng in luck], axis=1
            ),
            "end": np.stack([rng.random(steps) for rng in luck], axis=1),
        }

    def _play_all(self, state: dict, given: dict) -> tuple[np.ndarray, ...]:
        """Return latents `(R, T, Z)`, weights `(R, T, ...)` and ends `(R, T)` of all steps."""
        rnn, steps, records = self.world.rnn, self.settings.steps, []
        for start in range(0, steps, CHUNK):
            part = {name: values[start : start + CHUNK] for name, values in given.items()}
            missing = CHUNK - len(part["end"])
            part = {n: np.pad(v, [(0, missing)] + [(0, 0)] * (v.ndim - 1)) for n, v in part.items()}
            state, record = self._play(state, part)
            records.append(np.asarray(record))
        record = np.concatenate(records)[:steps].transpose(1, 0, 2)
        latents, weights, ends = np.split(record, [rnn.latent_size, record.shape[-1] - 1], axis=-1)
        weights = weights.reshape(*weights.shape[:2], *given["choice"].shape[2:])
        return latents, weights, ends[..., 0] > 0.5

    def _chunk(self, state: dict, given: dict) -> tuple:
        """Dream `CHUNK` steps; return the state and what was dreamt, `(CHUNK, R, ...)`."""
        from keras import ops

        rnn, count = self.world.rnn, ops.shape(state["z"])[0]
        weights = rnn.num_mixtures * (1 if rnn.form == "joint" else rnn.latent_size)
        record = ops.zeros((CHUNK, count, rnn.latent_size + weights + 1))

        def body(step: Any, carry: tuple) -> tuple:
            state, record = carry
            state, row = self._step(state, {name: values[step] for name, values in given.items()})
            return state, ops.slice_update(record, (step, 0, 0), row[None])

        return ops.fori_loop(0, CHUNK, body, (state, record))

    def _step(self, state: dict, now: dict) -> tuple:
        from keras import ops

        rnn, settings = self.world.rnn, self.settings
        hidden, cell = rnn.step(state["z"], now["actions"], [state["h"], state["c"]])
        predicted = rnn.predictions(hidden)
        latents, _ = rnn.mixture.sample(
            predicted["mixture"],
            (now["choice"], now["spread"]),
            settings.temperature,
            settings.sigma_temperature,
        )
        latents = latents / rnn.latent_scale
        weights = ops.softmax(rnn.mixture.split(predicted["mixture"])[0])
        weights = ops.reshape(weights, (ops.shape(latents)[0], -1))
        ends = now["end"] < ops.sigmoid(predicted["termination"])
        row = ops.concatenate([latents, weights, ops.cast(ends, "float32")[:, None]], axis=-1)
        return {"z": latents, "h": hidden, "c": cell}, row


def _split(dreams: Dreams, groups: int) -> list[Dreams]:
    parts = zip(*(np.split(values, groups) for values in vars(dreams).values()))
    return [Dreams(*part) for part in parts]
