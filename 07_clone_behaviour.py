"""Stage 7: imitate recorded play with a causal transformer, measure it, and let it play.

`train` reads the latents of stage 3, or with `--architecture visual` the rollouts of stage 1, and
writes `<savefolder>/clone.h5` of the epoch that was best on held-out sessions, `scores.json` with
its measures beside two answers that look at nothing, `confusion.png`, `metrics.jsonl` and
TensorBoard logs. The same command again continues; `--new_model` starts afresh. `evaluate` measures
a clone on other recordings, or scores it in its game. `play` lets it play, in its game or in a
window of the screen.

    # a minute's try
    python 07_clone_behaviour.py train --savefolder tiny/clone --epochs 2 --width 32 \\
        --training_data_file tiny/rnn_format_data/rnn_training_data.npz

    # the full training on latents, and on frames
    python 07_clone_behaviour.py train --savefolder cloned_behaviour/ --epochs 60 \\
        --training_data_file trained_models_folder/rnn_format_data/rnn_training_data.npz
    python 07_clone_behaviour.py train --architecture visual --savefolder cloned_visually/ \\
        --input_data_folder training_data_folder/ --environment_name doomrnn --epochs 40

    # its score in the game, and a film
    python 07_clone_behaviour.py evaluate --weights cloned_behaviour/clone.h5 --game_episodes 20
    python 07_clone_behaviour.py play --weights cloned_behaviour/clone.h5 --output clone.mp4

    # in the window whose recording it imitates
    python 07_clone_behaviour.py play --weights cloned_behaviour/clone.h5 --window "NAME" --lag 30

    # one seed of a cluster's job array
    python 07_clone_behaviour.py train --seed $SLURM_ARRAY_TASK_ID \\
        --savefolder $SCRATCH/clone_$SLURM_ARRAY_TASK_ID \\
        --training_data_file $SCRATCH/rnn_format_data/rnn_training_data.npz
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError, write_json
from reverie.backend import start_backend
from reverie.cloning.options import (
    CloneOptions,
    RecordingOptions,
    add_clone_flags,
    add_recording_flags,
)
from reverie.cloning.recordings import open_recordings
from reverie.cores import usable_cores
from reverie.games import game_class, game_family, make_game
from reverie.headers import WeightsHeader, open_clone
from reverie.lineage import check_trained
from reverie.reports.scores import sentence
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CLONE, CLONE_FOLDER
from reverie.stage import conduct


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="imitate recorded play")
    training.set_defaults(run=train)
    _add_training_flags(training)
    judging = commands.add_parser("evaluate", help="measure a clone on recordings or in its game")
    judging.set_defaults(run=evaluate)
    playing = commands.add_parser("play", help="let a clone play")
    playing.set_defaults(run=play)
    for command in (judging, playing):
        add = command.add_argument
        add("--weights", type=flags.artifact, default=CLONE_FOLDER / CLONE)
        add("--vae_weights", type=flags.artifact, help="its VAE, where it is not where it says")
        add("--temperature", type=flags.non_negative_float, default=1.0, help="0: the likeliest")
        add("--seed", type=flags.seed, default=0, help="of the episodes")
    add_recording_flags(judging)
    add = judging.add_argument
    add("--game_episodes", type=flags.int_from(2), help="score it in its game, over so many")
    add("--workers", type=flags.positive_int, default=usable_cores(), help="games at a time")
    add = playing.add_argument
    add("--output", type=Path, default=Path("clone.mp4"), help="a film of what it did")
    add("--steps", type=flags.positive_int, default=1000, help="that it plays, at most")
    add = playing.add_argument_group("in a window of the screen").add_argument
    add("--window", help="its name, if it is not called as when it was recorded")
    add("--region", help="left,top,width,height in it, if another than was recorded")
    add("--lag", type=flags.float_from(0.0, 1000.0), default=0.0, help="milliseconds to the keys")
    add("--emergency_key", default="escape", help="ends everything")
    return flags.parsed(parser, argv)


def _add_training_flags(parser: argparse.ArgumentParser) -> None:
    add_recording_flags(parser)
    parser.add_argument("--savefolder", type=Path, default=CLONE_FOLDER)
    add_clone_flags(parser)
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=flags.positive_int, default=60)
    add("--learning_rate", type=flags.learning_rate, default=1e-3)
    add("--patience", type=flags.positive_int, default=10, help="epochs without improvement")
    add("--devices", type=flags.positive_int, help="to split batches over; default: all there are")
    add("--seed", type=flags.seed, default=0)
    add("--new_model", action="store_true", help="start afresh")


def train(args: argparse.Namespace) -> None:
    """Train until all epochs are done or patience is out, then measure the best weights."""
    if args.width % args.heads:
        raise InputError(f"--width {args.width}: cannot be split over {args.heads} --heads")
    visual = args.architecture == "visual"
    opened = open_recordings(flags.filled(RecordingOptions, args), visual)
    start_backend()
    from reverie.cloning.clone_task import clone_source, clone_task
    from reverie.training.fit import fit
    from reverie.training.task import TrainingOptions

    source = clone_source(*opened, args.savefolder)
    task = clone_task(source, flags.filled(CloneOptions, args), args.savefolder)
    fit(task, args.savefolder, flags.filled(TrainingOptions, args, arguments=vars(args)))


def open_weights(args: argparse.Namespace) -> WeightsHeader:
    """Return what the weights say, once their training is done."""
    header = open_clone(args.weights)
    check_trained(args.weights)
    return header


def evaluate(args: argparse.Namespace) -> None:
    """Measure a clone on the held-out part of its recordings, on others, or in its game."""
    header = open_weights(args)
    given = args.training_data_file or args.input_data_folder
    if not given and not args.game_episodes:
        raise InputError("name recordings with --training_data_file, or --game_episodes N")
    if given:
        visual = header.network == "VisualGPT"
        opened = open_recordings(flags.filled(RecordingOptions, args), visual)
    options = game_options(header) if args.game_episodes else {}
    start_backend()
    from reverie.cloning import agents, evaluation, scoring

    clone, result = agents.load_clone(args.weights, args.vae_weights), {}
    if given:
        picture = args.weights.with_name("evaluation.png")
        result = evaluation.evaluate_clone(clone, *opened, picture)
    if args.game_episodes:
        with GameWorkers(header.game, options, args.workers) as workers:
            numbers = args.game_episodes, args.seed, args.temperature
            result["scores"] = scoring.score(clone, workers, *numbers)
        for name, numbers in result["scores"].items():
            print(f"{name}: {sentence(numbers)}")
    output = args.weights.with_name("evaluation.json")
    write_json(output, result)
    print(f"evaluation in {output}")


def game_options(header: WeightsHeader) -> dict:
    """Return the options that a clone's game is scored with."""
    options = header.recorded.options if header.recorded else {}
    game = game_class(header.game, options)
    return {"time_steps": game.time_steps} | options | game.scored_with


