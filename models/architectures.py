"""The architectures of autoencoders: what is known of each, and the layers of most of them.

Light: a function of layers is handed the module that makes them, so that flags and headers know all
architectures without Keras. To add one whose encoder and decoder are sequences of layers, write
their function and a line in `ARCHITECTURES`; nothing else has to change.

Six are those of ProcgenAutoencoder (neuroevolution-ai, for Procgen's Heist), to the parameter. Its
frames went through training and use with different axes exchanged, and one of its generators stored
them as BGR; here a frame is rows, columns and RGB everywhere. What else differs stands below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]  # rows, columns, 3
Layers = Any  # `keras.layers`, with the dtype of the network; see `models/sequential.py`
Sequences = tuple[list, list]  # layers of the encoder and of the decoder


@dataclass(frozen=True)
class Architecture:
    """What is known of an autoencoder without building it.

    Attributes:
        settings: of its size and its loss, with their defaults; flags of stage 2.
        learning_rate: default.
        patience: epochs without a better held-out loss after which training ends and the best
            weights are kept, default; None for never, and the last weights.
        network: its module in `models/` and its class.
        layers: makes the layers from their module, a frame's shape and the size of the code; None
            where the class knows them. The decoder's last activation is added.
        size: the size of the code of frames of a shape, where it cannot be chosen.
        frame_shape: the only frames that it sees; None for others too.
        divisor: of the sides of frames.
        least: rows and columns of frames.
        variational: the code is a Gaussian, whose mean and variance follow from the last layer.
        power: of the differences of pixels in the loss.
        perceptual: the loss also compares features of a fixed network.
    """

    settings: dict[str, Any]
    learning_rate: float = 3e-3
    patience: int | None = 10
    network: tuple[str, str] = ("sequential", "SequentialAutoencoder")
    layers: Callable[[Layers, Shape, int], Sequences] | None = None
    size: Callable[[Shape], int] | None = None
    frame_shape: Shape | None = None
    divisor: int = 1
    least: int = 8
    variational: bool = False
    power: int = 2
    perceptual: bool = False


def conv_unpool(k: Layers, shape: Shape, size: int) -> Sequences:
    """Three times two convolutions and a pooling; the code is a map, 6x6x32 for 64x64 pixels.

    The published decoder puts values where the encoder's pooling found them: it cannot decode a
    code by itself. Here a value is put into the middle of its window. The published one ends with
    a rectifier, here with a sigmoid.
    """
    encoder, decoder, sides = [], [], [shape[:2]]
    for first, last in ((16, 16), (16, 16), (32, 32)):
        encoder += [*_normalised(k, first, 3), *_normalised(k, last, 3), k.MaxPooling2D(4, 2)]
        sides.append(pooled(sides[-1]))
    decoder = [k.Reshape((*sides.pop(), 32))]
    for first, last in ((32, 16), (16, 16), (16, 3)):
        decoder += [k.Unpool(sides.pop()), *_normalised(k, first, 3), *_normalised(k, last, 3)]
    return [*encoder, k.Flatten()], decoder[:-1]


def pooled(sides: Shape) -> Shape:
    """Return the sides of a map after pooling windows of 4 every 2."""
    return tuple((side - 4) // 2 + 1 for side in sides)


def unpool_size(shape: Shape) -> int:
    """Return the size of the code of `conv_unpool`."""
    rows, columns = pooled(pooled(pooled(shape[:2])))
    return rows * columns * 32


def _normalised(k: Layers, channels: int, kernel: int) -> list:
    """Return a convolution with batch normalisation and rectifier."""
    return [
        k.Conv2D(channels, kernel, padding="same"),
        k.BatchNormalization(epsilon=1e-5, momentum=0.9),
        k.ReLU(),
    ]


def conv_maxpool(k: Layers, shape: Shape, size: int) -> Sequences:
    """Two convolutions with poolings, then a dense layer."""
    rows, columns = shape[0] // 4, shape[1] // 4
    encoder = [
        k.Conv2D(16, 3, padding="same", activation="relu"),
        k.MaxPooling2D(2),
        k.Conv2D(4, 3, padding="same", activation="relu"),
        k.MaxPooling2D(2),
        k.Flatten(),
        k.Dense(size, activation="relu", name="mu"),
    ]
    decoder = [
        k.Dense(rows * columns * 4, activation="relu"),
        k.Reshape((rows, columns, 4)),
        k.Conv2DTranspose(16, 2, 2, activation="relu"),
        k.Conv2DTranspose(3, 2, 2),
    ]
    return encoder, decoder


def conv_maxpool_big(k: Layers, shape: Shape, size: int) -> Sequences:
    """Three convolutions without a pooling, in spite of the name, then two dense layers."""
    rows, columns = shape[0] // 4 - 6, shape[1] // 4 - 6
    encoder = [
        k.Conv2D(16, 3, 2, padding="same", activation="relu"),
        k.Conv2D(32, 3, 2, padding="same", activation="relu"),
        k.Conv2D(64, 7, activation="relu"),
        k.Flatten(),
        k.Dense(100, activation="relu"),
        k.Dense(size, activation="relu", name="mu"),
    ]
    decoder = [
        k.Dense(100, activation="relu"),
        k.Dense(rows * columns * 64, activation="relu"),
        k.Reshape((rows, columns, 64)),
        k.Conv2DTranspose(32, 7, activation="relu"),
        k.Conv2DTranspose(16, 3, 2, padding="same", activation="relu"),
        k.Conv2DTranspose(3, 3, 2, padding="same"),
    ]
    return encoder, decoder


def conv_no_bottleneck(k: Layers, shape: Shape, size: int) -> Sequences:
    """Convolutions down to one place of 128 channels: 64 -> 31 -> 14 -> 4 -> 1, and back."""
    encoder = [
        k.Conv2D(16, 3, activation="relu"),
        k.MaxPooling2D(2),
        k.Conv2D(32, 3, activation="relu"),
        k.MaxPooling2D(2),
        k.Conv2D(64, 7, 2, activation="relu"),
        k.Conv2D(128, 3, 2, activation="relu"),
        k.Flatten(),
    ]
    decoder = [
        k.Reshape((1, 1, 128)),
        k.Conv2DTranspose(64, 3, 2, activation="relu"),
        k.Conv2DTranspose(32, 7, 3, activation="relu"),
        k.Cropping2D(1),
        k.Conv2DTranspose(16, 3, 3, activation="relu"),
        k.Cropping2D(1),
        k.Conv2DTranspose(3, 3, 2, output_padding=1),
    ]
    return encoder, decoder


def vae_paper(k: Layers, shape: Shape, size: int) -> Sequences:
    """The article's convolutions with batch normalisation: 64 -> 31 -> 14 -> 6 -> 2, and back."""
    encoder, decoder = [], [k.Dense(1024), k.Reshape((1, 1, 1024))]
    for channels in (32, 64, 128, 256):
        encoder += [k.Conv2D(channels, 4, 2), k.BatchNormalization(epsilon=1e-5, momentum=0.9)]
        encoder.append(k.LeakyReLU(0.01))
    for channels, kernel in ((128, 5), (64, 5), (32, 6)):
        decoder.append(k.Conv2DTranspose(channels, kernel, 2))
        decoder += [k.BatchNormalization(epsilon=1e-5, momentum=0.9), k.LeakyReLU(0.01)]
    return [*encoder, k.Flatten()], [*decoder, k.Conv2DTranspose(3, 6, 2)]


