"""A scripted player of Crafter that meets what is worth collecting, most of all trees."""

from collections import deque

import numpy as np

from reverie.games.crafter import COLUMNS, ITEMS, ROWS, SEMANTIC, constants

ACTION = {name: number for number, name in enumerate(constants.actions)}
MOVES = {(-1, 0): "move_left", (1, 0): "move_right", (0, -1): "move_up", (0, 1): "move_down"}
WALKABLE = {SEMANTIC[name] for name in constants.walkable}
CENTER = (COLUMNS // 2, ROWS // 2)  # where the player stands in view
ERRANDS = {"tree": 0.6, "water": 0.1, "cow": 0.1, "stone": 0.1, "grass": 0.1}
ERRAND, HEADING = 60, 20  # steps that either lasts on average
ASTRAY = 0.05  # share of random actions, which bring it to places that a plan never sees
TOOLS = {"wood_pickaxe": 1, "wood_sword": 1}  # and their price in wood
TABLE = 2


class Gatherer:
    """Plays an episode by the truth that the game tells beside its frames.

    It has an errand, a tree in three of five cases, and a new one after some 60 steps: it walks to
    the nearest such thing in view and collects it (of grass, saplings; of cows, food), and where
    there is none it explores. What attacks it is hit back, and the first wood becomes a table, a
    pickaxe and a sword, without which there is no stone. The sun sets on it as on everyone.

    Args:
        rng: decides errands, headings and slips.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.errand, self.heading, self.position = "tree", (1, 0), None

    def act(self, info: dict[str, np.ndarray]) -> int:
        """Return the action that follows on the `info` of a frame."""
        self._change_mind(info["player_position"])
        if self.rng.random() < ASTRAY:
            return int(self.rng.integers(ACTION["noop"], ACTION["do"] + 1))
        name = self._craft(info) or self._collect(info) or MOVES[self.heading]
        return ACTION[name]

    def _change_mind(self, position: np.ndarray) -> None:
        """Draw a new errand now and then, and a new heading where the way is blocked."""
        if self.rng.random() < 1 / ERRAND:
            self.errand = str(self.rng.choice(list(ERRANDS), p=list(ERRANDS.values())))
        blocked = self.position is not None and (position == self.position).all()
        if self.rng.random() < (0.5 if blocked else 1 / HEADING):
            self.heading = list(MOVES)[self.rng.integers(len(MOVES))]
        self.position = position

    def _craft(self, info: dict[str, np.ndarray]) -> str | None:
        """Return what makes the next tool, if there is wood for it."""
        owned = dict(zip(ITEMS, info["inventory"]))
        missing = [tool for tool in TOOLS if not owned[tool]]
        if not missing or owned["wood"] < TOOLS[missing[0]]:
            return None
        x, y = CENTER
        near = info["semantic"][y - 1 : y + 2, x - 1 : x + 2]
        if (near == SEMANTIC["table"]).any():
            return f"make_{missing[0]}"
        price = TABLE + sum(TOOLS[tool] for tool in missing)
        return "place_table" if owned["wood"] >= price and self._faced(info) in WALKABLE else None

    def _collect(self, info: dict[str, np.ndarray]) -> str | None:
        """Return the next step to the nearest target, or the grip when it is in front."""
        if self.errand == "grass" and self._faced(info) == SEMANTIC["grass"]:
            return "do"
        semantic = info["semantic"]
        step = _first_step(semantic, SEMANTIC["zombie"], reach=1)
        if step is None and self.errand != "grass":
            step = _first_step(semantic, SEMANTIC[self.errand], reach=ROWS * COLUMNS)
        if step is None:
            return None
        x, y = CENTER[0] + step[0], CENTER[1] + step[1]
        faced = step == tuple(info["facing"]) and semantic[y, x] not in WALKABLE
        return "do" if faced else MOVES[step]

    def _faced(self, info: dict[str, np.ndarray]) -> int:
        x, y = np.add(CENTER, info["facing"])
        return int(info["semantic"][y, x])


def _first_step(semantic: np.ndarray, target: int, reach: int) -> tuple[int, int] | None:
    """Return the first step of the shortest way to a cell that holds `target`, if there is one."""
    waiting = deque([(CENTER, None, 0)])
    seen = {CENTER}
    while waiting:
        (x, y), first, length = waiting.popleft()
        if length == reach:
            continue
        for step in MOVES:
            cell = x + step[0], y + step[1]
            if cell in seen or not (0 <= cell[0] < COLUMNS and 0 <= cell[1] < ROWS):
                continue
            seen.add(cell)
            kind = semantic[cell[1], cell[0]]
            if kind == target:
                return first or step
            if kind in WALKABLE:
                waiting.append((cell, first or step, length + 1))
    return None
