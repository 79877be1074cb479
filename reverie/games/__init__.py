"""The games by name; each family is one file beside this one."""

import argparse
import difflib
import functools
import importlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium

from reverie.artifacts import InputError
from reverie.flags import json_object, true_or_false
from reverie.games.game import FRAME_SHAPE, Game, frame_options


@dataclass(frozen=True)
class Flag:
    """A flag of a family of games: `--name`, handed to the games as the option `name`.

    Attributes:
        name: of flag and option.
        default: whose type the flag has.
        help: for `--help`.
        choices: the values that there are, where they are few.
        minimum: of a number.
        later: files of earlier versions do not say it; an option only where it is not the default.
    """

    name: str
    default: int | str | bool
    help: str
    choices: tuple = ()
    minimum: int = 0
    later: bool = False


@dataclass(frozen=True)
class Family:
    """Games of one module, which has a function `environment(name)` that returns their class.

    Attributes:
        module: below `reverie.games`.
        title: what people call the family.
        package: what pip installs for it.
        names: the games; those of the last families are asked for by `environment` itself.
        flags: what the classes take beside `time_steps` and `render`.
        decisive: those of the options that decide the class, its actions for example.
        single: whether only one process at a time can play it.
    """

    module: str
    title: str
    package: str
    names: tuple[str, ...]
    flags: tuple[Flag, ...] = ()
    decisive: tuple[str, ...] = ()
    single: bool = False


FAMILIES = (
    Family(
        "doom",
        "Doom",
        "vizdoom",
        ("doomrnn",),
        (Flag("difficulty", 4, "Doom's skill, 1 to 5", choices=(1, 2, 3, 4, 5)),),
    ),
    Family(
        "carracing",
        "CarRacing",
        "gymnasium[box2d]",
        ("carracing",),
        (Flag("renderer", "fast", "who draws the frames", ("fast", "gymnasium")),),
    ),
    Family("crafter", "Crafter", "crafter", ("crafter",)),
    Family(
        "procgen",
        "Procgen",
        "procgen-mirror" if sys.version_info >= (3, 11) else "procgen",
        (
            *("bigfish", "bossfight", "caveflyer", "chaser", "climber", "coinrun", "dodgeball"),
            *("fruitbot", "heist", "jumper", "leaper", "maze", "miner", "ninja", "plunder"),
            "starpilot",
        ),
        (
            Flag("num_levels", 0, "how many levels there are, 0 for all"),
            Flag("start_level", 0, "number of the first level"),
            Flag("distribution_mode", "easy", "of levels", ("easy", "hard", "extreme", "memory")),
            Flag("use_backgrounds", True, "draw pictures behind the levels", later=True),
        ),
    ),
    Family(
        "screen",
        "Screen",
        "mss python-xlib",
        ("screen",),
        (
            Flag("window", "", "name of the window, a part of it, or its number, e.g. 0x1200003"),
            Flag("region", "", "left,top,width,height in the window, without one on the screen"),
            Flag("keys", "", "names of the keys that play, e.g. w,a,s,d,space or left,right"),
            Flag("fps", 20, "frames and actions a second", minimum=1),
            Flag("combinations", "", "keys held together as the choices, e.g. none,w,w+d"),
            Flag("action_delay", 0, "milliseconds from a frame to the keys that are its action"),
        ),
        decisive=("keys", "fps", "combinations"),
        single=True,
    ),
)
ATARI = Family("atari", "Atari", "ale-py", ("enduro",), decisive=("env_kwargs",))
REGISTERED = Family("registered", "gymnasium", "gymnasium", (), decisive=("env_kwargs",))
FAMILIES += (ATARI, REGISTERED)
OURS = {  # arguments of `gymnasium.make` itself
    "id": "name it as the game",
    "max_episode_steps": "use --time_steps",
    "disable_env_checker": "leave it away",
}
GAMES = {name: family for family in FAMILIES for name in family.names}
ID = re.compile(r".+-v\d+|.*[/:].*")  # gymnasium's ids: `Name-v0`, `namespace/Name`, `module:Name`


def game_family(name: str) -> Family:
    """Return the family of a game.

    Raises:
        InputError: no game has that name.
    """
    if name in GAMES:
        return GAMES[name]
    if ID.fullmatch(name) or name in gymnasium.registry:
        return ATARI if name.startswith("ALE/") else REGISTERED
    cartridges = _cartridges()
    if name in cartridges:
        return ATARI
    names = list(dict.fromkeys([*GAMES, *cartridges]))
    near = " or ".join(difflib.get_close_matches(name, names, n=3)) or ", ".join(GAMES)
    raise InputError(f"unknown game {name!r}; did you mean {near}?")


