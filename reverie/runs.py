"""The names of a run's files, and the commands of a pipeline as data.

A file that one stage writes and another reads has its name here and nowhere else. `make run`, the
benchmarks, the tests and the job chain of a cluster loop over the stages of a `Pipeline`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

Flags = Mapping[str, object]

# Files in the folder of a stage.
VAE_WEIGHTS = "final_full_vae_weights.h5"
LATENTS = "rnn_format_data/rnn_training_data.npz"  # below `--savefolder` of stage 3
RNN_WEIGHTS = "final_rnn_weights.h5"
CONTROLLER = "controller.h5"
CLONE = "clone.h5"
CONFIG = "config.json"
METRICS = "metrics.jsonl"
EVALUATION_FOLDER = "evaluation"  # of an autoencoder, beside its weights
CHECKPOINT = "checkpoint.h5"  # of a training, there until its folder is removed
SCORES = "scores.json"  # written last: the training or search is finished
# Files of a whole run, beside the folders of its stages.
COSTS = "costs.json"
REPORT = "report.html"

# Folders that the numbered scripts use when none is named.
ROLLOUTS_FOLDER = Path("training_data_folder")
VAE_FOLDER = Path("trained_models_folder")
RNN_FOLDER = Path("trained_rnn_models")
CONTROLLER_FOLDER = Path("controller")
MASKS_FOLDER = Path("critic_masks_folder")
CLONE_FOLDER = Path("cloned_behaviour")
RUN_FOLDER = Path("runs/doom")  # of `make run`

# What comes with Reverie; links in the repository, plain folders where it is installed.
PRETRAINED = Path(__file__).resolve().parent / "pretrained"
NOTEBOOKS = Path(__file__).resolve().parent / "notebooks"


@dataclass(frozen=True)
class RunFolder:
    """Where the files of stages 1 to 5 lie, a folder for each stage.

    Attributes:
        root: the folder of the run.
    """

    root: Path

    @property
    def rollouts(self) -> Path:
        """Episodes, of stage 1."""
        return self.root / "rollouts"

    @property
    def vae(self) -> Path:
        """Folder of stages 2 and 3."""
        return self.root / "vae"

    @property
    def vae_weights(self) -> Path:
        """The VAE, of stage 2."""
        return self.vae / VAE_WEIGHTS

    @property
    def latents(self) -> Path:
        """Encoded episodes, of stage 3."""
        return self.vae / LATENTS

    @property
    def rnn(self) -> Path:
        """Folder of stage 4."""
        return self.root / "rnn"

    @property
    def rnn_weights(self) -> Path:
        """The MDN-RNN, of stage 4."""
        return self.rnn / RNN_WEIGHTS

    @property
    def search(self) -> Path:
        """Folder of stage 5."""
        return self.root / "controller"

    @property
    def controller(self) -> Path:
        """The controller, of stage 5."""
        return self.search / CONTROLLER

    @property
    def costs(self) -> Path:
        """The time that each stage took."""
        return self.root / COSTS

    @property
    def report(self) -> Path:
        """The page that shows everything."""
        return self.root / REPORT


def words(flags: Flags) -> list[str]:
    """Write flags as words of a command line: `{"epochs": 2}` becomes `--epochs 2`."""
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Stage:
    """One command of a pipeline.

    Attributes:
        script: the numbered script.
        flags: names without dashes, and their values.
        inputs: files and folders that it reads.
        outputs: files and folders that it writes.
        game: the positional argument of stages 1 and 5.
        shares: how many jobs can divide its work, see `share`; 1 for a single job.
    """

    script: str
    flags: Flags
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    game: str | None = None
    shares: int = 1

    def command(self) -> list[str]:
        """Return the script and its arguments, which a person could type as well."""
        return [self.script, *([self.game] if self.game else []), *words(self.flags)]

    def share(self, job: int) -> "Stage":
        """Return the part of a recording that one job of an array does: one batch.

        Args:
            job: from 0 to `shares` - 1.
        """
        total, size = int(self.flags["total_episodes"]), int(self.flags["batch_size"])
        first = int(self.flags.get("start_batch", 0))
        part = {"start_batch": first + job, "total_episodes": min(size, total - job * size)}
        return replace(self, flags={**self.flags, **part}, shares=1)


@dataclass(frozen=True)
class Pipeline:
    """The numbers of stages 1 to 5 for one game.

    Attributes:
        game: as stage 1 takes it.
        record: flags of stage 1, without files and seed, as all that follow.
        vae: flags of stage 2.
        rnn: flags of stage 4.
        controller: flags of stage 5.
        rules: flags of the game, which hold when it is recorded and when it is played.
        rounds: by kind, flags that later rounds have otherwise, see `reverie.rounds`.
    """

    game: str
    record: Flags
    vae: Flags
    rnn: Flags
    controller: Flags
    rules: Flags = field(default_factory=dict)
    rounds: Mapping[str, Flags] = field(default_factory=dict)

    def stages(self, root: Path, seed: int = 0) -> list[Stage]:
        """Return the stages of one run in their order.

        Args:
            root: the folder of the run; runs of several seeds have a folder each.
            seed: of every stage that draws something.
        """
        folder, drawn = RunFolder(root), {"seed": seed}
        record = self._record(folder, drawn)
        first = int(record.flags.get("start_batch", 0))
        batches = {"start_batch": first, "max_batch": first + record.shares - 1}
        return [
            record,
            self._vae(folder, batches, drawn),
            self._encode(folder, batches),
            self._rnn(folder, drawn),
            self._search(folder, drawn),
        ]

    def _record(self, folder: RunFolder, drawn: Flags) -> Stage:
        flags = {**self.record, **self.rules, "store_folder": folder.rollouts, **drawn}
        shares = math.ceil(int(flags["total_episodes"]) / int(flags["batch_size"]))
        outputs = (folder.rollouts,)
        return Stage("01_generate_data.py", flags, (), outputs, self.game, shares)

    def _vae(self, folder: RunFolder, batches: Flags, drawn: Flags) -> Stage:
        files = {"input_data_folder": folder.rollouts, "savefolder": folder.vae}
        flags = {"environment_name": self.game, **batches, **self.vae, **files, **drawn}
        return Stage("02_train_vae.py", flags, (folder.rollouts,), (folder.vae_weights,))

    def _encode(self, folder: RunFolder, batches: Flags) -> Stage:
        flags = {
            **batches,
            "obs_folder": folder.rollouts,
            "loaded_vae_weights": folder.vae_weights,
            "savefolder": folder.vae,
        }
        inputs = (folder.rollouts, folder.vae_weights)
        return Stage("03_generate_rnn_data.py", flags, inputs, (folder.latents,))

    def _rnn(self, folder: RunFolder, drawn: Flags) -> Stage:
        files = {
            "training_data_file": folder.latents,
            "upper_level_folder_name": folder.rnn.parent,
            "output_folder_name": folder.rnn.name,
        }
        flags = {**self.rnn, **files, **drawn}
        return Stage("04_train_rnn.py", flags, (folder.latents,), (folder.rnn_weights,))

    def _search(self, folder: RunFolder, drawn: Flags) -> Stage:
        files = {
            "vae_weights": folder.vae_weights,
            "rnn_weights": folder.rnn_weights,
            "output_folder": folder.search,
        }
        flags = {**self.controller, **self.rules, **files, **drawn}
        inputs = (folder.vae_weights, folder.rnn_weights)
        return Stage("05_train_controller.py", flags, inputs, (folder.controller,), self.game)
