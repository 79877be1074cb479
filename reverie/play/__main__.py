"""Play a game and its dream side by side in the browser, with the keys or by an agent.

    # the shipped dream of Doom
    python -m reverie.play

    # what `make run` has learned, or any other run folder
    python -m reverie.play runs/doom

    # any game: with the shipped dream where there is one, by itself otherwise
    python -m reverie.play carracing
    python -m reverie.play crafter --record_folder my_play

    # a clone of stage 7 may play as well
    python -m reverie.play runs/doom --clone cloned_behaviour/clone.h5

    # the dream alone as a folder for any web server: a page that needs no Python (make static)
    python -m reverie.play runs/doom --static page

The page is served on this machine alone; from another one, go through ssh as the program says.
"""

import argparse
import asyncio
import errno
import getpass
import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from reverie import flags
from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.games import add_game_flags, game_class, game_options
from reverie.games.actions import ActionCode
from reverie.games.game import FRAME_SHAPE, Game, frame_shape
from reverie.headers import open_clone
from reverie.play.messages import Knobs
from reverie.play.run_folder import PlayedFiles, find_files, name_files
from reverie.play.runtime import check_tools, fetch_runtime
from reverie.play.setting import Setting
from reverie.runs import PRETRAINED
from reverie.stage import conduct

GAME = "doomrnn"  # that is played where nothing is named
HOST = "127.0.0.1"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.play",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", help="a run folder or a game; default: the shipped Doom")
    parser.add_argument(
        "--vae_weights", type=flags.artifact, help="with --rnn_weights, instead of a folder"
    )
    parser.add_argument("--rnn_weights", type=flags.artifact)
    parser.add_argument("--controller", type=flags.artifact, help="an agent that may play as well")
    parser.add_argument("--clone", type=flags.artifact, help="of stage 7, that may play as well")
    parser.add_argument(
        "--static", type=Path, metavar="FOLDER", help="write the dream as a page without a server"
    )
    parser.add_argument("--record_folder", type=Path, default=Path("played"))
    parser.add_argument("--port", type=flags.int_from(0, 65535), default=8642, help="0 for any")
    parser.add_argument("--seed", type=flags.seed, default=0, help="of the first episode")
    parser.add_argument("--temperature", type=flags.float_from(0.05, 5.0), default=1.0)
    parser.add_argument("--time_steps", type=flags.positive_int, help="longest episode")
    add_game_flags(parser)
    args = parser.parse_args(argv)
    if bool(args.vae_weights) != bool(args.rnn_weights):
        parser.error("--vae_weights and --rnn_weights belong together; name both")
    return args


def find(args: argparse.Namespace) -> tuple[str, PlayedFiles | None]:
    """Return the game that is meant and the networks that dream it, if there are any.

    Raises:
        InputError: there is no such folder or game, or the networks do not belong together.
    """
    if args.vae_weights:
        files = name_files(args.vae_weights, args.rnn_weights, args.controller)
        return files.game, files
    what = args.what or GAME
    if Path(what).is_dir():
        files = find_files(Path(what))
    elif _is_shipped(what):
        files = find_files(PRETRAINED, what)
    else:
        try:
            game_class(what)
        except InputError as error:
            raise InputError(f"{what}: no folder of that name, and: {error}") from error
        return what, None
    if args.controller:
        files = name_files(files.vae, files.rnn, args.controller, files.detector)
    return files.game, files


def _is_shipped(game: str) -> bool:
    """Tell whether a dream of a game comes with the package."""
    try:
        find_files(PRETRAINED, game)
    except InputError:
        return False
    return True


def make_game(args: argparse.Namespace, files: PlayedFiles | None) -> tuple:
    """Return the class and the options of the game; no class where it cannot be played here."""
    try:
        options = game_options(args, files.frame_shape if files else FRAME_SHAPE)
    except InputError as error:
        if files is None or "pip install" not in str(error):
            raise
        print(f"{error}; the dream is played without it")
        return None, {"time_steps": args.time_steps or Game.time_steps}
    given = {name for name, value in vars(args).items() if value not in (None, {})}
    recorded = files.options if files else {}
    kept = {n: v for n, v in recorded.items() if n not in given | {"dream", "time_steps"}}
    options |= kept
    return game_class(args.game, options), options


