"""A game that nobody here wrote, recorded, cloned and scored in its real window.

The game is `pygame.examples.aliens` on an X server without a screen. The demonstrator sees pixels
and presses keys, no more. Recordings of 64 and 128 pixels are made of the same grabs.

    python -m benchmarks.cloned_aliens record --folder aliens --episodes 30
    python -m benchmarks.cloned_aliens score --folder aliens --player demonstrator --episodes 20
    python -m benchmarks.cloned_aliens score --folder aliens --player clone.h5 --episodes 20
    python -m benchmarks.cloned_aliens table --folder aliens

With a VAE in `aliens/vae64` and an MDN-RNN in `aliens/rnn`, it films a dream beside the window:

    python -m benchmarks.cloned_aliens film --folder aliens
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.workplace import ROOT
from benchmarks.xvfb import x_server
from reverie import flags
from reverie.artifacts import InputError, write_json
from reverie.backend import start_backend
from reverie.games.game import frame_options
from reverie.games.keyboard import Keyboard
from reverie.games.registered import see
from reverie.games.ticks import SECOND, Ticks
from reverie.games.x11 import Desktop, Region
from reverie.reports.films import save_film, save_strip
from reverie.reports.scores import summary
from reverie.reports.tables import markdown
from reverie.rollouts.episode_writer import EpisodeWriter
from reverie.rollouts.recording import Recorder
from reverie.rollouts.storage import (
    batch_path,
    find_batches,
    is_whole,
    iterate_episodes,
    merge_episodes,
)
from reverie.runs import LATENTS, RNN_WEIGHTS, VAE_WEIGHTS
from reverie.stage import conduct, progress

KEYS = ("left", "right", "space")
FPS, SIZES, SECONDS, BATCH = 20, (64, 128), 10.0, 5
FIRST = 10_000  # seed of the first episode that is scored
TITLE = "Pygame Aliens"
OPTIONS = {"window": TITLE, "region": "0,0,640,480", "keys": ",".join(KEYS), "fps": FPS}
OPTIONS |= {"combinations": "", "action_delay": 0, "time_steps": 36_000}
HELD = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]])
Act = Callable[[np.ndarray], np.ndarray]  # the window's picture -> which keys are held


class Demonstrator:
    """Dodges bombs, keeps to the middle, and shoots when its last shot has gone far enough."""

    def __init__(self) -> None:
        self.there = True

    def begin(self, seed: int) -> None:
        """There is nothing to remember."""

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return which keys to hold in what the window shows."""
        place = player_place(picture)
        self.there = place is not None
        if place is None:
            return HELD[0]
        shots, bombs = things(picture)
        fire = len(shots) < 2 and all(y < 330 for _, y in shots)
        side = self._flee(place, bombs) or (place < 220) - (place > 420)
        return np.array([side < 0, side > 0, fire], int)

    def _flee(self, place: float, bombs: list[tuple[float, float]]) -> int:
        near = [(y, x) for x, y in bombs if y > 180 and abs(x - place) < 75]
        if not near:
            return 0
        side = 1 if place >= max(near)[1] else -1
        return -side if (place < 60 and side < 0) or (place > 580 and side > 0) else side


def player_place(picture: np.ndarray) -> float | None:
    """Return the middle of the player, None where there is none."""
    strip = picture[424:446].astype(int)
    green = (strip[..., 1] > strip[..., 0] - 4) & (strip[..., 1] > 50)
    columns = np.flatnonzero(green.sum(axis=0) > 4)
    return float(np.median(columns)) if len(columns) > 15 else None


def things(picture: np.ndarray) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return the places `(x, y)` of shots and of bombs."""
    bright = (picture[:430].max(axis=2) > 110).astype(np.uint8)
    count, _, stats, middles = cv2.connectedComponentsWithStats(bright)
    shots, bombs = [], []
    for number in range(1, count):
        _, _, width, height, area = stats[number]
        x, y = middles[number]
        if width <= 11 and 10 <= height <= 24 and area > 60:
            shots.append((x, y))
        elif 12 <= width <= 22 and 16 <= height <= 34 and area > 120:
            bombs.append((x, y))
    return shots, bombs


class Habit:
    """Plays without looking: one action, or random ones that are held for 1 to 10 ticks."""

    def __init__(self, action: int | None = None) -> None:
        self.action = action

    def begin(self, seed: int) -> None:
        """Draw anew."""
        rng = np.random.default_rng(seed)
        held = np.repeat(rng.integers(len(HELD), size=1000), rng.integers(1, 11, size=1000))
        self.actions = iter(held if self.action is None else np.full(len(held), self.action))

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return which keys to hold."""
        return HELD[next(self.actions)]


