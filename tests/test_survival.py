"""Open-loop policies in dream and game: how long episodes last, compared policy by policy."""

from types import SimpleNamespace

import gymnasium
import pytest

from reverie.controllers.evaluation import SURVIVAL_EPISODES, compare_survival, dream_open_loop
from reverie.controllers.search import check_dream
from reverie.dreams.dream import Dream
from reverie.dreams.options import DreamOptions
from reverie.games.actions import ActionCode
from reverie.rollouts.policies import OPEN_LOOP

SEEDS = list(range(50))
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
    survival = compare_survival(game, dream, SEEDS)
    assert list(survival) == list(OPEN_LOOP)
    assert game.seen == [(policy, SURVIVAL_EPISODES) for policy in OPEN_LOOP]
    for row in survival.values():
        assert row["ratio"] == 1.0
        assert row["dream"] == row["game"]
        assert row["dream"]["episodes"] == SURVIVAL_EPISODES
        assert 1 < row["dream"]["mean"] < 60
        assert row["dream_return"] == row["game_return"]


@pytest.mark.parametrize(("factor", "warned"), [(1, False), (3, True)])
def test_a_dream_far_from_the_game_is_warned_of(dream, capsys, factor, warned):
    game = DreamAsGame(dream, factor)
    search = SimpleNamespace(evaluator=game, dream=dream, seeds=lambda purpose: SEEDS)
    survival = check_dream(search)
    assert [row["ratio"] for row in survival.values()] == pytest.approx(
        [1 / factor] * len(OPEN_LOOP)
    )
    out = capsys.readouterr().out
    assert ("this dream is far from the game" in out) == warned
    for policy, row in survival.items():
        line = next(text for text in out.splitlines() if text.startswith(policy))
        assert float(line.split()[3]) == pytest.approx(row["ratio"], abs=0.005)
