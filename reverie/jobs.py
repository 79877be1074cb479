"""A whole pipeline as a chain of cluster jobs, printed as data; `slurm/pipeline.sh` submits it.

Prints a line for every command: the name of its job, the job that must be done before and how, and
the command, with tabs between them. Lines of the same job are the tasks of an array.

    # two seeds of two mixtures, with the numbers of a minute's try
    python -m reverie.jobs doomrnn runs/doom --numbers slurm/numbers/tiny.json \\
        --seeds 0 1 --mixtures 1 5
"""

import argparse
import json
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from reverie.artifacts import UNREADABLE, InputError, require_file
from reverie.games import game_class
from reverie.mixtures.networks import GAME as ANALYSED
from reverie.runs import RNN_WEIGHTS, Pipeline, RunFolder, Stage, words
from reverie.stage import conduct

NUMBERS = Path(__file__).resolve().parent.parent / "slurm" / "numbers" / "full.json"
STAGES = ("record", "vae", "rnn", "controller")


@dataclass(frozen=True)
class Job:
    """One job of the chain.

    Attributes:
        name: says which stage it runs.
        after: name of the job that must be done before, empty for the first.
        commands: one for each task; more than one makes an array.
        each: task n waits for task n of the job before, and not for all of them.
    """

    name: str
    after: str
    commands: tuple[tuple[str, ...], ...]
    each: bool = False

    @property
    def dependency(self) -> str:
        """As sbatch calls it, with the name in place of the number that it does not know yet."""
        if not self.after:
            return "none"
        return f"{'aftercorr' if self.each else 'afterok'}:{self.after}"


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
        return Numbers(Pipeline(game=game, **values), analysis if game == ANALYSED else None)
    except UNREADABLE as error:
        raise InputError(
            f"{path}: {error}; it must hold an object for each of {', '.join(STAGES)} and may "
            "hold one for rules and analysis"
        ) from error


def chain(
    numbers: Numbers,
    root: Path,
    seed: int = 0,
    seeds: tuple[int, ...] = (),
    mixtures: tuple[int, ...] = (),
) -> list[Job]:
    """Return the jobs of a pipeline in their order.

    Args:
        numbers: flags of the stages.
        root: the folder of the run.
        seed: of recording and VAE, and of the rest where `seeds` is empty.
        seeds: of the MDN-RNNs and their controllers.
        mixtures: numbers of components of the MDN-RNNs.
    """
    record, vae, encode, rnn, controller = numbers.pipeline.stages(root, seed)
    first = int(record.flags.get("start_batch", 0))
    last = {"start_batch": first, "max_batch": first + record.shares - 1}
    vae = replace(vae, flags={**last, **vae.flags})
    encode = replace(encode, flags={**encode.flags, **last})
    shares = [{"share": f"{number}/{record.shares}"} for number in range(record.shares)]
    variants = _variants(RunFolder(root), rnn, controller, seeds, mixtures)
    rnns, controllers = zip(*variants)
    jobs = [
        _job("record", "", [record.share(number) for number in range(record.shares)]),
        _job("vae", "record", [vae]),
        _job("encode", "vae", [replace(encode, flags={**encode.flags, **s}) for s in shares]),
        _job("join", "encode", [encode]),
        _job("rnn", "join", rnns),
        _job("controller", "rnn", controllers, each=len(rnns) > 1),
    ]
    if numbers.analysis is not None and rnn.flags.get("mixture", "joint") == "joint":
        jobs.append(Job("analysis", "rnn", (_analysis(numbers.analysis, RunFolder(root), rnns),)))
    return jobs


def _job(name: str, after: str, stages: list[Stage], each: bool = False) -> Job:
    return Job(name, after, tuple(("python", *stage.command()) for stage in stages), each)


def _variants(
    folder: RunFolder,
    rnn: Stage,
    controller: Stage,
    seeds: tuple[int, ...],
    mixtures: tuple[int, ...],
) -> list[tuple[Stage, Stage]]:
    """Return stages 4 and 5 of every seed and number of components, in folders of their own."""
    if not seeds and not mixtures:
        return [(rnn, controller)]
    components = mixtures or (rnn.flags.get("num_mixtures", 5),)
    return [
        _variant(folder, rnn, controller, seed, count)
        for count in components
        for seed in seeds or (rnn.flags["seed"],)
    ]


def _variant(
    folder: RunFolder, rnn: Stage, controller: Stage, seed: int, count: int
) -> tuple[Stage, Stage]:
    name = f"k{count}_seed{seed}"
    there = {"upper_level_folder_name": folder.rnn, "output_folder_name": name}
    weights = folder.rnn / name / RNN_WEIGHTS
    search = {"rnn_weights": weights, "output_folder": folder.search / name, "seed": seed}
    drawn = {"seed": seed, "num_mixtures": count}
    return (
        replace(rnn, flags={**rnn.flags, **there, **drawn}, outputs=(weights,)),
        replace(controller, flags={**controller.flags, **search}),
    )


def _analysis(flags: dict, folder: RunFolder, rnns: tuple[Stage, ...]) -> tuple[str, ...]:
    """Return the command that compares all MDN-RNNs."""
    files = {
        "rollouts": folder.rollouts,
        "vae_weights": folder.vae_weights,
        "output_folder": folder.root / "analysis",
    }
    module = ("python", "-m", "reverie.mixtures", *words({**flags, **files}))
    return (*module, "--rnn_weights", *(str(rnn.outputs[0]) for rnn in rnns))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.jobs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("game", help="the game, e.g. doomrnn")
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("--numbers", type=Path, default=NUMBERS, help="JSON of all stages' flags")
    parser.add_argument("--seed", type=int, default=0, help="of recording and VAE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="of the MDN-RNNs")
    parser.add_argument("--mixtures", type=int, nargs="+", default=[], help="their components")
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Print the chain."""
    args = parse_args(argv)
    game_class(args.game)
    numbers, run = read_numbers(args.numbers, args.game), args.run.resolve()
    for job in chain(numbers, run, args.seed, tuple(args.seeds), tuple(args.mixtures)):
        for command in job.commands:
            print(job.name, job.dependency, shlex.join(command), sep="\t")


if __name__ == "__main__":
    sys.exit(main())
