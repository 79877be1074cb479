"""The article's explorer: a VAE's encoder, an LSTM and a controller, all with random weights."""

from itertools import pairwise

import cv2
import numpy as np

from reverie.games.actions import ActionCode

SIZE = 64  # rows and columns that they see
LATENT, UNITS = 32, 256  # of the article's CarRacing networks
CHANNELS = (3, 32, 64, 128, 256)
LARGEST = 0.01  # scale of the weights, at most; drawn anew for every episode
BOUND = 30.0  # of what enters an exponential: heavy tails meet single precision


class RandomNetworks:
    """Plays an episode by networks whose weights are Cauchy-distributed.

    After the data of Ha and Schmidhuber's CarRacing (arXiv 1803.10122, its code): for every episode
    one scale, uniform in 0 to 0.01, times standard Cauchy noise for every weight. They see,
    remember and act like the trained ones, though none of it means anything. In NumPy, because it
    runs in the processes that hold the games.

    Args:
        rng: decides weights and latents.
        code: of the game's actions.
    """

    def __init__(self, rng: np.random.Generator, code: ActionCode) -> None:
        self.rng, self.code = rng, code
        scale = rng.uniform(0.0, LARGEST)

        def draw(*shape: int) -> np.ndarray:
            return (scale * rng.standard_cauchy(shape)).astype(np.float32)

        self.convolutions = [(draw(16 * i, o), draw(o)) for i, o in pairwise(CHANNELS)]
        self.posterior = draw(1024, 2 * LATENT), draw(2 * LATENT)
        self.lstm = draw(LATENT + code.size + UNITS, 4 * UNITS), draw(4 * UNITS)
        self.controller = draw(LATENT + UNITS, code.size), draw(code.size)
        self.hidden, self.cell = np.zeros((2, UNITS), np.float32)

    def act(self, frame: np.ndarray) -> np.ndarray:
        """See a frame `(rows, columns, 3)` uint8 and return an action."""
        mu, logvar = np.split(self._see(frame), 2)
        noise = self.rng.standard_normal(LATENT, np.float32)
        latents = mu + np.exp(np.clip(0.5 * logvar, -BOUND, BOUND)) * noise
        outputs = np.tanh(_dense(np.concatenate([latents, self.hidden]), self.controller))
        action = self.code.decode(outputs)
        self._remember(np.concatenate([latents, self.code.encode(action), self.hidden]))
        return action

    def _see(self, frame: np.ndarray) -> np.ndarray:
        """Encode a frame, resized to 64x64, by the article's four strided convolutions."""
        if frame.shape[:2] != (SIZE, SIZE):
            frame = cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        x = frame.astype(np.float32) / 255.0
        for layer in self.convolutions:
            windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), axis=(0, 1))[::2, ::2]
            x = np.maximum(_dense(windows.reshape(*windows.shape[:2], -1), layer), 0.0)
        return _dense(x.ravel(), self.posterior)

    def _remember(self, inputs: np.ndarray) -> None:
        gates = np.clip(_dense(inputs, self.lstm), -BOUND, BOUND)
        candidate = np.tanh(gates[:UNITS])
        keep, write, show = 1.0 / (1.0 + np.exp(-gates[UNITS:].reshape(3, UNITS)))
        self.cell = keep * self.cell + write * candidate
        self.hidden = show * np.tanh(self.cell)


def _dense(x: np.ndarray, layer: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return x @ layer[0] + layer[1]
