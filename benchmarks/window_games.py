"""Games that nobody here wrote, in a window, one after the other, with their scores in a file.

    python -m benchmarks.window_games aliens --seconds 60 --scores scores.jsonl

`aliens` is an example of pygame-ce; `pong` is Atari's in the window of `gymnasium.utils.play`. Each
game begins when Return is pressed and ends by its own rules or when the time is up. The window
stays and shows the last picture. A line of JSON a game says its number, seed, score and seconds.
Escape, or closing the window, ends it between two games.
"""

import argparse
import json
import random
import time
from pathlib import Path
from unittest.mock import patch

import ale_py
import gymnasium
import pygame
from gymnasium.utils.play import play
from pygame.examples import aliens


class Aliens:
    """Shoot the aliens, dodge their bombs; an alien that is hit scores 1, a bomb ends the game."""

    title = "Pygame Aliens"
    keys = ("left", "right", "space")
    size = aliens.SCREENRECT.size

    def play(self, seed: int) -> float:
        """Play one game; return its score."""
        aliens.SCORE = 0
        random.seed(seed)
        aliens.main()
        return aliens.SCORE


class Pong:
    """Atari's Pong at its own speed, two of its frames a step; points won less points lost."""

    title = "Pong"
    keys = ("w", "s")
    zoom = 3
    size = 160 * zoom, 210 * zoom

    def __init__(self) -> None:
        gymnasium.register_envs(ale_py)
        rules = {"frameskip": 2, "repeat_action_probability": 0.0}
        self._env = gymnasium.make("ALE/Pong-v5", render_mode="rgb_array", **rules)

    def play(self, seed: int) -> float:
        """Play one game; return its score."""
        rewards = []

        def note(*step: object) -> None:
            rewards.append(step[3])
            if step[4]:
                pygame.event.post(pygame.event.Event(pygame.QUIT))

        actions = {"w": 2, "s": 3}
        play(self._env, fps=30, zoom=self.zoom, callback=note, keys_to_action=actions, seed=seed)
        return float(sum(rewards))


GAMES = {"aliens": Aliens, "pong": Pong}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("game", choices=GAMES)
    parser.add_argument("--seconds", type=int, default=60, help="of a game, at most")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first game, the next one's is 1 more"
    )
    parser.add_argument("--scores", type=Path, default=Path("scores.jsonl"))
    return parser.parse_args(argv)


def wait_for_return() -> bool:
    """Wait until Return is pressed; return whether to go on."""
    while True:
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                return False
            if event.type == pygame.KEYDOWN and event.key in (pygame.K_RETURN, pygame.K_ESCAPE):
                return event.key == pygame.K_RETURN
        pygame.time.wait(10)


def main(argv: list[str] | None = None) -> None:
    """Play until the window is closed."""
    args = parse_args(argv)
    game = GAMES[args.game]()
    pygame.init()
    surface = pygame.display.set_mode(game.size)  # the one window of all games
    pygame.display.set_caption(game.title)
    pygame.display.flip()
    print("shown", flush=True)
    seed = args.seed
    while wait_for_return():
        began = time.monotonic()
        pygame.time.set_timer(pygame.QUIT, 1000 * args.seconds, loops=1)
        with patch("pygame.quit"), patch("pygame.display.set_mode", lambda *_: surface):
            score = game.play(seed)
        pygame.time.set_timer(pygame.QUIT, 0)
        pygame.event.clear()
        row = {"game": seed - args.seed, "seed": seed, "score": score}
        with open(args.scores, "a") as file:
            file.write(json.dumps(row | {"seconds": time.monotonic() - began}) + "\n")
        seed += 1


if __name__ == "__main__":
    main()