def play(args: argparse.Namespace) -> None:
    """Let a clone play an episode of its game, or in the window, and film it."""
    header = open_weights(args)
    if args.output.suffix != ".mp4":
        raise InputError(f"--output {args.output}: films are MP4; let it end in .mp4")
    options = game_options(header)
    given = {name: getattr(args, name) for name in ("window", "region") if getattr(args, name)}
    on_screen = game_family(header.game).single
    if given and not on_screen:
        raise InputError(
            f"--{next(iter(given))}: {header.game} is played without one; leave it away"
        )
    window = make_game(header.game, **options | given) if on_screen else None
    start_backend()
    from reverie.cloning.agents import load_clone
    from reverie.cloning.films import film_episode

    clone = load_clone(args.weights, args.vae_weights)
    if window:
        from reverie.cloning.live import LiveOptions, play_live

        how = flags.filled(LiveOptions, args)
        return play_live(window, clone, args.temperature, how, args.output)
    numbers = {"seed": args.seed, "temperature": args.temperature, "longest": args.steps}
    fps = game_class(header.game, options).fps
    with GameWorkers(header.game, options, 1) as workers:
        total = film_episode(args.output, clone, workers, fps=fps, **numbers)
    print(f"return {total:.1f}; film in {args.output}")


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run one of the commands."""
    args = parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    sys.exit(main())
