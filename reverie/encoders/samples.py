"""Frames of rollouts with the truth of what they show, from levels that are seen or held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reverie.artifacts import InputError
from reverie.games.game import Game
from reverie.headers import RolloutsHeader, open_header
from reverie.rollouts.frames import split_rollouts
from reverie.rollouts.storage import iterate_episodes, recorded_game

PLAIN = "use_backgrounds"  # an option of games; without them what shows nothing is black


@dataclass(frozen=True)
class Samples:
    """N frames and their truth.

    Attributes:
        game: whose they are.
        frames: `(N, rows, columns, 3)` uint8.
        episodes: number of the episode of each, `(N,)`.
        masks: `(N, rows, columns)` uint8, bits of the game's objects.
        areas: pixels of each kind of object in view, `(N, K)` float32.
        player: where the player is, `(N, P)` float32; P is 0 where that is not known.
    """

    game: type[Game]
    frames: np.ndarray
    episodes: np.ndarray
    masks: np.ndarray
    areas: np.ndarray
    player: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def shown(self) -> np.ndarray:
        """Which kinds of objects are in view: `(N, K)` bool."""
        return self.areas >= self.game.visible

    @property
    def clear(self) -> np.ndarray:
        """Where it is beyond doubt whether a kind is in view: not cut off by the frame's edge."""
        return self.shown | (self.areas == 0.0)

    def centers(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of the samples that show a kind, and the centre of the largest one.

        Returns:
            `(M,)` numbers and `(M, 2)` float32, row and column in pixels.
        """
        bit = list(self.game.objects.values())[kind]
        rows = np.flatnonzero(self.shown[:, kind])
        found = [_largest(self.masks[row] & bit) for row in rows]
        kept = [center is not None for center in found]
        centers = np.array([center for center in found if center is not None], np.float32)
        return rows[kept], centers.reshape(-1, 2)


def _largest(mask: np.ndarray) -> tuple[float, float] | None:
    """Return row and column of the centre of the largest connected part of a mask."""
    count, _, stats, centers = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8))
    if count < 2:
        return None
    x, y = centers[1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])]
    return y, x


def load_samples(paths: Sequence[Path], count: int) -> tuple[Samples, Samples]:
    """Return frames of the levels that trainings see, and of those that are held out.

    Args:
        paths: checked rollouts.
        count: frames of each, at most, evenly spread.

    Raises:
        InputError: the rollouts hold no truth.
    """
    game = recorded_game(paths)
    header = open_header(paths[0], RolloutsHeader)
    plain = header.options.get(PLAIN) is False
    return tuple(
        _load(list(paths), set(part), count, game, header.frame_shape, plain)
        for part in split_rollouts(list(paths))
    )


def _load(
    paths: list[Path],
    chosen: set[int],
    count: int,
    game: type[Game],
    shape: tuple[int, ...],
    plain: bool,
) -> Samples:
    name, place = f"infos/{game.truth}", f"infos/{game.place}"
    total = sum(
        len(group["rewards"]) + 1
        for number, (*_, group) in enumerate(iterate_episodes(paths))
        if number in chosen
    )
    stride = max(1, -(-total // count))
    frames, truth, episodes, player, passed = [], [], [], [], 0
    for number, (path, _, group) in enumerate(iterate_episodes(paths)):
        if number not in chosen:
            continue
        if not game.objects or name not in group:
            raise InputError(
                f"{path}: holds no truth of what is in view; evaluate on rollouts of a game that "
                "says it, see docs/encoders.md"
            )
        first = -passed % stride
        passed += len(group["rewards"]) + 1
        rows = slice(first, None, stride)
        if first > len(group["rewards"]):
            continue
        frames.append(group["observations"][rows])
        truth.append(group[name][rows])
        episodes.append(np.full(len(frames[-1]), number))
        if game.place and place in group:
            values = group[place][rows].astype(np.float32)
            player.append(values.reshape(len(values), -1))
    found = np.concatenate(truth)
    pictures = np.concatenate(frames)
    masks = game.object_masks(found, shape)
    if plain:
        masks = masks * pictures.any(axis=-1)
    return Samples(
        game=game,
        frames=pictures,
        episodes=np.concatenate(episodes),
        masks=masks,
        areas=game.pixels_in_view(found, shape),
        player=np.concatenate(player) if player else np.zeros((len(pictures), 0), np.float32),
    )
