"""How well autoencoders keep small moving things: errors inside them, beside leaving them out.

`painted` trains on frames with two things of 4x4 pixels; `recorded` measures trained
weights on the held-out episodes of rollouts, where what departs from the median frame counts as
moving. A ratio of 1 is that of leaving everything out.

    python -m benchmarks.small_things painted --architecture beta --side 128 --batches 4000
    python -m benchmarks.small_things recorded --input_data_folder aliens/64 \\
        --environment_name screen --weights aliens/vae64/final_full_vae_weights.h5
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from reverie import flags
from reverie.backend import start_backend
from reverie.models.architectures import ARCHITECTURES
from reverie.reports.plots import as_bytes, evenly, save_picture, tile
from reverie.rollouts.frames import FrameStream, split_rollouts
from reverie.rollouts.storage import find_batches
from reverie.stage import conduct
from reverie.training.schedule import warm_cosine

THING, THINGS, BATCH, HELD_OUT = 4, 2, 50, 200
MOVING = 30  # of 255, in the channel that departs most from the median frame
MEASURED = 1000  # frames


def paint(count: int, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return frames with things at random places, and the background."""
    dark = np.random.default_rng(0).integers(20, 90, (side // 8, side // 8, 3))
    background = dark.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
    frames = np.repeat(background[None], count, axis=0)
    for frame in frames:
        for y, x in rng.integers(0, side - THING, (THINGS, 2)):
            frame[y : y + THING, x : x + THING] = 230, 200, 120
    return frames, background


def inside(frames: np.ndarray, decoded: np.ndarray, background: np.ndarray) -> dict[str, float]:
    """Return the error inside what moves, that of leaving it out, and their ratio."""
    masks = np.abs(frames.astype(int) - background).max(axis=-1) > MOVING
    errors = [
        np.square(frames / 255.0 - other).mean(axis=-1)[masks].mean()
        for other in (decoded, background / 255.0)
    ]
    names = ("inside", "left_out", "ratio", "share_moving")
    return dict(zip(names, map(float, (*errors, errors[0] / errors[1], masks.mean()))))


def painted(args: argparse.Namespace) -> dict:
    """Train on painted frames, and measure on others."""
    import keras

    from reverie.training.weights import build_network

    known = ARCHITECTURES[args.architecture]
    config = {"architecture": args.architecture, **known.settings, "latent_size": 64}
    if "kl_weight" in config:  # of each number of a frame: beta stays
        config["kl_weight"] *= (64 / args.side) ** 2
    vae = build_network("VAE", config | {"frame_shape": [args.side, args.side, 3]}, seed=0)
    rng, rate = np.random.default_rng(1), warm_cosine(known.learning_rate)
    held_out, background = paint(HELD_OUT, args.side, np.random.default_rng(2))
    vae.mean_frame.assign(background / 255.0)
    vae.compile(optimizer=keras.optimizers.Adam(global_clipnorm=1e4))
    for batch in range(args.batches):
        vae.optimizer.learning_rate = rate(batch / args.batches)
        vae.train_on_batch(paint(BATCH, args.side, rng)[0])
    decoded = vae.predict_on_batch(held_out)["frames"]
    save(args, held_out, decoded)
    return inside(held_out, decoded, background)


def recorded(args: argparse.Namespace) -> dict:
    """Measure trained weights on held-out frames."""
    from reverie.latents.encoding import reconstruct
    from reverie.training.weights import load_network

    paths = find_batches(args.input_data_folder, args.environment_name)
    frames = FrameStream(paths, split_rollouts(paths)[1], 1).sample(MEASURED)
    decoded = reconstruct(load_network(args.weights, "VAE"), frames)
    save(args, frames, decoded)
    return inside(frames, decoded, np.median(frames, axis=0).astype(np.uint8))


def save(args: argparse.Namespace, frames: np.ndarray, decoded: np.ndarray) -> None:
    """Write frames over their reconstructions where a picture is asked for."""
    if args.picture:
        save_picture(args.picture, tile([evenly(frames), as_bytes(evenly(decoded))], scale=1))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("painted", "recorded"))
    parser.add_argument("--architecture", choices=("beta", "beta_plain", "patch"), default="beta")
    parser.add_argument("--side", type=int, choices=(64, 128), default=128)
    parser.add_argument("--batches", type=flags.positive_int, default=4000, help=f"of {BATCH}")
    parser.add_argument("--input_data_folder", type=Path)
    parser.add_argument("--environment_name", default="screen")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--picture", type=Path, help="frames over their reconstructions")
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run one of the commands."""
    args = parse_args(argv)
    start_backend()
    print(json.dumps({"painted": painted, "recorded": recorded}[args.command](args)))


if __name__ == "__main__":
    sys.exit(main())
