"""How long policies that do not look live in the dream and in the game, and how well."""

import numpy as np

from reverie.controllers.evaluation import GameEvaluator
from reverie.dreams.dream import Dream
from reverie.games.actions import ActionCode
from reverie.latents.habits import HELD
from reverie.reports.scores import summary
from reverie.rollouts.policies import open_loop_codes

SURVIVAL_EPISODES = 40  # of each policy; the mean length is then known to a tenth
TRUSTED = 2.0  # episodes may last so many times more or less long in the dream
GROUPS = {True: "in the data", False: "not in the data", None: "not known whether in the data"}


def dream_open_loop(
    dream: Dream, code: ActionCode, policy: str, seeds: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Dream along the actions of a policy that does not look; return returns and lengths."""
    return dream.along(open_loop_codes(policy, seeds, dream.options.time_steps, code), seeds[0])


def compare_survival(
    evaluator: GameEvaluator, dream: Dream, seeds: list[int], shares: dict[str, float | None]
) -> dict[str, dict]:
    """Compare how long policies that do not look live in the dream and in the game, and how well.

    Args:
        evaluator: of the game.
        dream: of it.
        seeds: of episodes.
        shares: which policies, and the share of the data that was played like each, None where
            that is not known.

    Returns:
        For each policy `dream` and `game`, summaries of lengths, their `ratio`, the mean returns
        `dream_return` and `game_return`, `data_share`, and by it `in_data`, whether the data hold
        the policy.
    """
    result, seeds = {}, seeds[:SURVIVAL_EPISODES]
    code, limit = evaluator.agents.controller.code, dream.options.time_steps
    for policy, share in shares.items():
        dreamt = dream_open_loop(dream, code, policy, seeds)
        played = evaluator.open_loop(policy, seeds)
        lengths = summary(dreamt[1], limit), summary(played[1], limit)
        result[policy] = {
            "dream": lengths[0],
            "game": lengths[1],
            "ratio": lengths[0]["mean"] / lengths[1]["mean"],
            "dream_return": float(dreamt[0].mean()),
            "game_return": float(played[0].mean()),
            "data_share": share,
            "in_data": None if share is None else share >= HELD,
        }
    return result


def best_blind(survival: dict[str, dict]) -> str | None:
    """Return the policy that does not look with the highest return in the game, if there is one."""
    return max(survival, key=lambda policy: survival[policy]["game_return"], default=None)


def describe(survival: dict[str, dict]) -> str:
    """Write the comparison as a table, policies that the data hold first, with a warning."""
    lines = ["                  mean length: dream    game   ratio   mean return: dream    game"]
    far = []
    for in_data, title in GROUPS.items():
        rows = {name: row for name, row in survival.items() if row["in_data"] is in_data}
        lines += [f"  {title}:"] if rows else []
        lines += [_line(name, row) for name, row in rows.items()]
        apart = [name for name, row in rows.items() if not 1 / TRUSTED < row["ratio"] < TRUSTED]
        far += [f"{', '.join(apart)} ({title})"] if apart else []
    if far:
        lines.append(
            f"warning: this dream is far from the game for {' and '.join(far)}; a controller "
            "evolved in it may be worthless. Record such play as well (01 --policy), train longer "
            "(04) or change --temperature"
        )
    return "\n".join(lines)


def _line(policy: str, row: dict) -> str:
    dreamt, played, share = row["dream"]["mean"], row["game"]["mean"], row["data_share"]
    seen = "" if share is None else f"   like {100 * share:.1f} % of the data"
    return (
        f"{policy:18s} {dreamt:17.0f} {played:7.0f} {row['ratio']:7.2f} "
        f"{row['dream_return']:20.1f} {row['game_return']:7.1f}{seen}"
    )
