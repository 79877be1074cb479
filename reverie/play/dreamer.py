"""The networks at play: one step of a dream and what the page shows of it, in compiled functions.

It holds weights and nothing that changes, so that all tabs share one. Z latents, H units, K
components.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from reverie.backend import compiled
from reverie.controllers.controller import load_controller
from reverie.dreams.dream import Dream
from reverie.dreams.noise import own_noise
from reverie.latents.storage import load_first_frames
from reverie.mixtures.detectors import load_detector
from reverie.play.draws import Draws
from reverie.play.messages import Knobs
from reverie.play.run_folder import PlayedFiles
from reverie.reports.plots import as_bytes
from reverie.training.weights import load_network

FORCED = 1e6  # Gumbel noise that no logit overcomes

State = dict[str, np.ndarray]  # `z` `(1, Z)`, `h` and `c` `(1, H)`


@dataclass(frozen=True)
class Dreamt:
    """What one step of the dream gave.

    Attributes:
        state: where it goes on.
        frame: `(rows, columns, 3)` uint8.
        reward: predicted.
        end: predicted probability that the episode ends here.
        ended: whether it was drawn to end.
        weights: of the mixture `(K,)`, the mean over the latents where each has its own.
        component: the chosen one, None where each latent has its own.
        seen: counts and events that the detector sees, by name.
    """

    state: State
    frame: np.ndarray
    reward: float
    end: float
    ended: bool
    weights: np.ndarray
    component: int | None
    seen: dict[str, int]


class Dreamer:
    """A VAE, an MDN-RNN and, where there are some, the controller and detector that belong to them.

    Args:
        files: where they lie.
    """

    def __init__(self, files: PlayedFiles) -> None:
        self.vae = load_network(files.vae, "VAE")
        self.rnn = load_network(files.rnn, "MDNRNN")
        self.code = files.code
        self.first_frames = load_first_frames(files.rnn)
        self._dream = Dream(self.rnn, *self.first_frames)
        self.controller = load_controller(files.controller)[:2] if files.controller else None
        self.detector, self._notes = None, {}
        if files.detector:
            self.detector, self._notes = load_detector(files.detector, files.vae)
        self.joint = self.rnn.form == "joint"
        self.components = self.rnn.num_mixtures
        self._step, self._follow = compiled(self._dream_on), compiled(self._perceive)
        self._decode = compiled(self.vae.decode)
        self._act = compiled(self.controller[0].act) if self.controller else None
        self._warm_up()

    @property
    def statements(self) -> list[str]:
        """What the detector speaks of; nothing without one."""
        return list(dict.fromkeys(name for name, _ in self._notes.get("statements", ())))

    @property
    def judgements(self) -> list[dict]:
        """What each of the detector's outputs says: `name` counts one more above `threshold`."""
        floor = self._notes.get("floor", {})
        rows = zip(self._notes.get("statements", ()), self._notes.get("thresholds", ()))
        return [{"name": n, "floor": floor.get(n, 0), "threshold": t} for (n, _), t in rows]

    def _warm_up(self) -> None:
        """Compile everything before the first picture is asked for."""
        rng = Draws(0)
        state, frame = self.begin(None, rng)
        idle = self.code.decode(np.zeros(self.code.size, np.float32))
        self.step(state, idle, Knobs(), rng)
        self.follow(state, idle, frame, rng)
        if self.controller:
            self.act(state)

    def begin(self, frame: np.ndarray | None, rng: Draws) -> tuple[State, np.ndarray]:
        """Begin a dream from a frame of the game, or from one of the recorded first frames.

        Returns:
            The state and the dream's picture of it, `(rows, columns, 3)` uint8.
        """
        state = self._dream.first_state(1, rng)
        if frame is not None:
            memory = {"h": state["h"], "c": state["c"]}
            idle = np.zeros((1, self.code.size), np.float32)
            state = self._seen(state, idle, frame, rng) | memory
        return state, self.picture(state)

    def follow(self, state: State, action: Any, frame: np.ndarray, rng: Draws) -> State:
        """Remember a step of the real game: what an agent knows once it has seen the frame."""
        return self._seen(state, self.code.encode(np.asarray(action))[None], frame, rng)

    def _seen(self, state: State, code: np.ndarray, frame: np.ndarray, rng: Draws) -> State:
        noise = rng.standard_normal((1, self.rnn.latent_size), np.float32)
        return _arrays(self._follow(state, code.astype(np.float32), frame[None], noise))

    def step(self, state: State, action: Any, knobs: Knobs, rng: Draws) -> Dreamt:
        """Dream one step."""
        code = self.code.encode(np.asarray(action))[None].astype(np.float32)
        noise = {name: v[None] for name, v in own_noise(self.rnn.mixture, rng).items()}
        if knobs.component is not None:
            noise["choice"][..., knobs.component] += np.float32(FORCED)
        own = knobs.temperature if knobs.spread is None else knobs.spread
        heat = np.array([knobs.temperature, own], np.float32)
        state, seen = self._step(state, code, noise, heat)
        seen = {name: np.asarray(values)[0] for name, values in seen.items()}
        end = float(seen["end"])
        return Dreamt(
            state=_arrays(state),
            frame=as_bytes(seen["frame"]),
            reward=float(seen["reward"]),
            end=end,
            ended=bool(noise["end"][0] < end) and not knobs.endless,
            weights=seen["weights"],
            component=int(seen["component"]) if self.joint else None,
            seen=self._counts(seen.get("statements")),
        )

    def picture(self, state: State) -> np.ndarray:
        """Decode a state: `(rows, columns, 3)` uint8."""
        return as_bytes(np.asarray(self._decode(state["z"]))[0])

    def act(self, state: State) -> Any:
        """Return the controller's action in a state, as the game takes it."""
        controller, parameters = self.controller
        code = self._act(parameters[None], state["z"], state["h"], state["c"])
        return controller.code.decode(np.asarray(code))[0]

    def _counts(self, logits: np.ndarray | None) -> dict[str, int]:
        """Turn the detector's judgements of one frame into counts; events are 0 or 1."""
        if logits is None:
            return {}
        counts: dict[str, int] = {}
        for judgement, logit in zip(self.judgements, logits):
            name = judgement["name"]
            seen = int(logit > judgement["threshold"])
            counts[name] = counts.get(name, judgement["floor"]) + seen
        return counts

    def foresee(self, state: Any, code: Any, noise: Any, heat: Any) -> tuple[dict, dict]:
        """Dream one step, without its picture; pure, in tensors.

        Args:
            state: `z`, `h` and `c`.
            code: of the action, `(1, A)`.
            noise: `choice` and `spread`, see `reverie.dreams.noise`.
            heat: temperature of the choice and of the spread, `(2,)`.

        Returns:
            The next state, and `reward`, `end`, `weights` and `component`.
        """
        hidden, cell = self.rnn.step(state["z"], code, [state["h"], state["c"]])
        predicted, mixture = self.rnn.predictions(hidden), self.rnn.mixture
        raw = predicted["mixture"]
        logits = mixture.split(raw)[0]
        # top_k and not argmax, which cannot be written as ONNX
        component = ops.top_k(mixture.scores(logits, noise["choice"], heat[0]), 1)[1][..., 0]
        noise = noise["choice"], noise["spread"]
        latents, _ = mixture.sample(raw, noise, heat[0], heat[1], component)
        weights, nothing = ops.softmax(logits), ops.zeros(1)
        end = ops.sigmoid(predicted["termination"]) if "termination" in predicted else nothing
        seen = {
            "reward": predicted.get("reward", nothing),
            "end": end,
            "weights": weights if self.joint else ops.mean(weights, axis=1),
            "component": component,
        }
        return {"z": latents / self.rnn.latent_scale, "h": hidden, "c": cell}, seen

    def show(self, latents: Any) -> dict:
        """Decode latents `(1, Z)`: `frame` and, with a detector, `statements`; in tensors."""
        frame = self.vae.decode(latents)
        return {"frame": frame} | ({"statements": self.detector(frame)} if self.detector else {})

    def _dream_on(self, state: Any, code: Any, noise: Any, heat: Any) -> tuple[dict, dict]:
        state, seen = self.foresee(state, code, noise, heat)
        return state, seen | self.show(state["z"])

    def _perceive(self, state: Any, code: Any, frame: Any, noise: Any) -> dict:

        hidden, cell = self.rnn.step(state["z"], code, [state["h"], state["c"]])
        mu, logvar = self.vae.encode(frame)
        return {"z": mu + ops.exp(0.5 * logvar) * noise, "h": hidden, "c": cell}


def _arrays(state: dict) -> State:
    return {name: np.asarray(values) for name, values in state.items()}
