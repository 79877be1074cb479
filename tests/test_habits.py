"""Which policies that do not look the data hold, decided from recorded actions."""

import numpy as np
import pytest
from helpers import write_latents

from reverie.latents.habits import HELD, shares_of_episodes
from reverie.latents.storage import Latents
from reverie.rollouts.policies import HABITS, open_loop_actions

LENGTHS = [100, 150, 120, 260, 90, 200]


def recorded(path, policies):
    """Write latents of episodes that these policies have played; return them."""
    write_latents(path, LENGTHS)
    code = Latents(path).code
    actions = [
        open_loop_actions(policy, 50 + number, length, code.space)
        for number, (policy, length) in enumerate(zip(policies, LENGTHS))
    ]
    write_latents(path, LENGTHS, actions=np.concatenate(actions))
    return Latents(path)


@pytest.mark.parametrize("policy", ["constant", "turning_40", "turning_120", "fresh_random"])
def test_data_hold_who_has_played_them(tmp_path, policy):
    latents = recorded(tmp_path / "latents.npz", [policy] * len(LENGTHS))
    shares = shares_of_episodes(latents, list(range(len(LENGTHS))), HABITS)
    assert list(shares) == list(HABITS)
    assert shares[policy] > 0.4  # the side is drawn: half of the draws begin with the other one
    others = {"constant", "turning_40", "turning_120", "fresh_random"} - {policy}
    assert max(shares[name] for name in others) < HELD


def test_a_share_is_that_of_the_episodes_asked_for(tmp_path):
    latents = recorded(tmp_path / "latents.npz", ["constant", "turning_40"] * 3)
    for episodes, share in (([0, 2, 4], 1.0), ([1, 3, 5], 0.0), ([0, 1], 0.5), (range(6), 0.5)):
        assert shares_of_episodes(latents, list(episodes), ["constant"])["constant"] == share
