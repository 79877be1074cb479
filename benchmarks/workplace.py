"""The folder that all benchmarks of a run share: rollouts, latents and weights, each made once."""

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from reverie.backend import start_backend
from reverie.cores import usable_cores
from reverie.rollouts.players import named_player
from reverie.rollouts.recording import Recorder
from reverie.rollouts.storage import episode_lengths, find_batches
from reverie.rollouts.workers import GameWorkers
from reverie.runs import LATENTS, VAE_WEIGHTS

if TYPE_CHECKING:
    from reverie.models.mdn_rnn import MDNRNN

GAME = "doomrnn"
POLICY = "held_random"
OPTIONS = {"difficulty": 4, "time_steps": 2100}
BATCHES = 4  # files of rollouts
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ROOT = Path(__file__).resolve().parent.parent


def stage(name: str) -> ModuleType:
    """Import a numbered script, to measure the very functions that it runs."""
    return importlib.import_module(name)


def recorder(folder: Path) -> Recorder:
    """Return a recorder of the game that is measured."""
    return Recorder(folder, GAME, named_player(POLICY), POLICY, 0, OPTIONS)


def leave_cache(paths: list[Path]) -> None:
    """Drop files from the page cache, so that they are read from the disk again."""
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def limit_to_one_core() -> None:
    """Limit the process to one core; TensorFlow must not have been imported yet."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@dataclass(frozen=True)
class Workplace:
    """Data and networks for the benchmarks; the networks are random, the data are real.

    Attributes:
        folder: where they lie.
        quick: whether everything is as small as it can be, to try the benchmarks out.
    """

    folder: Path
    quick: bool = False

    def size(self, full: int, quick: int) -> int:
        """Choose a size."""
        return quick if self.quick else full

    def rollouts(self) -> list[Path]:
        """Return a few recorded batches."""
        folder = self.folder / "rollouts"
        if not folder.exists():
            episodes = self.size(16, 2)  # past the buffer of `FrameStream` with all batches
            record = recorder(folder)
            with GameWorkers(GAME, OPTIONS, usable_cores()) as workers:
                for batch in range(BATCHES):
                    record.record(workers, batch, batch * episodes, episodes)
        return find_batches(folder, GAME)

    def vae_weights(self, architecture: str = "patch") -> Path:
        """Return the weights of a VAE that has learned nothing."""
        path = self.folder / architecture / VAE_WEIGHTS
        if not path.exists():
            start_backend()
            from reverie.headers import WeightsHeader
            from reverie.models.vae import VAE
            from reverie.training.weights import save_weights

            save_weights(path, VAE(architecture, latent_size=64), WeightsHeader(GAME))
        return path

    def latents(self) -> Path:
        """Return the encoded rollouts."""
        path = self.folder / LATENTS
        if not path.exists():
            self.rollouts()
            flags = {
                "--obs_folder": self.folder / "rollouts",
                "--loaded_vae_weights": self.vae_weights(),
                "--savefolder": self.folder,
            }
            stage("03_generate_rnn_data").main(
                [str(part) for item in flags.items() for part in item]
            )
        return path

    def rnn(self) -> "MDNRNN":
        """Return an MDN-RNN of full size whose dreams live as long as the game's episodes."""
        start_backend()
        from reverie.models.mdn_rnn import MDNRNN

        rnn = MDNRNN(latent_size=64, action_size=1, units=self.size(512, 32))
        chance = 1.0 / episode_lengths(self.rollouts()).mean()
        kernel, bias = (np.array(weight) for weight in rnn.head.get_weights())
        kernel[:, -1], bias[-1] = 0.0, np.log(chance / (1.0 - chance))
        rnn.head.set_weights([kernel, bias])
        return rnn
