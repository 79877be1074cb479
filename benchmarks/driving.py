"""CarRacing drawn by us against gymnasium's own drawing, resets included.

# the two beside each other, as a picture: ours, gymnasium's, and four times the difference
python -m benchmarks.driving docs/carracing.png
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, alternate, compare, seconds
from benchmarks.workplace import Workplace
from reverie.games import make_game
from reverie.reports.plots import save_picture, tile

STEPS = 1000
TRACKS = (0, 1, 2)  # seeds of those in the picture
SHOWN = (0, 5, 10, 20, 40, 60, 90, 120)  # steps


def measure(place: Workplace) -> list[Row]:
    """Measure steps a second of one process; gymnasium's drives are shorter and scaled up."""
    steps = place.size(STEPS, 60)
    games = {name: make_game("carracing", renderer=name) for name in ("fast", "gymnasium")}

    def rate(name: str, count: int, index: int) -> float:
        game = games[name]
        start = seconds(lambda: game.reset(seed=index))
        rng = np.random.default_rng(index)
        actions = np.clip(rng.normal((0, 0.3, -1), (0.4, 0.2, 0.1), (count, 3)), -1, 1)
        played = seconds(lambda: [game.step(action) for action in actions.astype(np.float32)])
        return steps / (start + played * steps / count)

    ours, reference = alternate(
        place.size(5, 1),
        lambda index: rate("fast", steps, index),
        lambda index: rate("gymnasium", steps // 5, index),
    )
    note = "gymnasium's drawing, the same physics; goal 8"
    return [compare("CarRacing, one process", ours, reference, "steps/s", note)]


def save_comparison(path: Path) -> None:
    """Drive the same on three tracks in both, and write the frames under each other."""
    rows = []
    for track in TRACKS:
        films = []
        for renderer in ("fast", "gymnasium"):
            game = make_game("carracing", renderer=renderer)
            rng, frames = np.random.default_rng(track), [game.reset(seed=track)[0]]
            for _ in range(SHOWN[-1]):
                action = np.clip(rng.normal((0.1, 0.2, -1), (0.4, 0.2, 0.1)), -1, 1)
                frames.append(game.step(action.astype(np.float32))[0])
            films.append(np.stack(frames)[list(SHOWN)])
        difference = np.abs(films[0].astype(int) - films[1])
        rows += [*films, np.minimum(4 * difference, 255).astype(np.uint8)]
    save_picture(path, tile(rows))


if __name__ == "__main__":
    save_comparison(Path(sys.argv[1]))
