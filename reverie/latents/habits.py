"""Which policies that do not look the data hold: what share of the episodes was played like each.

A dream is right at best about what its data show. Whether they show a policy is decided from the
actions, not from the name of who played: an episode is like a policy if, over all of its steps, it
shares them out among actions in the same way and changes its action as often.

Axes: E episodes, T steps, A numbers in the code of an action, S sorts of each number.
"""

from collections.abc import Sequence

import numpy as np

from reverie.latents.storage import Latents
from reverie.rollouts.policies import open_loop_codes

SORTS = 3  # of a number that the game takes as it is
DRAWS = 20  # episodes of each policy
ALIKE = 0.1  # largest difference between the shares of actions, as a total variation
PACE = 1.5  # largest ratio between the shares of steps in which the action changes
RARELY = 0.01  # added to these shares, so that one change more or less makes no difference
HELD = 0.01  # share of the episodes from which on the data hold a policy


def shares_of_episodes(latents: Latents, episodes: list[int], policies: Sequence[str]) -> dict:
    """Return the share of recorded episodes that are like each policy, a mean over its draws.

    Args:
        latents: the recording.
        episodes: numbers of those to look at.
        policies: names of policies that do not look.
    """
    sorts = latents.header.action_space.get("levels", 0) or SORTS
    recorded = [_sorted(latents.code.encode(_actions(latents, e)), sorts) for e in episodes]
    lengths = np.array([len(episode) for episode in recorded])
    seen = np.stack([_habits(episode, sorts)[-1] for episode in recorded])
    shares = {}
    for policy in policies:
        codes = open_loop_codes(policy, list(range(DRAWS)), int(lengths.max()), latents.code)
        found = []
        for episode in codes:
            habits = _habits(_sorted(episode, sorts), sorts)[lengths - 1]
            found.append(_alike(habits, seen, sorts).mean())
        shares[policy] = float(np.mean(found))
    return shares


def _actions(latents: Latents, episode: int) -> np.ndarray:
    start, stop = latents.step_starts[episode : episode + 2]
    return latents.arrays["actions"][start:stop]


def _sorted(codes: np.ndarray, sorts: int) -> np.ndarray:
    """Sort the numbers of codes `(T, A)` into equal parts of [-1, 1]."""
    return np.clip((codes + 1.0) / 2.0 * sorts, 0, sorts - 1).astype(int)


def _habits(actions: np.ndarray, sorts: int) -> np.ndarray:
    """Describe what was done up to each step.

    Returns:
        The share of steps in which each number was of each sort, and last the share in which any of
        them changed: `(T, A * S + 1)`.
    """
    steps = np.arange(1, len(actions) + 1)[:, None]
    which = actions[..., None] == np.arange(sorts)
    changed = (np.diff(actions, axis=0, prepend=actions[:1]) != 0).any(axis=1)
    counted = np.concatenate([which.reshape(len(actions), -1), changed[:, None]], axis=1)
    return np.cumsum(counted, axis=0) / steps


def _alike(ours: np.ndarray, theirs: np.ndarray, sorts: int) -> np.ndarray:
    """Tell which of E pairs of descriptions are alike: `(E,)` bool."""
    apart = np.abs(ours[:, :-1] - theirs[:, :-1]).reshape(len(ours), -1, sorts).sum(-1) / 2.0
    pace = np.abs(np.log((ours[:, -1] + RARELY) / (theirs[:, -1] + RARELY)))
    return (apart.max(axis=1) <= ALIKE) & (pace <= np.log(PACE))
