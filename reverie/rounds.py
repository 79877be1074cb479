"""Rounds of Ha and Schmidhuber's iterative procedure: record, learn, evolve, record what evolved.

The first round is what `make run` does, and goes on from a folder that it left. Every later one
records fresh blind play and the last round's controller, whose actions are disturbed, encodes all
there is, trains the last round's MDN-RNN on it, and evolves the last round's controller further in
that dream. Beside every later round stands its control: the same epochs and generations on the
data of the first round alone. The same command again continues.

    # two rounds with the numbers of a minute's try
    python -m reverie.rounds doomrnn --rounds 2 --folder runs/rounds \\
        --numbers slurm/numbers/tiny.json

    # three rounds, the first with the numbers of make run
    python -m reverie.rounds doomrnn --rounds 3 --folder runs/doom
"""

import argparse
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reverie.artifacts import InputError, read_json, write_json
from reverie.flags import positive_int
from reverie.flags import seed as any_seed
from reverie.games import game_class
from reverie.numbers import NUMBERS, read_numbers
from reverie.quickstart import PIPELINE, ROOT, run_stages
from reverie.reports.page import write_report
from reverie.reports.scores import sentence
from reverie.runs import RUN_FOLDER, SCORES, Flags, Pipeline, RunFolder, Stage
from reverie.stage import EXIT_REQUEUE, Stopped, conduct

RESULTS = "rounds.json"
ACTION_NOISE = 0.3  # of an evolved controller when it is recorded; an action reaches from -1 to 1
MEND = "run the rounds again"


