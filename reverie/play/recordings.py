"""What was played, as rollouts that the stages read: one batch an episode, game and dream apart."""

import threading
from pathlib import Path

import numpy as np

from reverie.games.episode import Episode
from reverie.headers import RolloutsHeader
from reverie.locks import owned
from reverie.play.messages import Knobs
from reverie.play.setting import Setting
from reverie.play.timeline import Moment, decode_picture
from reverie.rollouts.recording import Recorder
from reverie.rollouts.storage import batch_path, merge_episodes, write_episode

writing = threading.Lock()  # sessions of a server share a folder


class Recordings:
    """Writes episodes into `<record_folder>/game` and `<record_folder>/dream`.

    Args:
        setting: what is played.

    Attributes:
        kept: the files that were written.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.kept: list[Path] = []

    def keep_game(self, episode: Path, seed: int, who: str) -> None:
        """Keep an episode of the game.

        Args:
            episode: what the game's process has recorded.
            seed: of the episode.
            who: has played.
        """
        self._keep("game", episode, self._header(who, seed, self.setting.options))

    def keep_dream(self, moments: list[Moment], seed: int, who: str, knobs: Knobs) -> None:
        """Keep a dream.

        Args:
            moments: from its beginning.
            seed: of the episode.
            who: has played.
            knobs: that it ended with.
        """
        ends = [number for number, moment in enumerate(moments) if moment.dream.over]
        moments = moments[: ends[0] + 1 if ends else None]
        folder = self.setting.record_folder / "dream"
        part = folder / f".{seed}.part.h5"
        write_episode(part, _dreamt(moments, seed, self.setting.time_steps))
        dream = {"temperature": knobs.temperature, "spread": knobs.spread}
        options = self.setting.options | {"dream": dream | {"component": knobs.component}}
        self._keep("dream", part, self._header(who, seed, options))
        part.unlink()

    def _header(self, who: str, seed: int, options: dict) -> RolloutsHeader:
        """Return what a batch says of itself, as stage 1 writes it."""
        return Recorder(Path(), self.setting.name, None, who, seed, options).header()

    def _keep(self, kind: str, part: Path, header: RolloutsHeader) -> None:
        folder = self.setting.record_folder / kind
        with writing, owned(folder):
            number = 0
            while (path := batch_path(folder, self.setting.name, number)).exists():
                number += 1
            merge_episodes([part], path, header)
        self.kept.append(path)


def _dreamt(moments: list[Moment], seed: int, time_steps: int) -> Episode:
    steps = moments[1:]
    last = np.arange(len(steps)) == len(steps) - 1
    ended = last & steps[-1].dream.over & (len(steps) < time_steps)
    actions = np.array([moment.action for moment in steps])
    return Episode(
        seed=seed,
        observations=np.stack([decode_picture(moment.dream.picture) for moment in moments]),
        actions=actions.astype(np.int64 if actions.dtype.kind in "iu" else np.float32),
        rewards=np.array([moment.dream.reward for moment in steps], np.float32),
        terminations=ended,
        truncations=last & ~ended,
    )
