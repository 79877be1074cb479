"""The training of autoencoders as a task: frames of rollouts, evaluated on held-out episodes."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from reverie.artifacts import file_hash
from reverie.backend import set_precision
from reverie.games import game_class
from reverie.games.game import Game
from reverie.headers import RolloutsHeader, WeightsHeader, open_header
from reverie.latents.encoding import reconstruct, reconstruction_errors
from reverie.latents.perceptual import read_perceptual
from reverie.models.architectures import ARCHITECTURES
from reverie.models.autoencoder import Autoencoder
from reverie.reports.plots import evenly, save_picture, tile
from reverie.rollouts.diverse import choose
from reverie.rollouts.frames import FrameStream, split_rollouts
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.storage import frames_in
from reverie.runs import VAE_WEIGHTS
from reverie.seeds import seed_32
from reverie.training.streams import ArrayStream
from reverie.training.task import History, Task
from reverie.training.weights import build_network, load_weights

EVALUATED = 24_576_000  # bytes of held-out frames to measure errors on, 2,000 frames of 64x64
EVALUATION_BATCH = 100
CLIPNORM = 1e4


@dataclass(frozen=True)
class VAEOptions:
    """What the network is and how its batches are made.

    Settings that an architecture does not have are None.

    Attributes:
        architecture: its name in `ARCHITECTURES`.
        latent_size: latents Z.
        reconstruction_weight: of the squared error.
        detail_weight: of pixels unlike the mean frame.
        free_bits: nats of KL per latent that are free.
        kl_weight: of the divergence.
        beta: the same, of `beta`, see `BetaVAE`.
        warmup: batches over which it rises.
        published: behave as the published network where ours is better.
        perceptual_weights: of the fixed network of a perceptual loss, see `read_perceptual`.
        batch_size: frames.
        seed: decides weights, noise and order.
        precision: see `set_precision`.
        initial_weights: an earlier VAE of the same size to go on from.
        diverse: frames to train on, see `reverie.rollouts.diverse`; None for all.
        keep: weights of the epoch with the best held-out loss, or those of the last one.
    """

    architecture: str
    latent_size: int
    reconstruction_weight: float | None = None
    detail_weight: float | None = None
    free_bits: float | None = None
    kl_weight: float | None = None
    beta: float | None = None
    warmup: int | None = None
    published: bool | None = None
    perceptual_weights: Path | None = None
    batch_size: int = 100
    seed: int = 0
    precision: str = "auto"
    initial_weights: Path | None = None
    diverse: int | None = None
    keep: Literal["best", "last"] = "last"


def vae_task(paths: list[Path], game: str, options: VAEOptions, folder: Path) -> Task:
    """Return the task of training an autoencoder.

    Args:
        paths: checked rollouts.
        game: whose they are.
        options: of the network and its batches.
        folder: where reconstructions are painted.

    Raises:
        InputError: there are too few episodes or frames.
    """
    known = ARCHITECTURES[options.architecture]
    train, held_out = split_rollouts(paths)
    stream = _stream(paths, train, options)
    held_stream = FrameStream(paths, held_out, 1)
    count = frames_in(EVALUATED, stream.frame_shape)
    evaluated = held_stream.sample(count)
    header = open_header(paths[0], RolloutsHeader)
    made_by = game_class(game, header.options)
    rollouts = rollouts_identity(paths)
    return Task(
        name=f"{options.architecture} {'VAE' if known.variational else 'autoencoder'}",
        weights=VAE_WEIGHTS,
        build=lambda: build(options, stream.sample(count)),
        train=stream,
        held_out=ArrayStream(evaluated, batch_size=EVALUATION_BATCH),
        identity=_identity(options) | {"game": game, "rollouts": rollouts},
        header=WeightsHeader(game, header.preprocessing),
        inputs={path.name: path for path in paths},
        hashes=rollouts,
        keep=options.keep,
        clipnorm=CLIPNORM,
        judge=_evaluation(made_by, evaluated, held_stream, count),
        paint=_painter(folder / "reconstructions", evenly(evaluated)),
        interval_name="vae_weights_{epoch:03d}.h5",
    )


def _stream(paths: list[Path], episodes: list[int], options: VAEOptions) -> FrameStream:
    """Return the frames to train on; those that are chosen are chosen anew at every start."""
    chosen = None
    if options.diverse:
        choice = choose(paths, episodes, options.diverse, options.seed)
        print(choice.describe())
        chosen = choice.frames
    return FrameStream(paths, episodes, options.batch_size, options.seed, chosen=chosen)


def build(options: VAEOptions, frames: np.ndarray) -> Autoencoder:
    """Build the network, its mean frame set to that of the data.

    Args:
        options: what it is.
        frames: `(N, rows, columns, 3)` uint8 to take the mean of.
    """
    keras.utils.set_random_seed(seed_32(options.seed))
    print(f"arithmetic: {set_precision(options.precision)}")
    settings = ARCHITECTURES[options.architecture].settings
    config = {name: getattr(options, name) for name in ("architecture", *settings)}
    config["frame_shape"] = frames.shape[1:]
    vae = build_network("VAE", config, seed=seed_32(options.seed))
    if options.perceptual_weights:
        vae.judge_by(read_perceptual(options.perceptual_weights))
    if options.initial_weights:
        load_weights(options.initial_weights, vae)
    vae.mean_frame.assign(frames.mean(axis=0) / 255.0)
    return vae


def _identity(options: VAEOptions) -> dict:
    names = {name: value for name, value in asdict(options).items() if value is not None}
    del names["precision"]  # it may depend on the machine
    if options.keep == "last":
        del names["keep"]
    if options.perceptual_weights:
        names["perceptual_weights"] = file_hash(options.perceptual_weights)
    initial = options.initial_weights
    return names | {"initial_weights": file_hash(initial) if initial else None}


def _evaluation(
    game: type[Game], frames: np.ndarray, stream: FrameStream, count: int
) -> Callable[[Autoencoder, History], dict]:
    """Return what measures the errors over all pixels and inside the game's objects."""
    masks = None
    if game.objects and stream.holds(f"infos/{game.truth}"):
        truth = stream.sample(count, f"infos/{game.truth}")
        masks = game.object_masks(truth, stream.frame_shape)

    def evaluate(vae: Autoencoder, _: History) -> dict[str, float]:
        return reconstruction_errors(frames, reconstruct(vae, frames), masks, game.objects)

    return evaluate


def _painter(folder: Path, frames: np.ndarray) -> Callable[[Autoencoder, History], None]:
    """Return what paints the same frames and their reconstructions after every epoch."""

    def paint(vae: Autoencoder, history: History) -> None:
        path = folder / f"epoch_{history[-1]['epoch']:03d}.png"
        save_picture(path, tile([frames, reconstruct(vae, frames)]))

    return paint
