"""What has been played: one moment after the other, kept so that it can be looked at again."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class GameMoment:
    """The game at a moment.

    Attributes:
        picture: the frame as PNG.
        reward: of the step that led here.
        over: whether the episode is.
        state: what an agent knows, see `Dreamer.follow`; None without a dreamer.
    """

    picture: bytes
    reward: float = 0.0
    over: bool = False
    state: dict | None = None


@dataclass(frozen=True)
class DreamMoment:
    """The dream at a moment.

    Attributes:
        picture: the decoded frame as PNG.
        state: from which it goes on.
        reward: predicted for the step that led here.
        end: predicted probability that the episode ends here.
        over: whether it did.
        weights: of the mixture `(K,)`; None at the beginning.
        component: the chosen one, see `Dreamt`.
        seen: what the detector sees.
    """

    picture: bytes
    state: dict
    reward: float = 0.0
    end: float = 0.0
    over: bool = False
    weights: np.ndarray | None = None
    component: int | None = None
    seen: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """One moment of game and dream; a side that is over stays as it is.

    Attributes:
        action: that led here, as the game takes it; None at the beginning.
        by: who chose it.
        game: None where only the dream is played.
        dream: None where only the game is played.
        seconds: that the step took.
    """

    action: Any = None
    by: str = ""
    game: GameMoment | None = None
    dream: DreamMoment | None = None
    seconds: float = 0.0

    def row(self, before: "Moment | None") -> dict:
        """Return what the page plots of it, as JSON knows it; a side that stood still has nothing.

        Args:
            before: the moment before, None for the first.
        """
        action = [] if self.action is None else np.round(np.ravel(self.action), 3).tolist()
        row: dict[str, Any] = {"action": action, "by": self.by, "ms": _short(1000 * self.seconds)}
        if self.game and (before is None or before.game is not self.game):
            row["game"] = {"reward": _short(self.game.reward), "over": self.game.over}
        if self.dream and (before is None or before.dream is not self.dream):
            dream = self.dream
            row["dream"] = {
                "reward": _short(dream.reward),
                "end": _short(dream.end),
                "over": dream.over,
                "weights": [] if dream.weights is None else dream.weights.round(4).tolist(),
                "component": dream.component,
                "seen": dream.seen,
            }
        return row


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def encode_picture(frame: np.ndarray) -> bytes:
    """Encode a frame `(rows, columns, 3)` uint8 as PNG, which loses nothing."""
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def decode_picture(picture: bytes) -> np.ndarray:
    """Return the frame `(rows, columns, 3)` uint8 of a PNG."""
    bgr = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
