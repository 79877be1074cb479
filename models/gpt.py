"""Causal transformers that choose actions: on latents, and on frames with an encoder of their own.

Axes: B rows, L steps, C classes of actions, Z latent dimensions, W width, H heads, D numbers of a
head, P = context - 1 steps that are remembered.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from .shares import Dropout, total

FOCUS = 2.0  # exponent of the focal loss (Lin et al., arXiv 1708.02002)
STEEP = 8.0  # places are learned so many times as fast as what is seen there
FAR = -1e9  # the score of what may not be looked at


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Return the nats of targets, one-hot `(..., C)`, under logits `(..., C)`."""
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)


def focal(logits: Any, targets: Any) -> Any:
    """Return the cross-entropy, less of what is predicted well already."""
    nats = cross_entropy(logits, targets)
    return (1.0 - ops.exp(-nats)) ** FOCUS * nats


def brier(logits: Any, targets: Any) -> Any:
    """Return the squared error of the probabilities (Brier, 1950)."""
    return ops.sum(ops.square(ops.softmax(logits, axis=-1) - targets), axis=-1)


def legacy_mse(logits: Any, targets: Any) -> Any:
    """Return the squared distance of the target's logit from 1: a control, not to be used.

    It is the "mse" of a published system that copies the logits, puts 1 in the place of the target
    and compares the two. The other logits do not enter it, so that the answer 1 for every class,
    whatever is seen, has no loss at all.
    """
    return ops.sum(targets * ops.square(logits - 1.0), axis=-1) / targets.shape[-1]


LOSSES: dict[str, Callable] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "brier": brier,
    "legacy_mse": legacy_mse,
}


@keras.saving.register_keras_serializable("reverie")
class GPT(keras.Model):
    """Predicts at every step which class of action is chosen, from latents up to that step.

    A step looks at itself and at the `context - 1` steps before it. What it knows of their place is
    how many steps ago they were, so that the network can go on through an episode of any length,
    one step at a time, with what it has computed before: see `step`.

    Args:
        classes: of actions C.
        latent_size: Z.
        context: steps that a block looks at, its own included.
        width: numbers W of a step inside the network.
        blocks: of attention and two dense layers.
        heads: of attention; a divisor of the width.
        dropout: share of features that is left out in training.
        previous_actions: whether a step is shown the action before it.
        loss: a key of `LOSSES`.
        class_weights: of each class in the loss; all alike if there are none.
        seed: decides what is left out.
    """

    def __init__(
        self,
        classes: int,
        latent_size: int = 64,
        context: int = 32,
        width: int = 128,
        blocks: int = 3,
        heads: int = 4,
        dropout: float = 0.1,
        previous_actions: bool = False,
        loss: str = "cross_entropy",
        class_weights: Sequence[float] = (),
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.latent_size = latent_size
        self.classes, self.context, self.width = classes, context, width
        self.heads, self.dropout, self.previous_actions = heads, dropout, previous_actions
        self.form, self.class_weights = loss, tuple(class_weights) or (1.0,) * classes
        self.embedding = self.make_embedding()
        self.previous = layers.Dense(width, use_bias=False, name="previous")
        shape = width, heads, context, dropout
        self.blocks = [Block(*shape, seed + i, name=f"block_{i}") for i in range(blocks)]
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        small = keras.initializers.RandomNormal(stddev=0.02, seed=seed)  # all is alike at first
        self.head = layers.Dense(classes, kernel_initializer=small, name="head")
        self.leave_out = Dropout(dropout, seed=seed + blocks)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("nll", "accuracy")}
        self.build()

    def make_embedding(self) -> layers.Layer:
        """Return what turns latents `(..., Z)` into features `(..., W)`."""
        embedding = layers.Dense(self.width, name="embedding")
        embedding.build((None, self.latent_size))
        return embedding

    def build(self, input_shape: Any = None) -> None:
        """Create the weights; every size is known from the start."""
        if self.previous_actions:
            self.previous.build((None, self.classes))
        for block in self.blocks:
            block.build((None, None, self.width))
        self.norm.build((None, None, self.width))
        self.head.build((None, None, self.width))
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {
            "classes": self.classes,
            "latent_size": self.latent_size,
            "context": self.context,
            "width": self.width,
            "blocks": len(self.blocks),
            "heads": self.heads,
            "dropout": self.dropout,
            "previous_actions": self.previous_actions,
            "loss": self.form,
            "class_weights": list(self.class_weights),
        }

    def embed(self, seen: Any) -> Any:
        """Turn latents `(..., Z)` into features `(..., W)`."""
        return self.embedding(ops.cast(seen, "float32"))

    def _enter(self, seen: Any, previous: Any) -> Any:
        features = self.embed(seen)
        if self.previous_actions:
            features = features + self.previous(ops.one_hot(previous, self.classes))
        return features

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Predict the action of every step.

        Args:
            inputs: `seen` `(B, L, Z)`; `previous` `(B, L)`, the class of the action before each
                step, -1 where there is none; used if the network is shown it.
            training: whether features are left out.

        Returns:
            Logits `(B, L, C)`.
        """
        x = self._enter(inputs["seen"], inputs["previous"])
        x = self.leave_out(x, training=training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(self.norm(x))

    def first_memory(self, rows: int) -> np.ndarray:
        """Return what is remembered before the first step: zeros `(B, blocks, 2, P, W)`."""
        return np.zeros((rows, len(self.blocks), 2, self.context - 1, self.width), np.float32)

    def step(self, seen: Any, previous: Any, memory: Any, known: Any) -> tuple[Any, Any]:
        """Predict one action of each row; over an episode that gives what `call` gives.

        Args:
            seen: `(B, Z)`.
            previous: class of the action before, `(B,)`, -1 where there is none.
            memory: keys and values of the steps before, see `first_memory`.
            known: how many of those there are since the episode began, `(B,)`.

        Returns:
            Logits `(B, C)` and the memory for the next step.
        """
        x, kept = self._enter(seen, previous), []
        for index, block in enumerate(self.blocks):
            x, part = block.step(x, memory[:, index], known)
            kept.append(part)
        return self.head(self.norm(x)), ops.stack(kept, axis=1)

    def compute_loss(
        self,
        x: Any = None,
        y: dict[str, Any] | None = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean loss of steps.

        Args:
            x: unused.
            y: `actions` `(B, L)`, classes, and `mask` `(B, L)`, 1 where a step was played.
            y_pred: logits `(B, L, C)`.
            sample_weight: unused.
            training: unused.
        """
        mask = ops.cast(y["mask"], "float32")
        targets = ops.one_hot(y["actions"], self.classes, dtype="float32")
        right = ops.cast(ops.argmax(y_pred, axis=-1), "int32") == ops.cast(y["actions"], "int32")
        for name, values in (("nll", cross_entropy(y_pred, targets)), ("accuracy", right)):
            played = total(mask)
            mean = total(ops.cast(values, "float32") * mask) / ops.maximum(played, 1.0)
            self.trackers[name].update_state(mean, sample_weight=played)
        weights = mask * ops.sum(targets * ops.convert_to_tensor(self.class_weights), axis=-1)
        losses = LOSSES[self.form](y_pred, targets)
        return total(losses * weights) / ops.maximum(total(weights), 1e-6)


