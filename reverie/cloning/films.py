"""Films of clones at play: what they saw and how likely each action was."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from reverie.cloning.agents import Clone, ClonedAgents
from reverie.cloning.scoring import play
from reverie.reports.films import save_film
from reverie.rollouts.workers import GameWorkers

SIDE = 128  # pixels of a panel, at least
MOST = 12  # bars of a panel


def probability_panel(
    probabilities: np.ndarray, chosen: int, names: Sequence[str], side: int
) -> np.ndarray:
    """Paint the likeliest classes of one step as bars `(side, side, 3)`; the chosen one is green.

    Args:
        probabilities: of the classes, `(C,)`.
        chosen: the class that was played, -1 where a person played.
        names: of the classes.
        side: pixels.
    """
    panel = np.zeros((side, side, 3), np.uint8)
    shown = np.sort(np.argsort(-probabilities, kind="stable")[:MOST])
    height = side // max(len(shown), 4)
    for row, number in enumerate(shown):
        top, width = row * height, round(float(probabilities[number]) * (side - 2))
        color = (60, 170, 60) if number == chosen else (90, 90, 90)
        panel[top + 1 : top + height - 1, 1 : 1 + width] = color
        place = (2, top + height // 2 + 3)
        text = f"{names[number]} {100 * probabilities[number]:.0f}"
        cv2.putText(panel, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.3, (255,) * 3, 1)
    return panel


class Footage:
    """Frames, and the probabilities of the actions that followed them.

    Args:
        names: of the classes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.frames = names, []
        self.probabilities, self.chosen = [], []

    def add(self, frame: np.ndarray, probabilities: np.ndarray, chosen: int) -> None:
        """Keep a step."""
        self.frames.append(frame.copy())
        self.probabilities.append(probabilities.copy())
        self.chosen.append(int(chosen))

    def save(self, path: Path, fps: int) -> None:
        """Write what was played as an MP4, the probabilities beside it."""
        scale = max(SIDE // self.frames[0].shape[0], 1)
        frames = np.stack(self.frames).repeat(scale, axis=1).repeat(scale, axis=2)
        steps = zip(self.probabilities, self.chosen)
        panels = [probability_panel(p, c, self.names, frames.shape[1]) for p, c in steps]
        save_film(path, {"game": frames, "actions, %": np.stack(panels)}, fps, scale=2)


def film_episode(
    path: Path,
    clone: Clone,
    workers: GameWorkers,
    *,
    seed: int,
    temperature: float,
    fps: int,
    longest: int,
) -> float:
    """Film an episode of a clone in its game; return the episode's return.

    Args:
        path: of the film, an MP4.
        clone: the player.
        workers: one worker with the game.
        seed: of the episode.
        temperature: see `ClonedAgents`.
        fps: frames a second.
        longest: steps, at most.
    """
    footage = Footage(clone.classes.names)
    agents = FilmedAgents(clone, temperature, footage)
    total = next(play(workers, agents, [(seed, None)], longest))[2]
    footage.save(path, fps)
    return total


class FilmedAgents(ClonedAgents):
    """One agent whose steps are kept.

    Args:
        clone: what chooses.
        temperature: see `ClonedAgents`.
        footage: where they are kept.
    """

    def __init__(self, clone: Clone, temperature: float, footage: Footage) -> None:
        super().__init__(clone, 1, temperature)
        self._footage = footage

    def begin(self, agent: int, seed: int) -> None:
        """Start an episode; one that is played again is filmed anew."""
        super().begin(agent, seed)
        self._footage.__init__(self._footage.names)

    def act(self, frames: np.ndarray) -> np.ndarray:
        """Act, and keep the step."""
        actions = super().act(frames)
        self._footage.add(frames[0], self.probabilities[0], self.previous[0])
        return actions
