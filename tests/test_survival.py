"""Open-loop policies in dream and game: how long episodes last, compared policy by policy."""

from types import SimpleNamespace

import gymnasium
import pytest

from reverie.controllers.results import check_dream
from reverie.controllers.survival import (
    SURVIVAL_EPISODES,
    best_blind,
    compare_survival,
    dream_open_loop,
)
from reverie.dreams.dream import Dream
from reverie.dreams.options import DreamOptions
from reverie.games.actions import ActionCode
from reverie.rollouts.policies import SURVEYED

SEEDS = list(range(50))
SHARES = dict(zip(SURVEYED, (0.2, 0.0, 0.01, None, 0.009)))
CODE = ActionCode.from_space(gymnasium.spaces.Box(-1.0, 1.0, (1,)))


@pytest.fixture(scope="module")
def dream(dreamer, first_frames):
    return Dream(dreamer, *first_frames, DreamOptions(temperature=1.0, time_steps=60))


class DreamAsGame:
    """Stands for the real game: episodes of the dream itself, so many times as long."""

    def __init__(self, dream, factor):
        self.dream, self.factor = dream, factor
        self.agents = SimpleNamespace(controller=SimpleNamespace(code=CODE))
        self.seen = []

    def open_loop(self, policy, seeds):
        self.seen.append((policy, len(seeds)))
        returns, lengths = dream_open_loop(self.dream, CODE, policy, seeds)
        return returns, lengths * self.factor


def test_a_dream_is_like_itself(dream):
    game = DreamAsGame(dream, 1)
    survival = compare_survival(game, dream, SEEDS, SHARES)
    assert list(survival) == list(SURVEYED)
    assert game.seen == [(policy, SURVIVAL_EPISODES) for policy in SURVEYED]
    assert [row["in_data"] for row in survival.values()] == [True, False, True, None, False]
    for row in survival.values():
        assert row["ratio"] == 1.0
        assert row["dream"] == row["game"]
        assert row["dream"]["episodes"] == SURVIVAL_EPISODES
        assert 1 < row["dream"]["mean"] < 60
        assert row["dream_return"] == row["game_return"]


@pytest.mark.parametrize(("factor", "warned"), [(1, False), (3, True)])
def test_a_dream_far_from_the_game_is_warned_of(dream, capsys, factor, warned):
    game = DreamAsGame(dream, factor)
    search = SimpleNamespace(
        evaluator=game, dream=dream, seeds=lambda purpose: SEEDS, habits=lambda: SHARES
    )
    survival = check_dream(search)
    assert [row["ratio"] for row in survival.values()] == pytest.approx(
        [1 / factor] * len(SURVEYED)
    )
    out = capsys.readouterr().out
    assert ("this dream is far from the game" in out) == warned
    for policy, row in survival.items():
        line = next(text for text in out.splitlines() if text.startswith(policy))
        assert float(line.split()[3]) == pytest.approx(row["ratio"], abs=0.005)
    order = [line.split()[0] for line in out.splitlines()[1:] if not line.startswith("warning")]
    assert order == [
        *("in", "held_random", "brownian"),
        *("not", "wandering", "constant"),
        *("not", "fresh_random"),
    ]
    if warned:
        assert "wandering, constant (not in the data)" in out


def test_the_best_blind_habit_is_the_one_with_the_highest_return_in_the_game():
    assert best_blind({}) is None
    returns = {"constant": 3.0, "one_action": 5.0, "turning_80": -1.0}
    assert (
        best_blind({name: {"game_return": value} for name, value in returns.items()})
        == "one_action"
    )
