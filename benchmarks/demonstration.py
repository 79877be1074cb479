"""Games in a window, played by scripts through the X server, and recorded as a person would be.

    # twenty games of the demonstrator, recorded by stage 1
    python -m benchmarks.demonstration aliens --games 20 --record played/aliens

    # the scores of random keys
    python -m benchmarks.demonstration pong --games 20 --player random

Without DISPLAY an X server is started that has no screen.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.demonstrators import DEMONSTRATORS
from benchmarks.window_games import GAMES
from benchmarks.xvfb import x_server
from reverie.games.keyboard import Keyboard
from reverie.games.screen import Aim
from reverie.games.ticks import Ticks
from reverie.games.x11 import Desktop
from reverie.rollouts.screen_session import SessionOptions

ROOT = Path(__file__).resolve().parent.parent
TAP = 0.06  # seconds
FPS = 20
PATIENCE = 120.0  # seconds


class Player(Protocol):
    """What plays: `act` is given the picture of the window and returns the keys to hold."""

    def act(self, picture: np.ndarray) -> set[str]:
        """Return the keys to hold."""


class RandomKeys:
    """Holds random keys for 1 to 10 looks."""

    def __init__(self, keys: Sequence[str], seed: int = 0) -> None:
        self._keys, self._rng = keys, np.random.default_rng(seed)
        self._left, self._held = 0, set()

    def act(self, picture: np.ndarray) -> set[str]:
        """Return the keys to hold."""
        if self._left == 0:
            self._left = int(self._rng.integers(1, 11))
            self._held = {key for key in self._keys if self._rng.random() < 0.5}
        self._left -= 1
        return self._held


class Always:
    """Always holds the same keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = set(keys)

    def act(self, picture: np.ndarray) -> set[str]:
        """Return the keys to hold."""
        return self._keys


class GameWindow:
    """A running game: starting its rounds, its scores, and the keyboard in front of it.

    Args:
        name: among `GAMES`.
        scores: the file that the game writes its scores to.
    """

    def __init__(self, name: str, scores: Path) -> None:
        self.game, self._scores = GAMES[name], scores
        self.aim = Aim(Desktop(), self.game.title, "")
        self.keyboard = Keyboard(self.aim.desktop, self.game.keys)
        options = SessionOptions()
        self._hot = Keyboard(self.aim.desktop, ("return", options.start_key, options.quit_key))
        self.aim.give_focus()

    def tap(self, name: str) -> None:
        """Press and release a key that is none of the game."""
        self._hot.hold([name == each for each in self._hot.names])
        time.sleep(TAP)
        self._hot.hold([False] * 3)

    def finished(self) -> list[dict]:
        """Return what the game has said of the rounds that are over."""
        if not self._scores.exists():
            return []
        return [json.loads(line) for line in self._scores.read_text().splitlines()]

    def play(self, player: Player, fps: int = FPS) -> dict:
        """Play one round that has begun; return what the game says of it, and ticks and misses."""
        ticks, rounds = Ticks(fps), len(self.finished())
        try:
            while len(finished := self.finished()) == rounds:
                held = player.act(self.aim.desktop.grab(self.aim.on_screen()))
                self.keyboard.hold([name in held for name in self.game.keys])
                ticks.wait()
        finally:
            self.keyboard.hold([False] * len(self.game.keys))
        return finished[-1] | {"ticks": ticks.number, "missed": ticks.missed}

    def close(self) -> None:
        """Release all keys."""
        self.keyboard.release()
        self._hot.release()


@contextlib.contextmanager
def game_window(name: str, seconds: int, seed: int = 0) -> Iterator[GameWindow]:
    """Show a game in a window while the block runs; `DISPLAY` says where."""
    with tempfile.TemporaryDirectory() as folder:
        scores = Path(folder) / "scores.jsonl"
        flags = ["--seconds", str(seconds), "--seed", str(seed), "--scores", str(scores)]
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.window_games", name, *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"SDL_AUDIODRIVER": "dummy"},
            text=True,
        )
        try:
            if not any(line == "shown\n" for line in process.stdout):
                raise RuntimeError(f"{name} did not start")
            window = GameWindow(name, scores)
            yield window
            window.close()
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def recorder(window: GameWindow, folder: Path, *flags: str) -> Iterator[None]:
    """Let stage 1 record while the block runs, then press the key that ends it."""
    aim = ["--window", window.game.title, "--keys", ",".join(window.game.keys)]
    command = [sys.executable, str(ROOT / "01_generate_data.py"), "screen", *aim]
    process = subprocess.Popen(
        [*command, "--countdown", "0", "--store_folder", str(folder), *flags],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if not any("starts and stops" in line for line in process.stdout):
            raise RuntimeError("stage 1 did not start; it has said why")
        yield
        window.tap(SessionOptions.quit_key)
        print(process.communicate(timeout=PATIENCE)[0], end="")
    finally:
        process.kill()
        process.wait()


def play_games(window: GameWindow, player: Player, games: int, recorded: bool) -> list[dict]:
    """Play rounds, each an episode of a recording if there is one; return their scores."""
    rows = []
    for _ in range(games):
        window.tap("return")
        if recorded:
            window.tap(SessionOptions.start_key)
        rows.append(window.play(player))
        if recorded:
            window.tap(SessionOptions.start_key)
            time.sleep(2 / FPS)
        print(json.dumps(rows[-1]), flush=True)
    return rows


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("game", choices=GAMES)
    parser.add_argument("--games", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60, help="of a game, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the first game")
    parser.add_argument(
        "--player", choices=("demonstrator", "random", "idle"), default="demonstrator"
    )
    parser.add_argument("--record", type=Path, help="record into this folder")
    parser.add_argument("--frame_size", default="64", choices=("64", "128"))
    return parser.parse_args(argv)


def player_of(args: argparse.Namespace) -> Player:
    """Return the player that the flags name."""
    if args.player == "demonstrator":
        return DEMONSTRATORS[args.game]()
    keys = GAMES[args.game].keys if args.player == "random" else ()
    return RandomKeys(keys, args.seed) if keys else Always(())


def main(argv: list[str] | None = None) -> None:
    """Play, and say how it went."""
    args = parse_args(argv)
    with contextlib.ExitStack() as stack:
        if "DISPLAY" not in os.environ:
            os.environ["DISPLAY"] = stack.enter_context(x_server())
        window = stack.enter_context(game_window(args.game, args.seconds, args.seed))
        if args.record:
            stack.enter_context(recorder(window, args.record, "--frame_size", args.frame_size))
        rows = play_games(window, player_of(args), args.games, bool(args.record))
    scores = [row["score"] for row in rows]
    print(f"{args.player}: {statistics.mean(scores):.2f} ± {statistics.pstdev(scores):.2f}")


if __name__ == "__main__":
    main()