def beta_plain(k: Layers, shape: Shape, size: int) -> Sequences:
    """Convolutions that halve the sides down to 4, then a dense layer, and back.

    It is the beta-VAE of a published system that clones play, in colour and for larger frames too;
    there the code has 10 numbers, and so has the default here.
    """
    rows, columns, _ = shape
    widths = []
    while min(rows, columns) > 4 and rows % 2 == columns % 2 == 0:
        rows, columns = rows // 2, columns // 2
        widths.append(32 if len(widths) < 2 else 64)
    encoder = [k.Conv2D(w, 4, 2, padding="same", activation="relu") for w in widths]
    encoder += [k.Flatten(), k.Dense(256, activation="relu")]
    decoder = [k.Dense(256, activation="relu"), k.Dense(rows * columns * 64, activation="relu")]
    decoder.append(k.Reshape((rows, columns, 64)))
    for width in reversed(widths[:-1]):
        decoder.append(k.Conv2DTranspose(width, 4, 2, padding="same", activation="relu"))
    return encoder, [*decoder, k.Conv2DTranspose(3, 4, 2, padding="same")]


ONLY_64 = (64, 64, 3)
# Losses and rates of the article are those of arXiv 1803.10122 (its code; the paper gives no rate);
# those of `patch` were found on TakeCover, those of the six are published.
ARCHITECTURES = {
    "patch": Architecture(
        {
            "latent_size": 64,
            "reconstruction_weight": 30.0,
            "detail_weight": 20.0,
            "free_bits": 0.0,
        },
        2e-3,
        patience=None,
        network=("vae", "VAE"),
        divisor=8,
        variational=True,
    ),
    "article": Architecture(
        {"latent_size": 64, "reconstruction_weight": 1.0, "detail_weight": 0.0, "free_bits": 0.5},
        1e-4,
        patience=None,
        network=("vae", "VAE"),
        frame_shape=ONLY_64,
        variational=True,
    ),
    "beta": Architecture(
        {"latent_size": 64, "beta": 1.0, "warmup": 1000, "detail_weight": 20.0},
        2e-3,
        patience=None,
        network=("beta_vae", "BetaVAE"),
        divisor=8,
        variational=True,
    ),
    "beta_plain": Architecture(
        {"latent_size": 10, "kl_weight": 4.0 / (64 * 64 * 3)},
        3e-4,
        patience=None,
        layers=beta_plain,
        divisor=16,
        least=32,
        variational=True,
    ),
    "conv_unpool": Architecture(
        {"latent_size": 1152, "published": False},
        network=("unpool_autoencoder", "UnpoolAutoencoder"),
        layers=conv_unpool,
        size=unpool_size,
        least=22,
    ),
    "conv_maxpool": Architecture({"latent_size": 32}, layers=conv_maxpool, divisor=4),
    "conv_maxpool_big": Architecture(
        {"latent_size": 32}, layers=conv_maxpool_big, divisor=4, least=28
    ),
    "conv_no_bottleneck": Architecture(
        {"latent_size": 128},
        layers=conv_no_bottleneck,
        size=lambda shape: 128,
        frame_shape=ONLY_64,
    ),
    "vae_paper": Architecture(
        {"latent_size": 22, "kl_weight": 1e-4},
        layers=vae_paper,
        frame_shape=ONLY_64,
        variational=True,
        power=4,
    ),
    "vae_alex": Architecture(
        {"latent_size": 64, "kl_weight": 1e-4, "published": False},
        network=("perceptual", "PerceptualAutoencoder"),
        layers=vae_paper,
        frame_shape=ONLY_64,
        variational=True,
        perceptual=True,
    ),
}