class Cloned:
    """A clone that stage 7 has trained."""

    def __init__(self, weights: Path, temperature: float) -> None:
        from reverie.cloning.agents import ClonedAgents, load_clone

        clone = load_clone(weights)
        self.agents, self.size = ClonedAgents(clone, 1, temperature), clone.frame_shape[0]
        self(np.zeros((480, 640, 3), np.uint8))  # compiles

    def begin(self, seed: int) -> None:
        """Forget the episode before."""
        self.agents.begin(0, seed)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return which keys to hold."""
        return self.agents.act(see(picture, self.size)[None])[0]


class Window:
    """The game at play, an episode after the other, on the X server of `DISPLAY`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.aliens_window", "--seconds", str(SECONDS)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, **pipes)
        while self.process.stdout.readline().strip() != "ready":
            pass
        self.desktop, self.ticks = Desktop(), Ticks(FPS)
        self.keyboard = Keyboard(self.desktop, KEYS)
        self.latencies: list[float] = []
        self.missed = self.steps = 0

    def play(self, seed: int, act: Act, note: Callable = lambda *_: None) -> float:
        """Play an episode and return its score; `note` is given every picture and its action."""
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        answer: list[str] = []
        reader = threading.Thread(target=lambda: answer.append(self.process.stdout.readline()))
        reader.start()
        place, now = self._shown(), self.ticks.start()
        while not answer:
            picture = self.desktop.grab(place)
            held = act(picture)
            self.keyboard.hold(held)
            self.latencies.append((time.monotonic_ns() - now) / SECOND * 1000)
            note(picture, held)
            now = self.ticks.wait()
        self.keyboard.release()
        self.missed, self.steps = self.missed + self.ticks.missed, self.steps + self.ticks.number
        return float(answer[0].split()[1])

    def _shown(self) -> Region:
        """Wait for the window, which every episode opens anew, and return where it is."""
        while True:
            with contextlib.suppress(InputError):
                window = self.desktop.find_window(TITLE)
                self.desktop.give_focus(window)
                return self.desktop.place(window)
            time.sleep(0.1)

    def close(self) -> None:
        """End the game."""
        self.process.kill()
        self.process.wait()
        self.desktop.close()


@contextlib.contextmanager
def open_window() -> Iterator[Window]:
    """Start a server and the game."""
    with x_server() as name:
        os.environ |= {"DISPLAY": name, "SDL_AUDIODRIVER": "dummy"}
        window = Window()
        try:
            yield window
        finally:
            window.close()


class Episode:
    """Writes one episode in all sizes.

    Args:
        paths: of the files, by size.
        seed: of the episode.
    """

    def __init__(self, paths: dict[int, Path], seed: int) -> None:
        self.paths, self.seed = paths, seed
        self.writers: dict[int, EpisodeWriter] = {}
        self.held: np.ndarray | None = None
        self.pictures = 0

    def note(self, picture: np.ndarray, held: np.ndarray) -> None:
        """Take in a picture, and the keys that were held from then on."""
        self._add(picture, False)
        self.held, self.pictures = held, self.pictures + 1

    def _add(self, picture: np.ndarray, last: bool, reward: float = 0.0) -> None:
        for size, path in self.paths.items():
            frame, info = see(picture, size), {"time": np.float64(self.pictures / FPS)}
            if size not in self.writers:
                self.writers[size] = EpisodeWriter(path, self.seed, frame, info)
            else:
                self.writers[size].add(self.held, frame, reward, last, False, info)

    def finish(self, score: float) -> None:
        """End the episode with its score as the reward of its last step."""
        if not self.pictures:
            return  # the player was never seen
        size = self.writers[SIZES[-1]].observation
        self._add(cv2.resize(size, (640, 480)), True, score)


def record(args: argparse.Namespace) -> None:
    """Record the demonstrator; every file of five episodes is a session."""
    scores, parts = [], args.folder / "parts"
    with open_window() as window:
        player = Demonstrator()
        for number in progress(range(args.episodes), desc="episodes"):
            paths = {size: parts / f"{size}_{number:04d}.h5" for size in SIZES}
            if all(map(is_whole, paths.values())):
                continue  # of an earlier start
            episode = Episode(paths, number)

            def note(picture: np.ndarray, held: np.ndarray, episode: Episode = episode) -> None:
                if player.there:
                    episode.note(picture, held)

            scores.append(window.play(number, player, note))
            episode.finish(scores[-1])
        print(f"{window.missed} of {window.steps} ticks missed; scores {scores}")
    for size in SIZES:
        options = OPTIONS | frame_options((size, size, 3))
        header = Recorder(args.folder, "screen", None, "demonstrator", 0, options).header()
        for batch, start in enumerate(range(0, args.episodes, BATCH)):
            names = range(start, min(start + BATCH, args.episodes))
            files = [parts / f"{size}_{number:04d}.h5" for number in names]
            files = [file for file in files if is_whole(file)]
            merge_episodes(files, batch_path(args.folder / str(size), "screen", batch), header)