def _cartridges() -> list[str]:
    """Return what Atari can play, nothing where its package is not installed."""
    try:
        return list(importlib.import_module("reverie.games.atari").cartridges())
    except ModuleNotFoundError:
        return []


def game_class(name: str, options: dict | None = None) -> type[Game]:
    """Return the environment class of a game.

    Args:
        name: the game's.
        options: what it is played with; some may change its actions, see `Family.decisive`.

    Raises:
        InputError: no game has that name, it does not start, or its package is not installed.
    """
    family, options = game_family(name), options or {}
    keys = {"env_kwargs", *family.decisive}
    settings = {key: value for key, value in options.items() if key in keys and value}
    return _class(name, json.dumps(settings, sort_keys=True))


@functools.cache
def _class(name: str, text: str) -> type[Game]:
    family, settings = game_family(name), json.loads(text)
    try:
        module = importlib.import_module(f"reverie.games.{family.module}")
    except ImportError as error:
        raise _not_installed(name, family, error) from error
    if "env_kwargs" in settings and "env_kwargs" not in family.decisive:
        raise InputError(
            f"--env_kwargs: only environments of gymnasium's registry and Atari take them, not "
            f"{name}; leave the flag away"
        )
    settings = settings.pop("env_kwargs", settings)
    try:
        return module.environment(name, settings) if settings else module.environment(name)
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise _not_installed(name, family, error) from error


def _not_installed(name: str, family: Family, error: Exception) -> InputError:
    return InputError(f"{name}: cannot be played here ({error}); pip install '{family.package}'")


def make_game(name: str, **options: object) -> gymnasium.Env:
    """Start a game by name with the options its class takes; `env_kwargs` chooses the class."""
    own = {key: value for key, value in options.items() if key != "env_kwargs"}
    return game_class(name, options)(**own)


def add_game_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of all families, each under the heading of its own."""
    for family in FAMILIES:
        group = parser.add_argument_group(family.title) if family.flags else None
        for flag in family.flags:
            switch = isinstance(flag.default, bool)
            default = str(flag.default).lower() if switch else flag.default
            group.add_argument(
                f"--{flag.name}",
                type=true_or_false if switch else type(flag.default),
                choices=flag.choices or None,
                help=f"{flag.help}; default {default}",
            )
    group = parser.add_argument_group("registered environments and Atari")
    group.add_argument(
        "--env_kwargs",
        type=json_object,
        default={},
        help="arguments of the environment, e.g. '{\"continuous\": false}'",
    )


def game_options(args: argparse.Namespace, shape: Sequence[int] = FRAME_SHAPE) -> dict:
    """Return the options of the game that the flags ask for, `time_steps` among them.

    Args:
        args: the flags of a stage, `game`, `time_steps` and those of `add_game_flags` among them.
        shape: of the frames; `frame_size` is an option only where it is not the default.

    Raises:
        InputError: no such game, a flag of another family or out of range, or frames of a shape
            that the game cannot show.
    """
    own = {flag.name: flag for flag in game_family(args.game).flags}
    for family in FAMILIES:
        for flag in family.flags:
            given = getattr(args, flag.name)
            if flag.name not in own and given is not None:
                raise InputError(
                    f"--{flag.name}: {args.game} knows no such thing, only {family.title} does; "
                    "leave the flag away"
                )
            if isinstance(given, int) and not flag.choices and given < flag.minimum:
                raise InputError(f"--{flag.name} must be at least {flag.minimum}, not {given}")
    options = {}
    for name, flag in own.items():
        given = getattr(args, name)
        if not flag.later or given not in (None, flag.default):
            options[name] = flag.default if given is None else given
    options |= _env_kwargs(args)
    game = game_class(args.game, options)
    options["time_steps"] = args.time_steps or game.time_steps
    game.check_frames(args.game, shape)
    options |= frame_options(shape)
    game.check(options)
    return options


def _env_kwargs(args: argparse.Namespace) -> dict:
    """Return the option `env_kwargs` if the flag is given."""
    if not args.env_kwargs:
        return {}
    for name in sorted(OURS.keys() & args.env_kwargs.keys()):
        raise InputError(f"--env_kwargs: {name} is not for the environment; {OURS[name]}")
    return {"env_kwargs": args.env_kwargs}
