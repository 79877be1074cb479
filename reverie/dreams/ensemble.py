"""Dreams of several MDN-RNNs that take turns, so that no controller lives on the errors of one.

Axes: R dreams, H LSTM units.
"""

from typing import Any

import numpy as np
from keras import ops

from reverie.artifacts import InputError
from reverie.dreams.dream import Dream, State
from reverie.dreams.noise import Noise
from reverie.dreams.options import DreamOptions
from reverie.models.mdn_rnn import MDNRNN

ALIKE = ("latent_size", "action_size", "form", "num_mixtures", "latent_scale", "scalars")


class EnsembleDream(Dream):
    """Dreams of several networks: rollouts of a candidate are dreamt by each of them in turn.

    Whoever dreams, a controller reads the memory of the first network, which it will have in the
    game; each of the others remembers beside it. What is kept whole (`free`, `onward`, `acted`) is
    dreamt by the first network alone.

    Args:
        rnn: the first network.
        others: trained on latents of the same VAE.
        first_mu: see `Dream`.
        first_logvar: see `Dream`.
        options: see `Dream`.

    Raises:
        InputError: the networks draw other latents.
    """

    def __init__(
        self,
        rnn: MDNRNN,
        others: list[MDNRNN],
        first_mu: np.ndarray,
        first_logvar: np.ndarray,
        options: DreamOptions | None = None,
    ) -> None:
        super().__init__(rnn, first_mu, first_logvar, options)
        for other in others:
            for name in ALIKE:
                if getattr(other, name) != getattr(rnn, name):
                    raise InputError(
                        f"--other_rnn_weights: a network with {name} {getattr(other, name)} beside "
                        f"one with {getattr(rnn, name)}; train it like the first"
                    )
        self.others = others

    def beginning(self, count: int, rng: np.random.Generator) -> State:
        """Draw the state that `count` dreams begin in, with the memories of all networks."""
        state = super().beginning(count, rng)
        for index, other in enumerate(self.others):
            for name in "hc":
                state[f"{name}_{index}"] = np.zeros((count, other.units), np.float32)
        return state | {"dreamer": np.arange(count, dtype=np.int32) % (len(self.others) + 1)}

    def step(
        self, state: State, actions: Any, noise: Noise, component: Any = None
    ) -> tuple[State, Any, Any]:
        """Dream one step, see `Dream`; a state without memories of others is the first's alone."""
        if "dreamer" not in state:
            return super().step(state, actions, noise, component)
        lstm, predicted = self._predict(state, actions)
        memories = {"dreamer": state["dreamer"]}
        for index, other in enumerate(self.others):
            names = f"h_{index}", f"c_{index}"
            memory = other.step(state["z"], actions, [state[name] for name in names])
            memories |= dict(zip(names, memory))
            chosen = ops.equal(state["dreamer"], index + 1)
            for name, values in other.predictions(memory[0]).items():
                mine = chosen if len(values.shape) == 1 else chosen[:, None]
                predicted[name] = ops.where(mine, values, predicted[name])
        following, rewards, ends = self._draw(lstm, predicted, noise, component)
        return following | memories, rewards, ends
