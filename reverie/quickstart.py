"""`make run`: the numbered scripts one after the other with small numbers, then a page to look at.

python -m reverie.quickstart --folder runs/doom --seed 0
"""

import argparse
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from reverie.artifacts import read_json, write_json
from reverie.flags import non_negative_int
from reverie.reports.page import write_report
from reverie.runs import RUN_FOLDER, Pipeline, RunFolder, Stage
from reverie.stage import EXIT_BAD_INPUT

ROOT = Path(__file__).resolve().parent.parent
PIPELINE = Pipeline(
    game="doomrnn",
    record={"total_episodes": 800, "batch_size": 100, "policy": "wandering"},
    vae={"latent_size": 32, "max_batch": 1, "epochs": 2},
    rnn={
        "mixture": "per_dim",
        "units": 256,
        "sequence_length": 100,
        "skip_ahead": 100,
        "batch_size": 16,
        "learning_rate": 0.005,
        "epochs": 8,
    },
    controller={
        "train_in": "dream",
        "temperature": 1.0,
        "population": 32,
        "sigma_init": 0.3,
        "generations": 15,
        "eval_every": 15,
        "eval_episodes": 50,
    },
    rounds={  # of `python -m reverie.rounds`
        "record": {"total_episodes": 300},
        "play": {"total_episodes": 200},
        "rnn": {"epochs": 4, "learning_rate": 0.004},
        "controller": {"sigma_init": 0.15},
    },
)


def run_stages(stages: list[Stage], costs: Path) -> int:
    """Run stages in their order until one fails; a stage skips what is done already.

    Args:
        stages: what to run.
        costs: JSON of the seconds that each script has taken so far, on the clock and of all
            processors; every call adds to it.

    Returns:
        The exit code of the last stage that was run.
    """
    taken = read_json(costs, "remove it") if costs.exists() else {}
    for stage in stages:
        print(f"\n== python {shlex.join(stage.command())}", flush=True)
        start, processor_start = time.perf_counter(), processor_seconds()
        code = subprocess.run(
            [sys.executable, ROOT / stage.script, *stage.command()[1:]]
        ).returncode
        spent = {
            "seconds": time.perf_counter() - start,
            "processor_seconds": processor_seconds() - processor_start,
        }
        before = taken.get(stage.script, dict.fromkeys(spent, 0.0))
        taken[stage.script] = {name: before[name] + value for name, value in spent.items()}
        write_json(costs, taken)
        if code:
            return code
        print(f"== {spent['seconds']:.0f} s", flush=True)
    return 0


def processor_seconds() -> float:
    """Return what all finished scripts have taken, their workers included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER)
    parser.add_argument("--seed", type=non_negative_int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run what is not done yet; return the first exit code that is not 0."""
    args = parse_args(argv)
    stages = PIPELINE.stages(args.folder, args.seed)
    if not (ROOT / stages[0].script).is_file():
        print(f"error: {ROOT}: no numbered scripts there; run this in a clone", file=sys.stderr)
        return EXIT_BAD_INPUT
    begin, folder = time.perf_counter(), RunFolder(args.folder)
    if code := run_stages(stages, folder.costs):
        return code
    write_report(folder)
    print(f"\n== done in {(time.perf_counter() - begin) / 60:.1f} minutes; open {folder.report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
