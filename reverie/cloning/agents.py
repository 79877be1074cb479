"""Clones at play: a frame of the game in, an action out, as fast as the game goes.

Axes: B agents, C classes of actions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reverie.artifacts import InputError
from reverie.backend import compiled
from reverie.cloning.classes import ActionClasses
from reverie.cloning.recordings import Recordings
from reverie.cloning.windows import NONE, before
from reverie.headers import WeightsHeader, open_clone
from reverie.lineage import check_same_vae, known_vae
from reverie.models.autoencoder import Autoencoder
from reverie.models.gpt import GPT
from reverie.training.weights import load_network

ROWS = 32  # episodes that are looked at together


@dataclass(frozen=True)
class Clone:
    """A trained clone.

    Attributes:
        network: what chooses.
        vae: what encodes frames for it; None if it sees frames.
        header: what its weights say.
    """

    network: GPT
    vae: Autoencoder | None
    header: WeightsHeader

    @property
    def classes(self) -> ActionClasses:
        """The actions that it chooses from."""
        return ActionClasses.of_header(self.header)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Rows, columns and colours of the frames that it sees."""
        return self.network.frame_shape if self.vae is None else self.vae.frame_shape


def load_clone(path: Path, vae_weights: Path | None = None) -> Clone:
    """Rebuild a clone from its weights.

    Args:
        path: what stage 7 wrote.
        vae_weights: the VAE whose latents it sees, where it is not at the place that they name.

    Raises:
        InputError: they cannot be used, or the VAE is missing or another one.
    """
    header = open_clone(path)
    network = load_network(path, header.network)
    if header.network == "VisualGPT":
        return Clone(network, None, header)
    if vae_weights is None:
        vae_weights = known_vae(path, header)
    check_same_vae(path, header, vae_weights)
    return Clone(network, load_network(vae_weights, "VAE"), header)


class ClonedAgents:
    """Agents that act as a clone says, all in one compiled call.

    Each has a memory and a source of noise of its own: what an agent does depends on its episode's
    seed and not on who plays beside it.

    Args:
        clone: what chooses.
        count: agents B.
        temperature: of the probabilities that actions are drawn from; 0 takes the likeliest.

    Attributes:
        probabilities: of the last choice, at temperature 1, `(B, C)`.
        previous: the classes that were chosen last, `(B,)`.
    """

    def __init__(self, clone: Clone, count: int, temperature: float = 1.0) -> None:
        self.clone, self.temperature = clone, temperature
        self.classes, self.memory = clone.classes, clone.network.first_memory(count)
        self.known, self.previous = np.zeros(count, np.int32), np.full(count, NONE, np.int32)
        self.noise = [np.random.default_rng(0) for _ in range(count)]
        self.probabilities = np.zeros((count, clone.network.classes), np.float32)
        self._decide = compiled(self._see_and_step)

    def begin(self, agent: int, seed: int) -> None:
        """Start an episode of one agent."""
        self.known[agent], self.previous[agent] = 0, NONE
        self.noise[agent] = np.random.default_rng([seed, 3])

    def act(self, frames: np.ndarray) -> np.ndarray:
        """See frames `(B, rows, columns, 3)` uint8 and return actions as the game takes them."""
        logits, memory = self._decide(frames, self.previous, self.memory, self.known)
        self.memory, logits = np.asarray(memory), np.asarray(logits)
        self.known = np.minimum(self.known + 1, self.clone.network.context - 1)
        self.probabilities = softmax(logits)
        self.previous = self._choose(logits)
        return self.classes.actions(self.previous)

    def _choose(self, logits: np.ndarray) -> np.ndarray:
        if self.temperature == 0.0:
            return logits.argmax(axis=1).astype(np.int32)
        drawn = [rng.gumbel(size=logits.shape[1]) for rng in self.noise]
        return (logits / self.temperature + np.stack(drawn)).argmax(axis=1).astype(np.int32)

    def _see_and_step(self, frames: Any, previous: Any, memory: Any, known: Any) -> tuple:
        seen = frames if self.clone.vae is None else self.clone.vae.encode(frames)[0]
        return self.clone.network.step(seen, previous, memory, known)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits `(..., C)`."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def predictions(
    network: GPT, recordings: Recordings, labels: dict[int, np.ndarray]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the probabilities `(T, C)` of every step of recorded episodes, as at play.

    Args:
        network: a clone's.
        recordings: where the episodes are.
        labels: classes of the actions of each episode to look at, by its number.
    """
    step = compiled(network.step)
    order = sorted(labels, key=lambda episode: -len(labels[episode]))
    with recordings.opened() as read:
        for start in range(0, len(order), ROWS):
            episodes = order[start : start + ROWS]
            yield from _together(network, step, read, {e: labels[e] for e in episodes})


def _together(
    network: GPT, step: Any, read: Any, labels: dict[int, np.ndarray]
) -> Iterator[tuple[int, np.ndarray]]:
    """Go through some episodes side by side, the longest first; yield each with its answers."""
    longest = max(map(len, labels.values()))
    previous = np.full((longest, ROWS), NONE, np.int32)
    for row, values in enumerate(labels.values()):
        previous[: len(values), row] = before(values)
    logits = np.zeros((len(labels), longest, network.classes), np.float32)
    memory, block = network.first_memory(ROWS), network.context
    for start in range(0, longest, block):
        seen = _block(read, labels, start, min(start + block, longest))
        for number, frames in enumerate(seen, start):
            known = np.full(ROWS, min(number, network.context - 1), np.int32)
            answer, memory = step(frames, previous[number], memory, known)
            logits[:, number] = np.asarray(answer)[: len(labels)]
    for row, (episode, values) in enumerate(labels.items()):
        yield episode, softmax(logits[row, : len(values)])


def _block(read: Any, labels: dict[int, np.ndarray], start: int, stop: int) -> np.ndarray:
    """Return what is seen at some steps of some episodes: `(steps, ROWS, ...)`."""
    block = None
    for row, (episode, values) in enumerate(labels.items()):
        part = read(episode, start, min(stop, len(values))) if len(values) > start else None
        if block is None:
            block = np.zeros((stop - start, ROWS, *part.shape[1:]), part.dtype)
        if part is not None:
            block[: len(part), row] = part
    return block


def check_recordings(clone: WeightsHeader, path: Path, recordings: Recordings) -> None:
    """Check that recordings can be predicted by a clone.

    Args:
        clone: what its weights say.
        path: of the recordings, for the message.
        recordings: the episodes.

    Raises:
        InputError: they are of another game, of other actions, or seen otherwise.
    """
    pairs = {
        "game": (recordings.game, clone.game),
        "preprocessing": (recordings.preprocessing, clone.preprocessing),
        "action_space": (recordings.action_space, clone.action_space),
    }
    for name, (found, expected) in pairs.items():
        if found != expected:
            raise InputError(
                f"{path}: its {name} is {found}, the clone's {expected}; name recordings of the "
                "same game, or train on these with 07_clone_behaviour.py train"
            )
