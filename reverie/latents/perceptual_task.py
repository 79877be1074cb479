"""Train the fixed network of the perceptual loss: which game is this patch of a frame of?

Reads rollouts of several games from one folder; writes a run folder and in it `perceptual.npz`, for
`02_train_vae.py --perceptual_weights`.

    python -m reverie.latents.perceptual_task --rollouts data/procgen
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from reverie import flags
from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.headers import RolloutsHeader, WeightsHeader, open_header
from reverie.latents.perceptual import write_perceptual
from reverie.rollouts.frames import FrameStream, split_rollouts
from reverie.rollouts.identity import rollouts_identity
from reverie.seeds import seed_32
from reverie.stage import conduct
from reverie.training.streams import ArrayStream
from reverie.training.task import Curves, Task, TrainingOptions

FRAMES = 1000  # of each game, at most


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rollouts", type=Path, required=True, help="folder with rollouts of several games")
    add("--output_folder", type=Path, default=Path("runs/perceptual"))
    add("--epochs", type=flags.positive_int, default=6)
    add("--batch_size", type=flags.positive_int, default=64)
    add("--learning_rate", type=flags.learning_rate, default=2e-3)
    add("--seed", type=flags.seed, default=0)
    add("--new_model", action="store_true", help="start afresh")
    return parser.parse_args(argv)


class Shuffled(ArrayStream):
    """Rows of arrays in memory, shuffled anew in every epoch.

    Args:
        arrays: of the same length.
        batch_size: rows of a batch.
        seed: decides the orders.
    """

    def __init__(self, *arrays: np.ndarray, batch_size: int, seed: int) -> None:
        super().__init__(*arrays, batch_size=batch_size)
        self.seed = seed

    def batches(self, epoch: int) -> list[tuple]:
        """Return the batches of an epoch."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.arrays[0]))
        rows = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        return [tuple(array[each] for array in self.arrays) for each in rows]


def labelled(paths: dict[str, list[Path]], held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return frames of all games `(N, rows, columns, 3)` and the numbers of their games `(N,)`."""
    frames = [
        FrameStream(each, split_rollouts(each)[held_out], 1).sample(FRAMES)
        for each in paths.values()
    ]
    games = [np.full(len(each), index) for index, each in enumerate(frames)]
    return np.concatenate(frames), np.concatenate(games)


def games_in(folder: Path) -> dict[str, list[Path]]:
    """Return the rollouts of each game in a folder.

    Raises:
        InputError: there are fewer than two games.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.h5")):
        found.setdefault(open_header(path, RolloutsHeader).game, []).append(path)
    if len(found) < 2:
        raise InputError(
            f"{folder}: rollouts of {len(found)} games; record more of them with: "
            "python 01_generate_data.py"
        )
    return found


@conduct
def main(argv: list[str] | None = None) -> None:
    """Train the network and write what a loss needs of it."""
    args = parse_args(argv)
    paths = games_in(args.rollouts)
    start_backend()
    import keras

    from reverie.models.perceptual import PatchClassifier
    from reverie.training.fit import fit

    def build() -> PatchClassifier:
        keras.utils.set_random_seed(seed_32(args.seed))
        return PatchClassifier(len(paths))

    def write(network: PatchClassifier, history: list[dict]) -> dict:
        write_perceptual(args.output_folder / "perceptual.npz", network.arrays())
        return history[-1]

    rollouts = rollouts_identity([path for each in paths.values() for path in each])
    task = Task(
        name="patch classifier",
        weights="patch_classifier.h5",
        build=build,
        train=Shuffled(*labelled(paths, False), batch_size=args.batch_size, seed=args.seed),
        held_out=ArrayStream(*labelled(paths, True), batch_size=args.batch_size),
        identity={"seed": args.seed, "batch_size": args.batch_size, "rollouts": rollouts},
        header=WeightsHeader(", ".join(paths)),
        hashes=rollouts,
        report=write,
        curves=Curves(unit="nats"),
    )
    fit(task, args.output_folder, flags.filled(TrainingOptions, args, arguments=vars(args)))


if __name__ == "__main__":
    sys.exit(main())
