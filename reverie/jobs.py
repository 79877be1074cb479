"""A whole pipeline as a chain of cluster jobs, printed as data; `slurm/pipeline.sh` submits it.

Prints a line for every command: the name of its job, the job that must be done before and how, and
the command, with tabs between them. Lines of the same job are the tasks of an array.

    # two seeds of two mixtures, with the numbers of a minute's try
    python -m reverie.jobs doomrnn runs/doom --numbers slurm/numbers/tiny.json \\
        --seeds 0 1 --mixtures 1 5

    # three rounds of `python -m reverie.rounds`
    python -m reverie.jobs doomrnn runs/doom --numbers slurm/numbers/tiny.json --rounds 3
"""

import argparse
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from reverie.artifacts import InputError
from reverie.flags import positive_int
from reverie.games import game_class
from reverie.numbers import NUMBERS, Numbers, read_numbers
from reverie.rounds import Rounds
from reverie.runs import RNN_WEIGHTS, RunFolder, Stage, words
from reverie.stage import conduct


@dataclass(frozen=True)
class Job:
    """One job of the chain.

    Attributes:
        name: says which stage it runs.
        after: names of the jobs that must be done before, with commas; empty for the first.
        commands: one for each task; more than one makes an array.
        each: task n waits for task n of the job before, and not for all of them.
    """

    name: str
    after: str
    commands: tuple[tuple[str, ...], ...]
    each: bool = False

    @property
    def dependency(self) -> str:
        """As sbatch calls it, with names in place of the numbers that it does not know yet."""
        if not self.after:
            return "none"
        return f"{'aftercorr' if self.each else 'afterok'}:{self.after}"


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
    variants = _variants(RunFolder(root), rnn, controller, seeds, mixtures)
    rnns, controllers = zip(*variants)
    jobs = [
        _job("record", "", _shares(record)),
        _job("vae", "record", [vae]),
        _job("encode", "vae", _encode_shares(encode)),
        _job("join", "encode", [encode]),
        _job("rnn", "join", rnns),
        _job("controller", "rnn", controllers, each=len(rnns) > 1),
    ]
    if numbers.analysis is not None and rnn.flags.get("mixture", "joint") == "joint":
        jobs.append(Job("analysis", "rnn", (_analysis(numbers.analysis, RunFolder(root), rnns),)))
    return jobs


def chain_of_rounds(rounds: Rounds, count: int, again: tuple[str, ...]) -> list[Job]:
    """Return the jobs of several rounds, their controls and pages; see `reverie.rounds`.

    Args:
        rounds: their commands.
        count: how many.
        again: the command `python -m reverie.rounds` without the flag `--rounds`: when the stages
            of a round are done, it writes the pages and compares.
    """
    jobs = chain(Numbers(rounds.pipeline, None), rounds.root, rounds.seed)
    jobs.append(Job("round-1", "controller", ((*again, "--rounds", "1"),)))
    for number in range(2, count + 1):
        jobs += _round(rounds, number, (*again, "--rounds", str(number)))
    return jobs


def _round(rounds: Rounds, number: int, again: tuple[str, ...]) -> list[Job]:
    """Return the jobs of a later round."""

    def name(stage: str, back: int = 0) -> str:
        control, of = stage.startswith("control_"), number - back
        return f"{stage}-{of}" if of > 1 else stage.removeprefix("control_" if control else "")

    blind, played = rounds.records(number)
    vae, encode = rounds.vae(number), rounds.encode(number)
    recorded = name("vae" if vae else "record")
    return [
        _job(name("record"), name("controller", 1), [*_shares(blind), *_shares(played)]),
        *([_job(name("vae"), name("record"), vae)] if vae else []),
        _job(name("encode"), recorded, _encode_shares(encode)),
        _job(name("join"), name("encode"), [encode]),
        _job(name("rnn"), name("join"), [rounds.rnn(number)]),
        _job(name("controller"), name("rnn"), [rounds.search(number)]),
        _job(name("control_rnn"), name("control_controller", 1), [rounds.rnn(number, True)]),
        _job(name("control_controller"), name("control_rnn"), [rounds.search(number, True)]),
        Job(f"round-{number}", f"{name('controller')},{name('control_controller')}", (again,)),
    ]


def _shares(record: Stage) -> list[Stage]:
    return [record.share(number) for number in range(record.shares)]


def _encode_shares(encode: Stage) -> list[Stage]:
    """Return the encoding of each batch by itself."""
    count = int(encode.flags["max_batch"]) - int(encode.flags["start_batch"]) + 1
    shares = [{"share": f"{number}/{count}"} for number in range(count)]
    return [replace(encode, flags={**encode.flags, **share}) for share in shares]


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
    parser.add_argument(
        "--rounds", type=positive_int, help="of python -m reverie.rounds; without it, one run"
    )
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Print the chain."""
    args = parse_args(argv)
    game_class(args.game)
    for job in jobs_of(args):
        for command in job.commands:
            print(job.name, job.dependency, shlex.join(command), sep="\t")


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """Return the chain that the flags ask for.

    Raises:
        InputError: the flags do not go together, or the numbers cannot be used.
    """
    numbers, run = read_numbers(args.numbers, args.game), args.run.resolve()
    if not args.rounds:
        return chain(numbers, run, args.seed, tuple(args.seeds), tuple(args.mixtures))
    if args.seeds or args.mixtures:
        raise InputError("--rounds: goes on from one MDN-RNN; leave --seeds and --mixtures away")
    again = ("python", "-m", "reverie.rounds", args.game, *words({"folder": run}))
    again += tuple(words({"numbers": args.numbers.resolve(), "seed": args.seed}))
    return chain_of_rounds(Rounds(numbers.pipeline, run, args.seed), args.rounds, again)


if __name__ == "__main__":
    sys.exit(main())
