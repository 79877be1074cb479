"""CarRacing drawn by us against gymnasium's own drawing, resets included."""

import numpy as np

from benchmarks.rows import Row, alternate, compare, seconds
from benchmarks.workplace import Workplace
from reverie.games import make_game

STEPS = 1000


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