def listen(port: int) -> socket.socket:
    """Return a socket of this machine's own address.

    Raises:
        InputError: the port is taken.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise InputError(
            f"--port {port}: taken by another program; choose another, or 0 for any that is free"
        ) from error
    return listening


def addresses(port: int) -> str:
    """Return what a person must know to open the page."""
    user, host = getpass.getuser(), socket.gethostname()
    return (
        f"open http://{HOST}:{port}/ in a browser; ctrl-c ends it\n"
        f"from another machine first: ssh -N -L {port}:{HOST}:{port} {user}@{host}"
    )


async def serve(application: object, listening: socket.socket) -> None:
    """Answer until a signal comes."""
    from aiohttp import web

    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        print(addresses(listening.getsockname()[1]), flush=True)
        over = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        await over.wait()
    finally:
        await runner.cleanup()


def check_clone(path: Path, game: str) -> None:
    """Check that a clone plays a game.

    Raises:
        InputError: it plays another, or the file holds no clone.
    """
    header = open_clone(path)
    if header.game != game:
        raise InputError(f"--clone: {path} plays {header.game}, and {game} is what is played here")


def load_cloned(path: Path, shape: tuple[int, ...]) -> Callable[[int], Callable]:
    """Load a clone; what is returned begins an episode of a seed, see `Setting`.

    Args:
        path: its weights.
        shape: of the frames here.

    Raises:
        InputError: they cannot be used, or the clone sees other frames.
    """
    start_backend()
    from reverie.cloning.agents import ClonedAgents, load_clone

    clone = load_clone(path)
    if tuple(clone.frame_shape) != tuple(shape):
        raise InputError(f"--clone: {path} sees frames {clone.frame_shape}, here they are {shape}")

    def begin(seed: int) -> Callable:
        agents = ClonedAgents(clone, 1)
        agents.begin(0, seed)
        return lambda _, frame: agents.act(frame[None])[0]

    return begin


def load(args: argparse.Namespace, files: PlayedFiles | None) -> Setting:
    """Load the networks, if there are any, and say what is played.

    Raises:
        InputError: the game cannot be made, or a file cannot be used.
    """
    game, options = make_game(args, files)
    if args.controller and not files:
        raise InputError(f"--controller: {args.game} has no networks here to see it with")
    dreamer = None
    if files:
        print(f"loading {files.rnn}", flush=True)
        start_backend()
        from reverie.play.dreamer import Dreamer

        dreamer = Dreamer(files)
    return Setting(
        name=args.game,
        game=game,
        options=options,
        code=files.code if files else ActionCode.from_space(game.action_space),
        dreamer=dreamer,
        knobs=Knobs(temperature=args.temperature),
        record_folder=args.record_folder,
        time_steps=options["time_steps"],
        clone=load_cloned(args.clone, frame_shape(options)) if args.clone else None,
    )


def write_static(args: argparse.Namespace, files: PlayedFiles | None) -> None:
    """Write the dream as a page that needs no server.

    Raises:
        InputError: there is no dream, or a tool is missing that writes it.
    """
    if files is None:
        raise InputError(f"--static: there is no dream of {args.game} here; name a run folder")
    check_tools(args.static)
    runtime = fetch_runtime()
    setting = load(args, files)
    from reverie.play.static import write_page

    whole, small, difference = write_page(setting, args.seed, runtime, args.static)
    print(
        f"{args.static}: {whole / 1e6:.1f} MB, {small / 1e6:.1f} MB compressed; ONNX and Keras "
        f"differ by {difference:.1g}; look at it with: python -m http.server -d {args.static}"
    )


@conduct
def main(argv: list[str] | None = None) -> None:
    """Check what is to be played, load it, serve the page or write it."""
    args = parse_args(argv)
    args.game, files = find(args)
    if args.clone:
        check_clone(args.clone, args.game)
    if args.static:
        write_static(args, files)
        return
    listening = listen(args.port)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    setting = load(args, files)
    from reverie.play.server import Server

    asyncio.run(serve(Server(setting, args.seed).application(), listening))


if __name__ == "__main__":
    sys.exit(main())
