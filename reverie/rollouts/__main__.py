"""Look after rollouts: what is in a folder, a film of it, folders joined, other formats.

# episodes, steps, rewards, policies, sizes, and which files are damaged
python -m reverie.rollouts inspect training_data_folder

# four episodes side by side as an MP4
python -m reverie.rollouts preview doomrnn training_data_folder --output preview.mp4

# several folders as one, their batches numbered anew
python -m reverie.rollouts merge played/game training_data_folder --output_folder all

# to Minari and back, to the bit (pip install -e '.[datasets]')
python -m reverie.rollouts convert doomrnn all --to minari --output_folder datasets \\
        --name doomrnn/all-v0
python -m reverie.rollouts import datasets/doomrnn/all-v0 --output_folder back

# to LeRobot v3.0, frames as H.264, and from it
python -m reverie.rollouts convert doomrnn all --to lerobot --output_folder lerobot
python -m reverie.rollouts import lerobot --game doomrnn --output_folder from_lerobot

# 500 frames that show what there is to see, as pictures
python -m reverie.rollouts choose doomrnn training_data_folder --frames 500 \\
        --output_folder pictures

# a person's play elsewhere: pictures and samplelabels.json, or an mp4 and its lines of keys
python -m reverie.rollouts import their_game --game screen --keys w,a,s,d --output_folder theirs

# the keys 100 ms after each frame as its action, and the combinations that occur as the choices
python -m reverie.rollouts pair played --action_delay 100 --combinations occurring \\
        --output_folder delayed

# npz files of other World Models repositories, videos or folders of pictures with their actions
python -m reverie.rollouts import record --game carracing --output_folder theirs
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError
from reverie.games import game_class
from reverie.games.game import FRAME_SIZES, frame_options, frame_shape
from reverie.games.keyboard import key_names
from reverie.networks import FRAME_SHAPE
from reverie.rollouts.batches import SIZE, write_batches
from reverie.rollouts.diverse import choose, save_pictures
from reverie.rollouts.foreign import Target, find_sources, read_foreign
from reverie.rollouts.inventory import find_files, lines, summarise
from reverie.rollouts.lerobot_dataset import to_lerobot
from reverie.rollouts.lerobot_episodes import INFO, LeRobotDataset
from reverie.rollouts.merging import merge
from reverie.rollouts.minari_dataset import METADATA, from_minari, to_minari
from reverie.rollouts.preview import LONGEST, SHOWN, save_preview
from reverie.rollouts.recording import Recorder
from reverie.rollouts.screen_pairing import GAME as SCREEN
from reverie.rollouts.screen_pairing import occurring, pair
from reverie.rollouts.storage import episode_lengths, find_batches, recorded_game
from reverie.stage import conduct, progress


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.rollouts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    show = command("inspect", inspect, "say what is in folders of rollouts")
    show.add_argument("folders", type=Path, nargs="+")
    film = command("preview", preview, "film some episodes side by side")
    film.add_argument("game")
    film.add_argument("folder", type=Path)
    film.add_argument("--output", type=Path, default=Path("preview.mp4"))
    film.add_argument("--episodes", type=flags.positive_int, default=SHOWN)
    film.add_argument("--frames", type=flags.positive_int, default=LONGEST, help="of each, at most")
    few = command("choose", choose_frames, "write few frames that show what many show, as PNG")
    few.add_argument("game")
    few.add_argument("folder", type=Path)
    few.add_argument("--frames", type=flags.positive_int, default=500)
    few.add_argument("--seed", type=flags.seed, default=0, help="of the choice to compare with")
    few.add_argument("--output_folder", type=Path, required=True)
    join = command("merge", merge_folders, "join folders; damaged files and doubles are refused")
    join.add_argument("folders", type=Path, nargs="+")
    join.add_argument("--output_folder", type=Path, required=True)
    turn = command("convert", convert, "write rollouts in another format")
    turn.add_argument("game")
    turn.add_argument("folder", type=Path)
    turn.add_argument("--to", choices=("minari", "lerobot"), required=True)
    turn.add_argument("--output_folder", type=Path, required=True)
    turn.add_argument("--name", help="of a Minari dataset; default: GAME/rollouts-v0")
    take = command(
        "import", take_in, "write rollouts from Minari, LeRobot, npz files, videos or pictures"
    )
    take.add_argument("source", type=Path)
    take.add_argument(
        "--game", help="whose recordings these are; datasets that were rollouts say it"
    )
    take.add_argument("--policy", default="imported", help="who played")
    take.add_argument("--batch_size", type=flags.positive_int, default=SIZE, help="episodes a file")
    take.add_argument("--output_folder", type=Path, required=True)
    take.add_argument("--frame_size", type=int, choices=FRAME_SIZES, default=FRAME_SHAPE[0])
    take.add_argument("--keys", help="of a screen: the keys that play, e.g. w,a,s,d,space")
    take.add_argument("--fps", type=flags.positive_int, default=20, help="of a screen")
    anew = command("pair", pair_anew, "give the frames of recorded screens other actions")
    anew.add_argument("folder", type=Path)
    anew.add_argument(
        "--action_delay", type=flags.non_negative_int, default=0, help="ms from a frame to its keys"
    )
    anew.add_argument(
        "--combinations", default="", help="the choices, e.g. none,w,w+d; occurring: all that occur"
    )
    anew.add_argument("--output_folder", type=Path, required=True)
    return parser.parse_args(argv)


def inspect(args: argparse.Namespace) -> None:
    """Print a table; faults are part of it."""
    paths = find_files(args.folders)
    for line in lines([summarise(path) for path in progress(paths, desc="files")]):
        print(line)


def preview(args: argparse.Namespace) -> None:
    """Write a film."""
    paths = find_batches(args.folder, args.game)
    count = save_preview(paths, args.output, recorded_game(paths).fps, args.episodes, args.frames)
    print(f"{count} episodes in {args.output}")


def choose_frames(args: argparse.Namespace) -> None:
    """Write chosen frames as pictures, and say how well they cover all."""
    paths = find_batches(args.folder, args.game)
    episodes = list(range(len(episode_lengths(paths))))
    choice = choose(paths, episodes, args.frames, args.seed)
    print(choice.describe())
    print(f"{save_pictures(paths, choice, args.output_folder)} pictures in {args.output_folder}")


def merge_folders(args: argparse.Namespace) -> None:
    """Join folders."""
    count = sum(1 for _ in merge(args.folders, args.output_folder))
    print(f"{count} batches in {args.output_folder}")


def convert(args: argparse.Namespace) -> None:
    """Write another format."""
    paths = find_batches(args.folder, args.game)
    if args.to == "lerobot":
        task = f"play {args.game}"
        count = to_lerobot(paths, args.output_folder, recorded_game(paths).fps, task)
        print(f"{count} episodes in {args.output_folder}")
        return
    name = args.name or f"{args.game}/rollouts-v0"
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"--name {name}: a dataset is called like doomrnn/rollouts-v0")
    count = to_minari(paths, args.output_folder, name)
    print(
        f"{count} episodes in {args.output_folder / name}; "
        f"MINARI_DATASETS_PATH={args.output_folder} lets Minari find them"
    )


def pair_anew(args: argparse.Namespace) -> None:
    """Write recorded screens with other actions."""
    combinations = args.combinations
    if combinations == "occurring":
        combinations = occurring(args.folder, args.action_delay)
        print(f"--combinations {combinations}")
    paths = pair(args.folder, args.output_folder, args.action_delay, combinations)
    print(f"{len(paths)} batches in {args.output_folder}")


def _screen_options(args: argparse.Namespace) -> dict:
    """Return the options of a screen that was recorded elsewhere."""
    if not args.keys:
        raise InputError("--game screen: say which keys play, e.g. --keys w,a,s,d,space")
    names = {"window": "", "region": "", "combinations": "", "action_delay": 0}
    return names | {"keys": ",".join(key_names(args.keys)), "fps": args.fps}


def take_in(args: argparse.Namespace) -> None:
    """Write rollouts of something else."""
    if (args.source / METADATA).is_file():
        paths = from_minari(args.source, args.output_folder)
    elif (args.source / INFO).is_file():
        paths = _take_lerobot(args)
    else:
        paths = _take_foreign(args)
    print(f"{len(paths)} batches in {args.output_folder}")


def _take_lerobot(args: argparse.Namespace) -> list[Path]:
    dataset = LeRobotDataset(args.source)
    name = args.game or dataset.robot
    game = game_class(name)
    fits = dataset.shape in [(size, size, 3) for size in game.frame_sizes]
    shape = dataset.shape if fits else game.observation_space.shape
    return _take(args, name, shape, dataset.places(), dataset.read)


def _take_foreign(args: argparse.Namespace) -> list[Path]:
    sources = find_sources(args.source)
    if args.game is None:
        raise InputError(f"{args.source}: say with --game whose recordings these are")
    shape = frame_shape({"frame_size": args.frame_size})
    game_class(args.game).check_frames(args.game, shape)
    return _take(args, args.game, shape, sources, read_foreign)


def _take(
    args: argparse.Namespace, name: str, shape: tuple, sources: list, read: Callable
) -> list[Path]:
    """Write what `read(source, target)` gives as batches of a game with frames of a shape."""
    options = _screen_options(args) if name == SCREEN else {}
    game = game_class(name, options)
    options |= {"time_steps": game.time_steps} | frame_options(shape)
    target = Target(name, game.action_space, shape, options)
    header = Recorder(args.output_folder, name, None, args.policy, 0, options).header()
    return write_batches(
        sources, lambda source: read(source, target), args.output_folder, header, args.batch_size
    )


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run one of the commands."""
    args = parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    sys.exit(main())
