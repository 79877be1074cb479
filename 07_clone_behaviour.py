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
from dataclasses import replace
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError, file_hash, write_json
from reverie.backend import start_backend
from reverie.cloning.recordings import FrameRecordings, LatentRecordings, Recordings
from reverie.cores import usable_cores
from reverie.games import game_class, make_game
from reverie.headers import WeightsHeader, open_clone, path_from
from reverie.latents.storage import Latents
from reverie.lineage import check_trained
from reverie.reports.scores import sentence
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.storage import find_batches, recorded_game
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CLONE, CLONE_FOLDER, LATENTS, ROLLOUTS_FOLDER, VAE_FOLDER
from reverie.stage import conduct, stop_signal

SCREEN = "screen"  # the game that is a window
COPYCAT = (
    "--previous_actions: a clone that is shown the action before tends to repeat it and to look at "
    "nothing else; compare its change_recall, and its score in the game, with one that is not"
)


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
    _add_data_flags(judging)
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


def _add_data_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("recordings").add_argument
    add("--training_data_file", type=Path, help="latents, for a clone that sees latents")
    add("--input_data_folder", type=Path, help="rollouts, for a clone that sees frames")
    add("--environment_name", default="doomrnn", help="the game of the rollouts")


def _add_training_flags(parser: argparse.ArgumentParser) -> None:
    _add_data_flags(parser)
    parser.add_argument("--savefolder", type=Path, default=CLONE_FOLDER)
    add = parser.add_argument_group("network").add_argument
    add("--architecture", choices=("latent", "visual"), default="latent", help="what it sees")
    add("--context", type=flags.positive_int, default=32, help="steps that it looks back")
    add("--width", type=flags.positive_int, default=128)
    add("--blocks", type=flags.positive_int, default=3)
    add("--heads", type=flags.positive_int, default=4)
    add("--dropout", type=flags.float_from(0.0, 0.9), default=0.1)
    add("--previous_actions", action="store_true", help="show it the action before: see the docs")
    add = parser.add_argument_group("training").add_argument
    losses = ("cross_entropy", "focal", "brier", "legacy_mse")
    add("--loss", choices=losses, default="cross_entropy", help="legacy_mse: a control, unsound")
    add("--class_weights", choices=("none", "balanced", "effective"), default="none")
    add("--sequence_length", type=flags.positive_int, default=64, help="steps of a window")
    add("--epochs", type=flags.positive_int, default=60)
    add("--batch_size", type=flags.positive_int, default=32, help="windows")
    add("--learning_rate", type=flags.learning_rate, default=1e-3)
    add("--patience", type=flags.positive_int, default=10, help="epochs without improvement")
    add("--devices", type=flags.positive_int, help="to split batches over; default: all there are")
    add("--seed", type=flags.seed, default=0)
    add("--new_model", action="store_true", help="start afresh")


def open_recordings(args: argparse.Namespace, visual: bool) -> tuple[Recordings, dict, Path]:
    """Return recordings, their hashes by name, and where they lie."""
    if visual and args.training_data_file:
        raise InputError("--training_data_file: a visual clone sees rollouts; --input_data_folder")
    if not visual and args.input_data_folder:
        raise InputError(
            "--input_data_folder: this clone sees latents; encode these with "
            "03_generate_rnn_data.py and name them with --training_data_file"
        )
    if visual:
        folder = args.input_data_folder or ROLLOUTS_FOLDER
        paths = find_batches(folder, args.environment_name)
        recorded_game(paths)  # refuses frames that this version would make differently
        return FrameRecordings(paths), {"rollouts": rollouts_identity(paths)}, folder
    path = args.training_data_file or VAE_FOLDER / LATENTS
    return LatentRecordings(Latents(path)), {"latents": file_hash(path)}, path


def train(args: argparse.Namespace) -> None:
    """Train until all epochs are done or patience is out, then measure the best weights."""
    if args.width % args.heads:
        raise InputError(f"--width {args.width}: cannot be split over {args.heads} --heads")
    recordings, identity, place = open_recordings(args, args.architecture == "visual")
    if args.previous_actions:
        print(COPYCAT)
    start_backend()
    from reverie.cloning.clone_task import CloneOptions, Source, clone_task
    from reverie.models.gpt import GPT, VisualGPT
    from reverie.training.fit import fit
    from reverie.training.task import TrainingOptions

    network = GPT if args.architecture == "latent" else VisualGPT
    names = game_class(recordings.game, recordings.recorded.options).action_names
    source = Source(recordings, network, identity, {}, key_names=tuple(names))
    if isinstance(recordings, LatentRecordings):
        said = recordings.latents.header
        vae = path_from(args.savefolder, place.parent / said.vae_weights)
        source = replace(source, inputs={"latents": place}, vae=said.vae)
        source = replace(source, vae_weights=vae if said.vae_weights else "")
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
        recordings, identity, place = open_recordings(args, visual)
    options = game_options(header) if args.game_episodes else {}
    start_backend()
    from reverie.cloning import agents, evaluation, scoring

    clone, result = agents.load_clone(args.weights, args.vae_weights), {}
    if given:
        agents.check_recordings(header, place, recordings)
        own = all(header.notes.get(name) == value for name, value in identity.items())
        picture = args.weights.with_name("evaluation.png")
        result = evaluation.evaluate_clone(clone, recordings, picture, held_out=own)
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


def play_live(args: argparse.Namespace, options: dict) -> None:
    """Let a clone play in a window, say how it went, and film it."""
    given = {name: getattr(args, name) for name in ("window", "region") if getattr(args, name)}
    game = make_game(SCREEN, **options | given)
    start_backend()
    from reverie.cloning.agents import ClonedAgents, load_clone
    from reverie.cloning.live import LiveOptions, LivePlayer

    clone = load_clone(args.weights, args.vae_weights)
    agents = ClonedAgents(clone, 1, args.temperature)
    player = LivePlayer(game, agents, flags.filled(LiveOptions, args))
    print(f"playing; {args.emergency_key} ends everything, any other key takes over")
    try:
        print(player.play().describe())
    finally:
        game.close()
        if player.footage.frames:
            player.footage.save(args.output, game.fps)
            print(f"film in {args.output}")
    stop_signal.check()


def play(args: argparse.Namespace) -> None:
    """Let a clone play an episode of its game, and film it."""
    header = open_weights(args)
    if args.output.suffix != ".mp4":
        raise InputError(f"--output {args.output}: films are MP4; let it end in .mp4")
    options = game_options(header)
    if header.game == SCREEN:
        return play_live(args, options)
    for name in ("window", "region"):
        if getattr(args, name):
            raise InputError(f"--{name}: {header.game} is played without one; leave it away")
    start_backend()
    from reverie.cloning.agents import load_clone
    from reverie.cloning.films import film_episode

    clone = load_clone(args.weights, args.vae_weights)
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