def score(args: argparse.Namespace) -> None:
    """Score a player on seeds that no recording has."""
    players = {"demonstrator": Demonstrator, "random keys": Habit}
    players["commonest action"] = lambda: Habit(args.action)
    make = players.get(args.player) or (lambda: Cloned(Path(args.player), args.temperature))
    player = make()
    seeds = range(FIRST, FIRST + args.episodes)
    with open_window() as window:
        totals = [_scored(window, player, seed) for seed in progress(seeds, desc=args.player)]
        median, high = np.percentile(window.latencies, [50, 99])
        row = {"player": args.name or args.player} | summary(np.array(totals))
        row |= {"missed": window.missed / window.steps, "median_ms": median, "p99_ms": high}
    write_json(args.folder / "scores" / f"{row['player']}.json", row)
    print(json.dumps(row))


def _scored(window: Window, player: Any, seed: int) -> float:
    player.begin(seed)
    return window.play(seed, player)


def table(args: argparse.Namespace) -> None:
    """Print the scores of all players, beside the demonstrator's."""
    rows = [json.loads(path.read_text()) for path in (args.folder / "scores").glob("*.json")]
    best = next(row["mean"] for row in rows if row["player"] == "demonstrator")
    shown = [
        {
            "player": row["player"],
            "aliens": f"{row['mean']:.1f} ± {row['std']:.1f}",
            "of the demonstrator": row["mean"] / best,
            "episodes": row["episodes"],
            "ticks missed, %": 100 * row["missed"],
            "decision, ms": f"{row['median_ms']:.1f} ({row['p99_ms']:.1f})",
        }
        for row in sorted(rows, key=lambda row: -row["mean"])
    ]
    print(markdown(shown))


def film(args: argparse.Namespace) -> None:
    """Film the last recorded episode beside a dream that goes on from its first second."""
    start_backend()
    from reverie.dreams.dream import Dream
    from reverie.dreams.options import DreamOptions
    from reverie.latents.encoding import decode
    from reverie.latents.storage import Latents
    from reverie.training.weights import load_network

    seen = args.folder / f"vae{args.side}"
    vae = load_network(seen / VAE_WEIGHTS, "VAE")
    rnn = load_network(args.folder / "rnn" / RNN_WEIGHTS, "MDNRNN")
    latents = Latents(seen / LATENTS)
    paths = find_batches(args.folder / str(args.side), "screen")
    for _, _, group in iterate_episodes(paths[-1:]):
        frames, actions = group["observations"][:], group["actions"][:]
    codes = latents.code.encode(actions)
    first = latents.frame_starts[-2]
    mu = np.asarray(latents.arrays["mu"][first : first + FPS + 1], np.float32)
    dream = Dream(rnn, *latents.first_frames(), DreamOptions(temperature=args.temperature))
    dreamt = dream.warmed_up(mu, codes[:FPS], codes[None, FPS:], 0)
    shown = np.concatenate([mu[:-1], dreamt.latents[0]])
    films = {"window": frames, "dream": decode(vae, shown[: len(frames)])}
    output = args.folder / "dream.mp4"
    save_film(output, films, FPS, scale=256 // args.side)
    save_strip(output.with_suffix(".png"), films)
    print(f"film in {output}, strip beside it")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("record", "score", "table", "film"))
    parser.add_argument("--folder", type=Path, default=Path("aliens"))
    parser.add_argument("--episodes", type=flags.int_from(2), default=20)
    who = "demonstrator, random keys, commonest action, or the clone.h5 of stage 7"
    parser.add_argument("--player", default="demonstrator", help=who)
    parser.add_argument("--name", help="of the player in the table")
    parser.add_argument("--action", type=flags.int_from(0, len(HELD) - 1), default=0)
    parser.add_argument("--side", type=int, choices=SIZES, default=SIZES[0], help="of the film")
    parser.add_argument("--temperature", type=flags.non_negative_float, default=1.0)
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run one of the commands."""
    args = parse_args(argv)
    {"record": record, "score": score, "table": table, "film": film}[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
