"""Who plays the episodes of a recording: flags, the frames that are seen, policies by name."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reverie.artifacts import InputError, require_file
from reverie.flags import artifact, non_negative_float, positive_int
from reverie.games import game_class
from reverie.games.game import FRAME_SHAPE, FRAME_SIZES, frame_shape
from reverie.headers import ControllerHeader, WeightsHeader, open_header
from reverie.lineage import find_networks
from reverie.networks import written_size
from reverie.rollouts.balance import Wanted, game_steps, group_size
from reverie.rollouts.policies import MIX, POLICIES, TURNING, is_named
from reverie.rollouts.workers import GameWorkers

ROUNDS = 4  # episodes, on average, that each of the games played together plays in a row
Player = Callable[[GameWorkers, list[tuple[int, Path]]], Iterator[int]]


@dataclass(frozen=True)
class PlayerOptions:
    """Who plays.

    Attributes:
        policy: its name, a mix, or the file of a controller.
        action_noise: of a controller, see `ControlledAgents`.
        vae_weights: a controller's VAE, where it is not at the place that the controller names.
        rnn_weights: its MDN-RNN, likewise.
        frame_size: rows and columns of a frame; None where the controller's VAE decides.
    """

    policy: str
    action_noise: float = 0.0
    vae_weights: Path | None = None
    rnn_weights: Path | None = None
    frame_size: int | None = None


def add_player_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `PlayerOptions`, and those of a balanced recording."""
    group = parser.add_argument_group("who plays")
    group.add_argument(
        "--policy",
        help="default: held_random, of a screen person, whose play is recorded; or "
        f"{', '.join(POLICIES)}, {TURNING}N, gatherer (Crafter), mix, mix:NAME=SHARE,..., or "
        "the controller.h5 of stage 5",
    )
    group.add_argument(
        "--action_noise",
        type=non_negative_float,
        default=0.0,
        help="standard deviation of what is added to a controller's actions, held for 1 to 10 "
        "steps; an action reaches from -1 to 1",
    )
    where = "where it is not at the place that the controller names"
    group.add_argument("--vae_weights", type=artifact, help=f"a controller's VAE, {where}")
    group.add_argument("--rnn_weights", type=artifact, help=f"its MDN-RNN, {where}")
    group.add_argument(
        "--frame_size",
        type=int,
        choices=FRAME_SIZES,
        help="rows and columns of a frame; default: 64, or what the controller's VAE sees",
    )
    group.add_argument(
        "--balance",
        help="record equal shares of what is in view, e.g. keys_and_locks of heist, docs/games.md",
    )
    group.add_argument(
        "--balance_frames",
        type=positive_int,
        default=50_000,
        help="frames in which nothing is found before --balance gives up",
    )


def frames_to_record(game: str, own: tuple[str, ...], options: PlayerOptions) -> tuple[int, ...]:
    """Return the shape of the frames: what is asked for, or what a controller's VAE sees.

    Args:
        game: the game's name.
        own: policies of the game alone.
        options: who plays.

    Raises:
        InputError: there is no such policy or controller, or its VAE sees other frames than asked.
    """
    size, policy = options.frame_size, options.policy
    asked = frame_shape({"frame_size": size}) if size else None
    if is_named(policy, own):
        if options.action_noise:
            raise InputError(
                f"--action_noise: disturbs a controller, not {policy}; leave the flag away"
            )
        return asked or FRAME_SHAPE
    names = ", ".join((*POLICIES, *own, "mix", f"{MIX}NAME=SHARE,..."))
    path = require_file(Path(policy), "policy or controller", f"choose from {names}")
    header = open_header(path, ControllerHeader, game=game)
    vae, _ = find_networks(path, header, options.vae_weights, options.rnn_weights)
    seen = open_header(vae, WeightsHeader, network="VAE").frame_shape
    if asked not in (None, seen):
        raise InputError(
            f"--frame_size {size}: {vae} sees frames of {written_size(seen)} pixels; "
            "leave the flag away"
        )
    return seen


def named_player(policy: str, at_once: int = 1) -> Player:
    """Return a player that records `(seed, path)` jobs with a policy by name.

    Args:
        policy: its name.
        at_once: games that a worker plays together.
    """

    def play(workers: GameWorkers, jobs: list[tuple[int, Path]]) -> Iterator[int]:
        for _, (steps, _) in workers.map("play", [(seed, policy, path) for seed, path in jobs]):
            yield steps

    def play_many(workers: GameWorkers, jobs: list[tuple[int, Path]]) -> Iterator[int]:
        share = min(ROUNDS * at_once, -(-len(jobs) // len(workers)))
        parts = [(jobs[start : start + share], policy) for start in range(0, len(jobs), share)]
        for _, results in workers.map("play_many", parts):
            yield from (steps for steps, _ in results)

    return play if at_once == 1 else play_many


def balanced_player(
    name: str, options: dict, policy: str, seed: int, wanted: Wanted
) -> tuple[Player, dict]:
    """Return a player that records `(place, path)` jobs of a balanced recording.

    Args:
        name: the game's.
        options: of the recorded episodes.
        policy: name of who plays.
        seed: of the recording.
        wanted: the recording.

    Returns:
        The player, and the options that its games are played with.

    Raises:
        InputError: the game has no such balance, or a controller shall play.
    """
    game = game_class(name, options)
    if wanted.balance not in game.balances:
        known = ", ".join(game.balances) or "none, as it says nothing of what is in view"
        raise InputError(f"--balance {wanted.balance}: {name} has {known}")
    if not is_named(policy, game.policies):
        raise InputError("--balance: records policies by name, no controllers")
    balance = game.balances[wanted.balance]
    size = group_size(balance)

    def play(workers: GameWorkers, jobs: list[tuple[int, Path]]) -> Iterator[int]:
        groups: dict[int, dict[int, Path]] = {}
        for place, path in jobs:
            groups.setdefault(place // size, {})[place] = path
        parts = [(seed, group, paths, policy, wanted) for group, paths in groups.items()]
        for _, lengths in workers.map("find", parts):
            yield from lengths

    return play, options | {"time_steps": game_steps(balance, wanted.steps)}
