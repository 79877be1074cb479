"""A loss that compares pictures by features of a fixed network, and a network that has such."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from .classifier import Classifier
from .sequential import SequentialAutoencoder
from .shares import mean

WINDOW, EVERY = 3, 2  # of the pooling between the convolutions, as in AlexNet


class Features:
    """The first two convolutions of a fixed network, with a pooling between them.

    Args:
        arrays: of both convolutions, numbered 0 and 1, `kernel_0` `(rows, columns, in, out)`,
            `bias_0` `(out,)`, `stride_0` and `padding_0`; and of colours in [0, 1] the `mean` and
            `std` `(3,)` that the network was trained with.
        scale: by which frames in [0, 1] are multiplied first.
    """

    def __init__(self, arrays: dict[str, np.ndarray], scale: float = 1.0) -> None:
        self.arrays = {name: np.asarray(each, np.float32) for name, each in arrays.items()}
        self.scale = scale

    def __call__(self, frames: Any) -> Any:
        """Return the features of frames `(B, H, W, 3)` in [0, 1], `(B, h, w, C)` in [0.5, 1]."""
        x = (self.scale * frames - self.arrays["mean"]) / self.arrays["std"]
        x = ops.max_pool(self._convolve(x, 0), WINDOW, EVERY)
        return ops.sigmoid(self._convolve(x, 1))

    def _convolve(self, x: Any, index: int) -> Any:
        kernel, bias, stride, padding = (
            self.arrays[f"{name}_{index}"] for name in ("kernel", "bias", "stride", "padding")
        )
        sides = (int(padding), int(padding))
        x = ops.pad(x, ((0, 0), sides, sides, (0, 0)))
        return ops.relu(ops.conv(x, kernel, int(stride)) + bias)


@keras.saving.register_keras_serializable("reverie")
class PerceptualAutoencoder(SequentialAutoencoder):
    """An autoencoder whose loss also compares features of frames and of their reconstructions.

    Beside the loss of `SequentialAutoencoder`, that of a frame is the mean squared difference of
    the features, for each number of the frame. Nobody but the training needs them, and no file
    of the autoencoder holds them. The published network trained AlexNet along, so that the loss
    could fall by changing its judge; here features are fixed.

    Args:
        architecture: its name in `ARCHITECTURES`.
        kl_weight: of the divergence.
        published: multiply frames by 255 before their colours are normalised as those of [0, 1],
            and leave the divergence out of the loss.
        options: see `SequentialAutoencoder`.

    Attributes:
        features: of frames in [0, 1]; has to be set before the training.
    """

    features: Callable[[Any], Any] | None = None

    def __init__(
        self,
        architecture: str,
        *arguments: Any,
        kl_weight: float = 0.0,
        published: bool = False,
        **options: Any,
    ) -> None:
        kl_weight = 0.0 if published else kl_weight
        super().__init__(architecture, *arguments, kl_weight=kl_weight, **options)
        self.published = published

    def judge_by(self, arrays: dict[str, np.ndarray]) -> None:
        """Set the features of the loss, see `Features`."""
        self.features = Features(arrays, scale=255.0 if self.published else 1.0)

    def frame_loss(self, frames: Any, outputs: dict[str, Any], training: bool) -> Any:
        """Return the mean loss of a batch of frames in [0, 1]."""
        difference = mean(ops.square(self.features(frames) - self.features(outputs["frames"])))
        self.trackers["features"].update_state(difference)
        rows, columns, colours = self.frame_shape
        return super().frame_loss(frames, outputs, training) + rows * columns * colours * difference


@keras.saving.register_keras_serializable("reverie")
class PatchClassifier(Classifier):
    """Says from every small patch of a frame which of some games the frame is of.

    Two convolutions with a pooling between them, and a linear layer at every place of their
    features. As no place sees more than 15 pixels, the features have to tell what patches show.

    Args:
        games: number G of games.
        widths: channels of the convolutions.
    """

    MEAN, STD = 0.5, 0.25

    def __init__(self, games: int, widths: Sequence[int] = (32, 64), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.games, self.widths = games, tuple(widths)
        frames = keras.Input((None, None, 3))
        self.convolutions = [
            layers.Conv2D(widths[0], 5, 2, activation="relu"),
            layers.Conv2D(widths[1], 3, activation="relu"),
        ]
        x = self.convolutions[0](layers.ZeroPadding2D(2)((frames - self.MEAN) / self.STD))
        x = layers.ZeroPadding2D(1)(layers.MaxPooling2D(WINDOW, EVERY)(x))
        x = self.convolutions[1](x)
        self.network = keras.Model(frames, layers.Conv2D(games, 1)(x))
        self.trackers = {"accuracy": keras.metrics.Mean(name="accuracy")}
        self.build()

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {"games": self.games, "widths": list(self.widths)}

    def call(self, frames: Any, training: bool = False) -> Any:
        """Return the logits of all places of frames `(B, H, W, 3)` in 0..255, `(B, h, w, G)`."""
        return self.network(ops.cast(frames, "float32") / 255.0)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean cross-entropy of all places to the games `y` `(B,)` of frames."""
        games = ops.cast(y, "int32")[:, None, None] + ops.zeros_like(y_pred[..., 0], "int32")
        hits = ops.cast(ops.argmax(y_pred, axis=-1), "int32") == games
        self.trackers["accuracy"].update_state(mean(ops.cast(hits, "float32")))
        return mean(ops.sparse_categorical_crossentropy(games, y_pred, from_logits=True))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what `Features` needs of it."""
        found = {"mean": np.full(3, self.MEAN), "std": np.full(3, self.STD)}
        for index, (layer, stride) in enumerate(zip(self.convolutions, (2, 1))):
            kernel, bias = (np.asarray(each) for each in layer.weights)
            found |= {f"kernel_{index}": kernel, f"bias_{index}": bias}
            found |= {f"stride_{index}": np.array(stride), f"padding_{index}": np.array(2 - index)}
        return found