@dataclass(frozen=True)
class Rounds:
    """Rounds of a pipeline, numbered from 1, and the commands of each as data.

    `pipeline.rounds` holds, by kind, flags that later rounds have otherwise than the first:
    `record` of fresh blind play, `play` of the evolved controller's, `rnn`, `controller`, `vae`.
    Where `vae` is not there, all rounds see with the first round's VAE, so that the controller can
    go on. Where it is, each round trains the VAE and the MDN-RNN on and evolves a new controller,
    since the old one reads latents that nobody makes any more.

    Attributes:
        pipeline: the numbers of the first round.
        root: folder of the first round; `round_2`, `control_2` and so on lie in it.
        seed: of everything.
    """

    pipeline: Pipeline
    root: Path
    seed: int = 0

    def folder(self, number: int) -> RunFolder:
        """Return where the files of a round lie; all rollouts lie in that of the first."""
        return RunFolder(self.root if number == 1 else self.root / f"round_{number}")

    def control(self, number: int) -> RunFolder:
        """Return where the files of a round's control lie; that of the first is the first."""
        return RunFolder(self.root if number == 1 else self.root / f"control_{number}")

    def stages(self, number: int) -> list[Stage]:
        """Return the stages of a round in their order."""
        if number == 1:
            return self.pipeline.stages(self.root, self.seed)
        made = [self.rnn(number), self.search(number)]
        return [*self.records(number), *self.vae(number), self.encode(number), *made]

    def control_stages(self, number: int) -> list[Stage]:
        """Return stages 4 and 5 of a round without its data; none for the first."""
        return [] if number == 1 else [self.rnn(number, True), self.search(number, True)]

    def records(self, number: int) -> list[Stage]:
        """Return the recordings of a later round: blind play, and the last controller's."""
        first = self._batches(number - 1)
        blind = self._record(first, {"policy": "mix", **self._flags("record")})
        last = self.folder(number - 1)
        play = {"action_noise": ACTION_NOISE, **self._flags("play"), "policy": last.controller}
        played = self._record(first + blind.shares, play)
        return [blind, replace(played, inputs=(last.controller,))]

    def _record(self, start_batch: int, changes: Flags) -> Stage:
        flags = {**self.pipeline.record, **changes, "start_batch": start_batch}
        flags["batch_size"] = self.pipeline.record["batch_size"]  # it numbers the episodes
        return replace(self.pipeline, record=flags).stages(self.root, self.seed)[0]

    def _batches(self, number: int) -> int:
        """Return how many batches are there when a round has recorded its own."""
        if number == 1:
            record = self.stages(1)[0]
            return int(record.flags.get("start_batch", 0)) + record.shares
        last = self.records(number)[-1]
        return int(last.flags["start_batch"]) + last.shares

    def vae(self, number: int) -> list[Stage]:
        """Return the training of a later round's VAE, if there is one."""
        if "vae" not in self.pipeline.rounds:
            return []
        stage = self._later(number, 1)
        earlier = self.folder(number - 1).vae_weights
        files = {"initial_weights": earlier, "input_data_folder": self.folder(1).rollouts}
        flags = {**stage.flags, **self._all_batches(number), **self._flags("vae"), **files}
        return [replace(stage, flags=flags, inputs=(self.folder(1).rollouts, earlier))]

    def encode(self, number: int) -> Stage:
        """Return the encoding of all that was recorded up to a later round."""
        stage, rollouts = self._later(number, 2), self.folder(1).rollouts
        files = {"obs_folder": rollouts, "loaded_vae_weights": self._vae_weights(number)}
        flags = {**stage.flags, **files, **self._all_batches(number)}
        return replace(stage, flags=flags, inputs=(rollouts, self._vae_weights(number)))

    def _all_batches(self, number: int) -> Flags:
        first = int(self.pipeline.record.get("start_batch", 0))
        return {"start_batch": first, "max_batch": self._batches(number) - 1}

    def _vae_weights(self, number: int) -> Path:
        return self.folder(number if "vae" in self.pipeline.rounds else 1).vae_weights

    def rnn(self, number: int, control: bool = False) -> Stage:
        """Return the further training of the MDN-RNN, on all data or, in the control, the first."""
        of = self.control if control else self.folder
        stage, earlier = self._later(number, 3, control), of(number - 1).rnn_weights
        latents = self.folder(1 if control else number).latents
        files = {"training_data_file": latents, "initial_weights": earlier}
        flags = {**stage.flags, **self._flags("rnn"), **files}
        return replace(stage, flags=flags, inputs=(latents, earlier))

    def search(self, number: int, control: bool = False) -> Stage:
        """Return the further search, on seeds of the round's own that its control shares."""
        stage = self._later(number, 4, control)
        vae = self._vae_weights(1 if control else number)
        files: dict[str, object] = {"vae_weights": vae, "seed": self.seed + number - 1}
        inputs = [vae, stage.inputs[1]]
        if "vae" not in self.pipeline.rounds:
            earlier = (self.control if control else self.folder)(number - 1).controller
            files["initial_controller"] = earlier
            inputs.append(earlier)
        flags = {**stage.flags, **self._flags("controller"), **files}
        return replace(stage, flags=flags, inputs=tuple(inputs))

    def _later(self, number: int, index: int, control: bool = False) -> Stage:
        """Return a stage of the first round with its files in the folder of another."""
        folder = self.control(number) if control else self.folder(number)
        return self.pipeline.stages(folder.root, self.seed)[index]

    def _flags(self, kind: str) -> Flags:
        return self.pipeline.rounds.get(kind, {})


def free_running_of(folder: RunFolder) -> dict:
    """Return the free-running test of a round over its longest horizon, as stage 4 wrote it."""
    scores = read_json(folder.rnn / SCORES, MEND, "free_running")["free_running"]
    return scores[max((steps for steps in scores if steps.isdecimal()), key=int)]


def result_of(rounds: Rounds, number: int) -> dict[str, Any]:
    """Return what a finished round came to.

    Returns:
        `round`; `free_running`, ends in dreams as a multiple of the game's, and its `_interval`;
        `dream` and `game`, the scores of its controller; `control`, the score of the control's in
        the game; `gain`, its difference from the control, and `gain_error`, the standard error.
    """
    free = free_running_of(rounds.folder(number))
    places = rounds.folder(number), rounds.control(number)
    scores, control = (read_json(f.search / SCORES, MEND, "scores")["scores"] for f in places)
    row = {"round": number, "dream": scores["dream"], "game": scores["game"]}
    row |= {"free_running": free["dreams"], "free_running_interval": free["dreams_interval"]}
    if number == 1:
        return row
    both = scores["game"], control["game"]
    error = math.sqrt(sum(score["std"] ** 2 / score["episodes"] for score in both))
    gain = both[0]["mean"] - both[1]["mean"]
    return row | {"control": both[1], "gain": gain, "gain_error": error}


