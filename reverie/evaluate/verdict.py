"""One line that says whether a dream can be trusted for training, and why not.

Every test is necessary; together they are not known to be sufficient.
"""

from collections.abc import Iterator
from typing import Any

from reverie.dreams.free_running import far_from_game

OPTIMISM = 1.5  # the dream may promise a controller so many times its return in the game
HABITS = 2.0  # and to policies that do not look their lengths, or so many times less
CORRELATION = 0.7  # of ranks, at least


def verdict(result: dict[str, Any]) -> dict[str, Any]:
    """Return whether a dream can be `trusted` (None: not known), `against`, `unknown`, `line`."""
    against, unknown = list(_against(result)), list(_unknown(result))
    if against:
        trusted, line = False, f"this dream cannot be trusted for training: {'; '.join(against)}"
    elif unknown:
        trusted, line = None, "nothing speaks against this dream, but not all of it was tested"
    else:
        trusted, line = True, "this dream passes every test; what counts is the score in the game"
    if unknown:
        line += f" (not known: {', '.join(unknown)})"
    return {"trusted": trusted, "against": against, "unknown": unknown, "line": line}


def _against(result: dict[str, Any]) -> Iterator[str]:
    """Yield what speaks against the dream, the gravest first."""
    for row in result["ranking"]["players"]:
        optimism = row["optimism"]
        if row["controller"] and optimism is not None and optimism > OPTIMISM:
            yield f"it promises the {row['name']} {optimism:.1f} times what it gets in the game"
    for name, compared in result["free_running"].items():
        if far := far_from_game(compared):
            yield f"dreams {NAMES[name]} {far}"
    apart = [
        f"{row['name']} {row['ratio']:.1f} times"
        for row in result["habits"]
        if not 1 / HABITS < row["ratio"] < HABITS
    ]
    if apart:
        yield f"policies that do not look live too long or too short: {', '.join(apart)}"
    correlation = result["ranking"]["spearman"]
    if correlation and correlation["value"] < CORRELATION:
        yield f"it ranks players otherwise than the game (Spearman {correlation['value']:.2f})"
    yield from _poor_predictions(result)


def _poor_predictions(result: dict[str, Any]) -> Iterator[str]:
    share = result["picks"]["share"]
    if share and share["interval"][0] <= result["picks"]["chance"]:
        yield "it does not tell the played actions from others"
    if result["one_step"]["shuffled_costs"]["interval"][0] <= 0:
        yield "shuffled actions cost its predictions nothing"
    nats = result["one_step"]["nats"]
    if nats["mixture"]["value"] >= nats["next latent = this latent"]["value"]:
        yield "it predicts no better than that nothing changes"


NAMES = {
    "held_out": "along the actions of held-out episodes",
    "recorded_actions": "along the controller's actions",
    "controller": "in which the controller acts",
}


def _unknown(result: dict[str, Any]) -> Iterator[str]:
    """Yield what was not tested."""
    if not any(row["controller"] for row in result["ranking"]["players"]):
        yield "controllers"
    if "controller" not in result["free_running"]:
        yield "dreams in which a controller acts"
    if not result["habits"]:
        yield "policies that do not look"
    if result["unseen"] is None:
        yield "whether training has seen these episodes"