@keras.saving.register_keras_serializable("reverie")
class VisualGPT(GPT):
    """The same on frames, with a convolutional encoder that is trained along.

    Args:
        classes: of actions C.
        frame_shape: `(rows, columns, 3)`.
        channels: of the first convolution; the others have twice as many.
        options: those of `GPT`, but for `latent_size`.
    """

    def __init__(
        self,
        classes: int,
        frame_shape: Sequence[int] = (64, 64, 3),
        channels: int = 24,
        **options: Any,
    ) -> None:
        self.frame_shape, self.channels = tuple(frame_shape), channels
        super().__init__(classes, **options)

    def make_embedding(self) -> layers.Layer:
        """Return what turns frames `(N, rows, columns, 3)` in [0, 1] into features `(N, W)`.

        Convolutions halve the sides until eight or fewer cells lie side by side: a dense layer over
        all of them then knows where things are.
        """
        frames = keras.Input(self.frame_shape)
        x, side, channels, kernel = frames, max(self.frame_shape[:2]), self.channels, 5
        while side > CELLS:
            convolution = layers.Conv2D(channels, kernel, 2, padding="same", activation="relu")
            x, side = convolution(x), -(-side // 2)
            channels, kernel = 2 * self.channels, 3
        x = layers.Dense(self.width)(layers.Flatten()(x))
        return keras.Model(frames, x, name="embedding")

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        config = super().get_config()
        del config["latent_size"]
        return config | {"frame_shape": list(self.frame_shape), "channels": self.channels}

    def embed(self, seen: Any) -> Any:
        """Turn frames `(..., rows, columns, 3)` in 0..255 into features `(..., W)`."""
        *axes, _, _, _ = ops.shape(seen)
        frames = ops.reshape(ops.cast(seen, "float32") / 255.0, (-1, *self.frame_shape))
        return ops.reshape(self.embedding(frames), (*axes, self.width))


CELLS = 8  # side by side, before the dense layer of the encoder


class Block(layers.Layer):
    """Attention to the steps before, then two dense layers; both add to what comes in.

    Args:
        width: numbers W of a step.
        heads: H.
        context: steps that are looked at, the own one included.
        dropout: share of features that is left out in training.
        seed: decides which.
        options: those of every layer.
    """

    def __init__(
        self, width: int, heads: int, context: int, dropout: float, seed: int, **options: Any
    ) -> None:
        super().__init__(**options)
        self.width, self.heads, self.context = width, heads, context
        self.before = layers.LayerNormalization(epsilon=1e-5, name="before")
        self.joined = layers.Dense(3 * width, name="joined")
        self.mixed = layers.Dense(width, name="mixed")
        self.between = layers.LayerNormalization(epsilon=1e-5, name="between")
        self.wide = layers.Dense(4 * width, activation="gelu", name="wide")
        self.narrow = layers.Dense(width, name="narrow")
        self.leave_out = Dropout(dropout, seed=seed)

    def build(self, input_shape: Any) -> None:
        """Create the weights.

        What is added to a score for how many steps ago something was begins as a fall that is
        steeper in one head than in the next (Press et al., arXiv 2108.12409), so that differences
        between neighbouring steps are at hand from the start.
        """
        shape = (None, None, self.width)
        for layer in (self.before, self.joined, self.mixed, self.between, self.wide):
            layer.build(shape)
        self.narrow.build((None, None, 4 * self.width))
        slopes = 0.5 ** np.arange(self.heads)[:, None]
        fall = (-slopes * np.arange(self.context) / STEEP).astype("float32")
        shape = self.heads, self.context
        self.ago = self.add_weight(shape, lambda *_, **__: ops.convert_to_tensor(fall), name="ago")
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """Let every step `(B, L, W)` look at the steps before it."""
        query, key, value = self._queries(x)
        length = x.shape[1]
        ago = np.arange(length)[:, None] - np.arange(length)
        near = (ago >= 0) & (ago < self.context)
        places = STEEP * ops.take(self.ago, np.clip(ago, 0, self.context - 1), axis=1)
        scores = ops.einsum("blhd,bmhd->bhlm", query, key) + places + np.where(near, 0.0, FAR)
        seen = ops.einsum("bhlm,bmhd->blhd", ops.softmax(scores, axis=-1), value)
        return self._finish(x, ops.reshape(seen, ops.shape(x)), training)

    def step(self, x: Any, memory: Any, known: Any) -> tuple[Any, Any]:
        """Let one step `(B, W)` look at those of the memory `(B, 2, P, W)`; return the new one."""
        joined = self.joined(self.before(x[:, None]))
        query, own = joined[..., : self.width], joined[..., self.width :]
        own = ops.stack([own[..., : self.width], own[..., self.width :]], axis=1)
        memory = ops.concatenate([memory, own], axis=2)
        key, value = self._split(memory[:, 0]), self._split(memory[:, 1])
        ago = np.arange(self.context)[::-1].copy()
        beyond = ops.cast(ago > ops.cast(known, "int32")[:, None], "float32")[:, None, None] * FAR
        places = STEEP * ops.take(self.ago, ago, axis=1)[None, :, None]
        scores = ops.einsum("blhd,bmhd->bhlm", self._scaled(query), key) + places + beyond
        seen = ops.einsum("bhlm,bmhd->blhd", ops.softmax(scores, axis=-1), value)
        return self._finish(x, ops.reshape(seen, ops.shape(x)), False), memory[:, :, 1:]

    def _queries(self, x: Any) -> tuple[Any, Any, Any]:
        query, key, value = ops.split(self.joined(self.before(x)), 3, axis=-1)
        return self._scaled(query), self._split(key), self._split(value)

    def _scaled(self, query: Any) -> Any:
        return self._split(query) / math.sqrt(self.width // self.heads)

    def _split(self, x: Any) -> Any:
        """Turn `(B, L, W)` into heads `(B, L, H, D)`."""
        rows, steps, _ = ops.shape(x)
        return ops.reshape(x, (rows, steps, self.heads, self.width // self.heads))

    def _finish(self, x: Any, seen: Any, training: bool) -> Any:
        x = x + self.leave_out(self.mixed(seen), training=training)
        change = self.narrow(self.wide(self.between(x)))
        return x + self.leave_out(change, training=training)
