"""Stage 1: play a game and record whole episodes.

Writes `<store_folder>/<game>_<batch>.h5`, a batch of episodes each. Run the same command again to
continue after an interruption; the data do not depend on the number of workers.

    # a minute's try
    python 01_generate_data.py doomrnn --total_episodes 20 --batch_size 10 --store_folder tiny/

    # the full recording
    python 01_generate_data.py "doomrnn" --total_episodes 2000 --batch_size 200 \\
        --store_folder training_data_folder/

    # one job of a cluster's array, ten batches of the same run
    python 01_generate_data.py doomrnn --total_episodes 200 --batch_size 200 \\
        --start_batch $SLURM_ARRAY_TASK_ID --store_folder training_data_folder/

    # a mix of policies, drawn for every episode: the game's own, or one that you name
    python 01_generate_data.py doomrnn --policy mix --store_folder training_data_folder/
    python 01_generate_data.py doomrnn --policy mix:wandering=3,turning_120,constant \\
        --store_folder training_data_folder/

    # a second round of data, played by a trained controller whose actions are disturbed
    python 01_generate_data.py doomrnn --policy controller_folder/controller.h5 --start_batch 10 \\
        --action_noise 0.3 --store_folder training_data_folder/

    # a person's play in a window, see docs/cloning.md
    python 01_generate_data.py screen --window "Pygame Aliens" --keys left,right,space \\
        --store_folder played/

    # as many episodes with each key and lock in view, see docs/encoders.md
    python 01_generate_data.py heist --distribution_mode memory --use_backgrounds false \\
        --policy fresh_random --time_steps 10 --total_episodes 5600 --batch_size 1400 \\
        --balance keys_and_locks --store_folder balanced/
"""

import argparse
import os
import sys
from pathlib import Path

from reverie.artifacts import InputError, file_hash
from reverie.backend import start_backend
from reverie.cores import usable_cores
from reverie.flags import filled, non_negative_int, parsed, positive_int, seed
from reverie.games import add_game_flags, game_class, game_family, game_options
from reverie.rollouts.balance import Wanted
from reverie.rollouts.players import (
    Player,
    PlayerOptions,
    add_player_flags,
    balanced_player,
    frames_to_record,
    named_player,
)
from reverie.rollouts.policies import CONTROLLER, is_named
from reverie.rollouts.recording import Recorder, batch_jobs
from reverie.rollouts.shares import EngineOptions, add_engine_flags, open_workers
from reverie.runs import ROLLOUTS_FOLDER
from reverie.stage import conduct


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("game", help="the game to play, e.g. doomrnn")
    data = parser.add_argument_group("data")
    data.add_argument("--store_folder", type=Path, default=ROLLOUTS_FOLDER)
    data.add_argument("--total_episodes", type=positive_int, default=200, help="episodes in all")
    data.add_argument("--batch_size", type=positive_int, default=200, help="episodes a file")
    data.add_argument(
        "--start_batch", type=non_negative_int, default=0, help="number of the first file"
    )
    play = parser.add_argument_group("play")
    play.add_argument(
        "--time_steps", type=positive_int, help="longest episode; default: the game's own"
    )
    play.add_argument("--seed", type=seed, default=0, help="decides every episode")
    play.add_argument("--render", action="store_true", help="show the game in a window")
    play.add_argument(
        "--workers", type=positive_int, default=usable_cores(), help="games at a time"
    )
    add_player_flags(parser)
    person = parser.add_argument_group("recording a person's play from the screen")
    person.add_argument(
        "--find_region", action="store_true", help="drag a rectangle, print the flags, and end"
    )
    person.add_argument("--start_key", default="f9", help="starts an episode, and stops it")
    person.add_argument("--quit_key", default="f10", help="ends the session")
    person.add_argument(
        "--countdown", type=non_negative_int, default=3, help="seconds to the first frame"
    )
    add_engine_flags(parser)
    add_game_flags(parser)
    return parsed(parser, argv)


def make_player(args: argparse.Namespace) -> tuple[Player, str]:
    """Return what plays the episodes, and how rollouts call it: by name, a controller by hash."""
    policy, game = args.policy, game_class(args.game, vars(args))
    if is_named(policy, game.policies):
        return named_player(policy, game.at_once), policy
    path = Path(policy)
    start_backend()
    from reverie.controllers.agents import agent_player

    networks = args.vae_weights, args.rnn_weights
    player = agent_player(path, args.game, *networks, action_noise=args.action_noise)
    noise = f", noise {args.action_noise:g}" if args.action_noise else ""
    return player, f"{CONTROLLER}{file_hash(path)}{noise}"


def check_engine(args: argparse.Namespace) -> None:
    """Check that Ray's evaluators can record this, and name the folder as they see it.

    Raises:
        InputError: they cannot.
    """
    if not is_named(args.policy, game_class(args.game, vars(args)).policies):
        raise InputError("--engine ray: records policies by name; record controllers without it")
    if args.render:
        raise InputError("--engine ray: shows no window; leave --render away")
    args.store_folder = args.store_folder.resolve()


@conduct
def main(argv: list[str] | None = None) -> None:
    """Record the batches that are not there yet."""
    args = parse_args(argv)
    if args.find_region:
        from reverie.games.find_region import find_region

        print(find_region())
        return
    screen = game_family(args.game).single
    args.policy = args.policy or ("person" if screen else "held_random")
    if args.policy == "mix":
        args.policy = game_class(args.game, vars(args)).mix
    own = game_class(args.game, vars(args)).policies
    options = game_options(args, frames_to_record(args.game, own, filled(PlayerOptions, args)))
    game = game_class(args.game, options)
    options = game.settled(options)
    if screen and args.policy == "person":
        from reverie.rollouts.screen_session import SessionOptions, record_session

        how = filled(SessionOptions, args)
        return record_session(args.store_folder, options, how, args.start_batch)
    if args.render and not game.windowed:
        raise InputError(f"--render: {args.game} has no window; leave the flag away")
    if args.render and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--render: there is no screen here; leave the flag away")
    if args.engine == "ray":
        check_engine(args)
    if args.balance:
        policy = args.policy
        wanted = Wanted(args.balance, options["time_steps"], args.balance_frames)
        player, played = balanced_player(args.game, options, policy, args.seed, wanted)
    else:
        (player, policy), played = make_player(args), options
    rest = policy, args.seed, options, args.balance or ""
    recorder = Recorder(args.store_folder, args.game, player, *rest)
    args.store_folder.mkdir(parents=True, exist_ok=True)
    jobs = batch_jobs(args.total_episodes, args.batch_size, args.start_batch)
    todo = [job for job in jobs if not recorder.is_done(*job)]
    if not todo:
        print(f"nothing to do: all {len(jobs)} batches lie in {args.store_folder}")
        return
    window = {"render": True} if args.render else {}
    engine = filled(EngineOptions, args)
    with open_workers(engine, args.game, played | window, args.workers) as workers:
        for job in todo:
            recorder.record(workers, *job)
    rate = recorder.steps / recorder.seconds
    print(
        f"recorded {recorder.episodes} episodes, {recorder.steps} steps, {rate:.0f} steps/s, in "
        f"{args.store_folder} ({len(jobs) - len(todo)} batches were there already)"
    )


if __name__ == "__main__":
    sys.exit(main())
