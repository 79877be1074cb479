"""Games that nobody here wrote, played by scripts in a window and recorded through stage 1."""

import h5py
import pytest
from test_screen import display, needs_x

from benchmarks.demonstration import Always, game_window, play_games, recorder
from benchmarks.demonstrators import DEMONSTRATORS
from reverie.rollouts.storage import check_batch

assert display  # a fixture


@needs_x
@pytest.mark.parametrize("name", ["aliens", "pong"])
def test_a_demonstration_is_recorded_as_a_person_is(name, display, tmp_path):
    with game_window(name, seconds=3) as window:
        with recorder(window, tmp_path):
            rows = play_games(window, DEMONSTRATORS[name](), games=1, recorded=True)
        idle = play_games(window, Always(()), games=1, recorded=False)
    assert [row["game"] for row in rows + idle] == [0, 1]
    header = check_batch(tmp_path / "screen_0.h5", "screen")
    assert header.options["window"] == window.game.title
    with h5py.File(tmp_path / "screen_0.h5") as file:
        (episode,) = file.values()
        assert episode["actions"][:].any()
        assert episode["observations"][:].std(axis=0).any()
