"""Does the dream rank players as the game does, and how optimistic is it of each?"""

from pathlib import Path
from typing import Any

import numpy as np

from reverie.artifacts import read_json
from reverie.reports.page import MEND
from reverie.runs import SCORES

RESAMPLES = 1000
FEWEST = 4  # players, to be ranked


def players(folders: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Return who was played in dream and game by stage 5: policies that do not look, controllers.

    Returns:
        Of each its `name`, whether it is a `controller`, and its mean `dream` and `game` returns.
    """
    rows: dict[str, dict] = {}
    for folder in folders:
        result = read_json(folder / SCORES, MEND, "scores")
        for name, row in result.get("survival", {}).items():
            rows.setdefault(name, _entry(name, row["dream_return"], row["game_return"]))
        name, scores = f"controller in {folder}", result["scores"]
        mean = (scores[place]["mean"] for place in ("dream", "game"))
        rows[str(folder)] = _entry(name, *mean, controller=True)
    return list(rows.values())


def surveyed(survival: dict[str, dict]) -> list[dict[str, Any]]:
    """Return players of a survey, see `reverie.controllers.survival`."""
    return [_entry(name, row["dream_return"], row["game_return"]) for name, row in survival.items()]


def _entry(name: str, dream: float, game: float, controller: bool = False) -> dict[str, Any]:
    """Return a player; without an optimism where the game gives nothing or less."""
    optimism = dream / game if game > 0 else None
    return {
        "name": name,
        "controller": controller,
        "dream": dream,
        "game": game,
        "optimism": optimism,
    }


def ranking(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rank players by dream and by game.

    Returns:
        `players`, and `spearman`, the rank correlation with its 95 % bootstrap interval over
        players; None where there are too few.
    """
    dream, game = (np.array([row[place] for row in rows], float) for place in ("dream", "game"))
    if len(rows) < FEWEST or np.ptp(dream) == 0 or np.ptp(game) == 0:
        return {"players": rows, "spearman": None}
    rng, found = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(rows), size=len(rows))
        found.append(spearman(dream[drawn], game[drawn]))
    interval = np.nanpercentile(found, [2.5, 97.5]).tolist()
    return {
        "players": rows,
        "spearman": {"value": spearman(dream, game), "interval": interval},
    }


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation, equal values with the mean of their ranks."""
    ranks = [_ranks(values) for values in (one, other)]
    if min(map(np.ptp, ranks)) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, None] > values).sum(axis=1)
    return below + ((values[:, None] == values).sum(axis=1) - 1) / 2
