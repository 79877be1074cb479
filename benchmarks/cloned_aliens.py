"""A game that nobody here wrote, cloned from recordings of a window and scored in that window.

Stage 1 records the demonstrator, a session every five games, and the stages make a clone of it:

    for seed in 0 5 10 15 20 25 30 35; do
        python -m benchmarks.demonstration aliens --games 5 --seconds 10 --seed $seed \\
            --record aliens/64
    done
    python 02_train_vae.py --architecture beta --warmup 200 --latent_size 64 --batch_size 50 \\
        --input_data_folder aliens/64 --environment_name screen --savefolder aliens/vae
    python 03_generate_rnn_data.py --obs_folder aliens/64 --savefolder aliens/vae \\
        --loaded_vae_weights aliens/vae/final_full_vae_weights.h5
    python 07_clone_behaviour.py train --savefolder aliens/clone \\
        --training_data_file aliens/vae/rnn_format_data/rnn_training_data.npz

It plays seeds that no recording has, as do players to compare with; the scores are a table:

    python -m benchmarks.cloned_aliens score --clones aliens/clone/clone.h5

An MDN-RNN of the same recordings dreams, and the dream is filmed beside the window:

    python 04_train_rnn.py --training_data_file aliens/vae/rnn_format_data/rnn_training_data.npz \\
        --upper_level_folder_name aliens --output_folder_name rnn
    python -m benchmarks.cloned_aliens film --folder aliens
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.demonstration import FPS, Always, Player, RandomKeys, game_window, play_games
from benchmarks.demonstrators import DEMONSTRATORS
from benchmarks.window_games import GAMES
from benchmarks.xvfb import x_server
from reverie import flags
from reverie.backend import start_backend
from reverie.games.registered import see
from reverie.reports.films import save_film, save_strip
from reverie.reports.scores import summary
from reverie.reports.tables import markdown
from reverie.rollouts.storage import find_batches, iterate_episodes
from reverie.runs import LATENTS, RNN_WEIGHTS, VAE_WEIGHTS
from reverie.stage import conduct

GAME = "aliens"
KEYS = GAMES[GAME].keys
SECONDS = 10  # of a game, at most, as in the recordings
FIRST = 10_000  # seed of the first game that is scored


class Cloned:
    """A clone that stage 7 has trained.

    Args:
        weights: of the clone.
        temperature: of the probabilities that actions are drawn from.
    """

    def __init__(self, weights: Path, temperature: float) -> None:
        from reverie.cloning.agents import ClonedAgents, load_clone

        self.clone = load_clone(weights)
        self.agents, self.side = ClonedAgents(self.clone, 1, temperature), self.clone.frame_shape[0]
        self.act(np.zeros((self.side, self.side, 3), np.uint8))  # compiles

    def begin(self, seed: int) -> "Cloned":
        """Forget the game before."""
        self.agents.begin(0, seed)
        return self

    def act(self, picture: np.ndarray) -> set[str]:
        """Return the keys to hold."""
        return held(self.agents.act(see(picture, self.side)[None])[0])

    def commonest(self) -> set[str]:
        """Return the keys that were held most often in what it imitates."""
        label = np.argmax(self.clone.header.notes["counts"])
        return held(self.clone.classes.actions(np.array([label]))[0])


def held(action: np.ndarray) -> set[str]:
    """Return the keys that a recorded action holds."""
    return {key for key, down in zip(KEYS, action) if down}


def players(args: argparse.Namespace) -> dict[str, Callable[[int], Player]]:
    """Return what makes each player for the seed of a game."""
    clones = {str(path): Cloned(path, args.temperature) for path in args.clones}
    makers = {"demonstrator": lambda seed: DEMONSTRATORS[GAME]()}
    makers |= {path: clone.begin for path, clone in clones.items()}
    makers["random keys"] = lambda seed: RandomKeys(KEYS, seed)
    if clones:
        commonest = next(iter(clones.values())).commonest()
        makers["always the commonest"] = lambda seed: Always(commonest)
    return makers


def score(args: argparse.Namespace) -> None:
    """Score all players on the same seeds, and print the table."""
    makers, scored = players(args), {}
    for name, make in makers.items():
        with game_window(GAME, SECONDS, FIRST) as window:
            seeds = range(FIRST, FIRST + args.games)
            rows = [play_games(window, make(seed), 1, recorded=False)[0] for seed in seeds]
        scored[name] = summary(np.array([row["score"] for row in rows]))
        scored[name]["missed"] = sum(r["missed"] for r in rows) / sum(r["ticks"] for r in rows)
    best = scored["demonstrator"]["mean"]
    shown = [
        {
            "player": name,
            "aliens": f"{row['mean']:.1f} ± {row['std']:.1f}",
            "95 % of the mean": row["interval"],
            "of the demonstrator": row["mean"] / best if best else None,
            "games": row["episodes"],
            "ticks missed, %": 100 * row["missed"],
        }
        for name, row in scored.items()
    ]
    print(markdown(shown))


def film(args: argparse.Namespace) -> None:
    """Film the last recorded episode beside a dream that goes on from its first second."""
    from reverie.dreams.dream import Dream
    from reverie.dreams.options import DreamOptions
    from reverie.latents.encoding import decode
    from reverie.latents.storage import Latents
    from reverie.training.weights import load_network

    vae = load_network(args.folder / "vae" / VAE_WEIGHTS, "VAE")
    rnn = load_network(args.folder / "rnn" / RNN_WEIGHTS, "MDNRNN")
    latents = Latents(args.folder / "vae" / LATENTS)
    paths = find_batches(args.folder / "64", "screen")
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
    save_film(output, films, FPS, scale=4)
    save_strip(output.with_suffix(".png"), films)
    print(f"film in {output}, strip beside it")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("score", "film"))
    parser.add_argument("--folder", type=Path, default=Path(GAME), help="of what is filmed")
    who = "clone.h5 of stage 7, one or more; the commonest action is that of the first"
    parser.add_argument("--clones", type=flags.artifact, nargs="+", default=[], help=who)
    parser.add_argument("--games", type=flags.int_from(2), default=20, help="of each player")
    parser.add_argument("--temperature", type=flags.non_negative_float, default=1.0)
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run one of the commands."""
    args = parse_args(argv)
    start_backend()
    if args.command == "film":
        return film(args)
    with contextlib.ExitStack() as stack:
        if "DISPLAY" not in os.environ:
            os.environ["DISPLAY"] = stack.enter_context(x_server())
        score(args)


if __name__ == "__main__":
    sys.exit(main())
