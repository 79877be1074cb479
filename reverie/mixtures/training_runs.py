"""Training performance across runs, from their `metrics.jsonl` and `config.json`."""

from dataclasses import dataclass
from pathlib import Path

from reverie.artifacts import UNREADABLE, InputError, read_json, read_json_lines
from reverie.runs import CONFIG, METRICS

MEND = "name folders that 04_train_rnn.py wrote"


@dataclass(frozen=True)
class TrainingRun:
    """How one MDN-RNN was trained.

    Attributes:
        name: of its folder.
        mixtures: components K.
        mixture: `joint` or `per_dim`.
        seed: of the run.
        latents: hash of what it was trained on; only runs on the same latents can be compared.
        rows: one of numbers an epoch.
    """

    name: str
    mixtures: int
    mixture: str
    seed: int
    latents: str
    rows: list[dict]

    def curve(self, key: str = "val_nats_per_frame") -> tuple[list, list]:
        """Return epochs and the values of a metric."""
        return [row["epoch"] for row in self.rows], [row[key] for row in self.rows]

    @property
    def best(self) -> dict:
        """The epoch whose weights were kept."""
        return min(self.rows, key=lambda row: row["val_loss"])


def read_runs(folders: list[Path]) -> list[TrainingRun]:
    """Read runs, sorted by form, components and seed.

    Args:
        folders: run folders, or folders of run folders.

    Raises:
        InputError: a folder holds no run, or a damaged one.
    """
    runs = [_read(run) for folder in folders for run in _runs_in(Path(folder))]
    return sorted(runs, key=lambda run: (run.mixture, run.mixtures, run.seed))


def _runs_in(folder: Path) -> list[Path]:
    found = sorted(path.parent for path in folder.glob(f"*/{METRICS}"))
    found = [folder] if (folder / METRICS).is_file() else found
    if not found:
        raise InputError(f"{folder}: no run with a {METRICS} there; {MEND}")
    return found


def _read(folder: Path) -> TrainingRun:
    try:
        config = read_json(folder / CONFIG, MEND)
        flags, latents = config["arguments"], config["inputs"]["latents"]["hash"]
        rows = read_json_lines(folder / METRICS, MEND)
        run = TrainingRun(
            name=folder.name,
            mixtures=flags["num_mixtures"],
            mixture=flags["mixture"],
            seed=flags["seed"],
            latents=latents,
            rows=rows,
        )
        run.best["val_nats_per_frame"]
    except UNREADABLE as error:
        raise InputError(f"{folder}: no training of an MDN-RNN ({error}); {MEND}") from error
    return run


def training_table(runs: list[TrainingRun]) -> list[dict]:
    """Return a row a run: what it is, and the nats per frame of its best epoch."""
    return [
        {
            "run": run.name,
            "mixture": run.mixture,
            "components": run.mixtures,
            "seed": run.seed,
            "latents": run.latents,
            "epochs": len(run.rows),
            "training": run.best["nats_per_frame"],
            "held out": run.best["val_nats_per_frame"],
            "one component": run.best["val_gaussian"],
        }
        for run in runs
    ]
