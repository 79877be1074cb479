"""Recorded episodes as the networks see them: latents, what was predicted, what was true."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from reverie.artifacts import InputError
from reverie.games import game_class
from reverie.headers import RolloutsHeader, open_header
from reverie.latents.encoding import Encoder
from reverie.mixtures.networks import GAME
from reverie.mixtures.scenes import Scene, true_scene
from reverie.reports.plots import evenly
from reverie.rollouts.frames import split_episodes
from reverie.rollouts.policies import blind_policy
from reverie.rollouts.storage import find_batches, iterate_episodes
from reverie.stage import progress

if TYPE_CHECKING:
    from reverie.models.vae import VAE

TRUTH = ("monsters", "fireballs", "position_y", "object_mask")


@dataclass(frozen=True)
class Recording:
    """One recorded episode of T steps.

    Attributes:
        path: its file.
        episode: its group in that file.
        mu: latents of its frames, `(T + 1, Z)` float32.
        logvar: how sure the VAE is of them, `(T + 1, Z)` float32.
        actions: `(T, A)` float32.
        scene: the truth about its T + 1 frames.
        policy: who played it, `held_random` in the place of policies that look.
    """

    path: Path
    episode: str
    mu: np.ndarray
    logvar: np.ndarray
    actions: np.ndarray
    scene: Scene
    policy: str = "held_random"

    def frames(self) -> np.ndarray:
        """Read its frames `(T + 1, rows, columns, 3)` uint8 from the disk."""
        with h5py.File(self.path, "r") as file:
            return file[self.episode]["observations"][:]


def find_recordings(folder: Path, episodes: int, held_out: bool) -> list[tuple[Path, str]]:
    """Return up to `episodes` recorded episodes, spread evenly over the held-out or the others.

    The split is the one of training: every tenth episode is held out.

    Raises:
        InputError: there are no rollouts, or they lack the ground truth.
    """
    batches = find_batches(Path(folder), GAME, preprocessing=game_class(GAME).preprocessing)
    found = []
    for path, name, group in iterate_episodes(batches):
        missing = [key for key in TRUTH if key not in group.get("infos", {})]
        if missing:
            raise InputError(
                f"{path}: {name} lacks the ground truth {missing[0]!r}; record it anew with: "
                f"python 01_generate_data.py {GAME}"
            )
        found.append((path, name))
    chosen = split_episodes(len(found))[int(held_out)]
    return [found[index] for index in evenly(np.array(chosen), episodes)]


def encode_recordings(
    vae: "VAE", episodes: list[tuple[Path, str]], every: int = 1
) -> list[Recording]:
    """Encode recorded episodes, one in memory at a time.

    Args:
        vae: encodes.
        episodes: what `find_recordings` found.
        every: take only each n-th frame and action, to look at single frames.
    """
    encoder, recordings = Encoder(vae), []
    headers = {path: open_header(path, RolloutsHeader) for path in {path for path, _ in episodes}}
    for path, name in progress(episodes, desc="encoding"):
        with h5py.File(path, "r") as file:
            group = file[name]
            infos = {key: group["infos"][key][::every] for key in TRUTH}
            latents = encoder(group["observations"][::every])
            actions = group["actions"][::every].astype(np.float32)
        policy = blind_policy(headers[path].policy)
        recordings.append(Recording(path, name, *latents, actions, true_scene(infos), policy))
    return recordings


def around_explosion(recordings: list[Recording], steps: int) -> tuple[Recording, int]:
    """Find a stretch of `steps` with an explosion in its middle.

    Returns:
        The first episode that has one and the step with which the stretch begins; where no episode
        has one, the beginning of the longest.
    """
    for recording in recordings:
        exploding = np.flatnonzero(recording.scene.explosion[: -steps // 2])
        if len(exploding) and exploding[0] >= steps // 2:
            return recording, int(exploding[0]) - steps // 2
    return max(recordings, key=lambda recording: len(recording.actions)), 0