def describe(row: dict, last: dict | None) -> list[str]:
    """Say in words what a round came to, and whether its dreams are worse than the last one's."""
    name, free = f"round {row['round']}", row["free_running"]
    lines = [f"{name}: {place} {sentence(row[place])}" for place in ("dream", "game")]
    if free is not None:
        low, high = row["free_running_interval"]
        lines.append(
            f"{name}: free-running dreams end {free:.2f} [{low:.2f}, {high:.2f}] times as often "
            "as the game"
        )
    if "control" in row:
        lines.append(f"{name}: control {sentence(row['control'])}")
        lines.append(f"{name}: {row['gain']:+.1f} ± {row['gain_error']:.1f} against the control")
    if last is not None and _distance(free) > _distance(last["free_running"]):
        lines.append(
            f"warning: {name}: its free-running test is worse than that of the last round, "
            f"{_multiple(free)} times the game's ends after {_multiple(last['free_running'])}"
        )
    return lines


def _distance(multiple: float | None) -> float:
    """Return how far a multiple is from 1, upwards or downwards; 0 where nothing ended."""
    return 0.0 if multiple is None else abs(math.log(max(multiple, 1e-9)))


def _multiple(value: float | None) -> str:
    return "no" if value is None else f"{value:.2f}"


def run_round(rounds: Rounds, number: int) -> dict:
    """Run what is not done of a round and its control, write their pages, return the result.

    Raises:
        InputError: a stage refused its input; it has said why.
        Stopped: a stage was stopped.
    """
    parts = {rounds.folder(number): rounds.stages(number)}
    if number > 1:
        parts[rounds.control(number)] = rounds.control_stages(number)
    for folder, stages in parts.items():
        folder.root.mkdir(parents=True, exist_ok=True)
        code = run_stages(stages, folder.costs)
        if code == EXIT_REQUEUE:
            raise Stopped
        if code:
            raise InputError(f"{folder.root}: a stage ended with {code}, see above")
        write_report(folder)
    return result_of(rounds, number)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.rounds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("game", help="the game, e.g. doomrnn")
    parser.add_argument("--rounds", type=positive_int, default=3, help="in all")
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER)
    parser.add_argument(
        "--numbers",
        type=Path,
        help=f"JSON of all stages' flags; default: those of make run for Doom, {NUMBERS.name} of "
        "slurm/numbers/ for others",
    )
    parser.add_argument("--seed", type=any_seed, default=0)
    return parser.parse_args(argv)


def pipeline_of(game: str, numbers: Path | None) -> Pipeline:
    """Return the pipeline that the flags ask for.

    Raises:
        InputError: the file of numbers cannot be used.
    """
    if numbers is None and game == PIPELINE.game:
        return PIPELINE
    return read_numbers(numbers or NUMBERS, game).pipeline


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run all rounds, or what is not done of them."""
    args = parse_args(argv)
    game_class(args.game)
    rounds = Rounds(pipeline_of(args.game, args.numbers), args.folder, args.seed)
    if not (ROOT / rounds.stages(1)[0].script).is_file():
        raise InputError(f"{ROOT}: no numbered scripts there; run this in a clone")
    results: list[dict] = []
    for number in range(1, args.rounds + 1):
        print(f"\n== round {number} of {args.rounds}", flush=True)
        results.append(run_round(rounds, number))
        write_json(args.folder / RESULTS, {"rounds": results})
        print("\n".join(describe(results[-1], results[-2] if number > 1 else None)), flush=True)
    print(f"\n== {args.rounds} rounds; pages beside each, results in {args.folder / RESULTS}")


if __name__ == "__main__":
    sys.exit(main())
