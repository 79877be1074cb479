"""How much of everything a pipeline does, read from a JSON file like those in `slurm/numbers/`."""

import json
from dataclasses import dataclass
from pathlib import Path

from reverie.artifacts import UNREADABLE, InputError, require_file
from reverie.mixtures.networks import GAME as ANALYSED
from reverie.runs import Pipeline

NUMBERS = Path(__file__).resolve().parent.parent / "slurm" / "numbers" / "full.json"
STAGES = ("record", "vae", "rnn", "controller")
ROUNDS = ("record", "play", "vae", "rnn", "controller")  # what later rounds may have otherwise


@dataclass(frozen=True)
class Numbers:
    """How much of everything a pipeline does.

    Attributes:
        pipeline: flags of the stages.
        analysis: flags of the analysis; None leaves it out.
    """

    pipeline: Pipeline
    analysis: dict | None


def read_numbers(path: Path, game: str) -> Numbers:
    """Read the flags of all stages from a JSON file, see `slurm/numbers/`.

    Raises:
        InputError: the file is missing or damaged, or a stage is missing or unknown.
    """
    require_file(path, "numbers of a pipeline", f"name a file like {NUMBERS}")
    try:
        values = dict(json.loads(path.read_text()))
        analysis = values.pop("analysis", None)
        if unknown := {*values.get("rounds", {})} - {*ROUNDS}:
            raise ValueError(f"rounds: {', '.join(sorted(unknown))}: not of {', '.join(ROUNDS)}")
        return Numbers(Pipeline(game=game, **values), analysis if game == ANALYSED else None)
    except UNREADABLE as error:
        raise InputError(
            f"{path}: {error}; it must hold an object for each of {', '.join(STAGES)} and may "
            "hold one for rules, rounds and analysis"
        ) from error
