"""Recorded play to imitate: the steps of episodes, as latents or as frames, read when they come."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from reverie.artifacts import InputError, file_hash
from reverie.cloning.options import RecordingOptions
from reverie.headers import Recorded, RolloutsHeader, open_header
from reverie.latents.storage import Latents
from reverie.rollouts.frames import OpenFiles, Piece, split_episodes
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.storage import find_batches, iterate_episodes, recorded_game
from reverie.runs import LATENTS, ROLLOUTS_FOLDER, VAE_FOLDER

Read = Callable[[int, int, int], np.ndarray]  # episode, first step, behind the last -> (L, ...)


class Recordings(Protocol):
    """Episodes of one game.

    Attributes:
        game: its name.
        action_space: see `RolloutsHeader`.
        lengths: steps of each episode, `(E,)`.
        sessions: which session each is of, `(E,)`.
        shape: of what is seen at a step.
        recorded: who played, for the header of the weights.
        preprocessing: version of how the frames are made.
    """

    game: str
    action_space: dict
    lengths: np.ndarray
    sessions: np.ndarray
    shape: tuple[int, ...]
    recorded: Recorded
    preprocessing: int

    def actions(self, episode: int) -> np.ndarray:
        """Return the actions of an episode, `(T, ...)`."""

    def opened(self) -> contextlib.AbstractContextManager[Read]:
        """Return a function that reads what is seen at some steps of an episode."""


class LatentRecordings:
    """Encoded episodes; what is seen are the means of the posteriors.

    Args:
        latents: what stage 3 wrote.
    """

    def __init__(self, latents: Latents) -> None:
        header = latents.header
        self.latents, self.game, self.action_space = latents, header.game, header.action_space
        self.lengths, self.sessions = np.asarray(latents.lengths), latents.batch_index
        self.shape, self.preprocessing = (latents.latent_size,), header.preprocessing
        self.recorded = Recorded(
            header.policies,
            tuple(latents.policy_index.tolist()),
            tuple(latents.lengths.tolist()),
            header.options,
        )

    def actions(self, episode: int) -> np.ndarray:
        """Return the actions of an episode, `(T, ...)`."""
        first = self.latents.step_starts[episode]
        return np.asarray(self.latents.arrays["actions"][first : first + self.lengths[episode]])

    @contextlib.contextmanager
    def opened(self) -> Iterator[Read]:
        """Return a function that reads what is seen at some steps of an episode."""

        def read(episode: int, start: int, stop: int) -> np.ndarray:
            first = self.latents.frame_starts[episode]
            return np.asarray(self.latents.arrays["mu"][first + start : first + stop], np.float32)

        yield read


class FrameRecordings:
    """Episodes of frames; every file is a session.

    Args:
        paths: checked rollouts.
    """

    def __init__(self, paths: list[Path]) -> None:
        headers = [open_header(path, RolloutsHeader) for path in paths]
        header, policies = headers[0], tuple(dict.fromkeys(h.policy for h in headers))
        self.game, self.action_space = header.game, header.action_space
        self.shape, self.preprocessing = header.frame_shape, header.preprocessing
        self.episodes, lengths, sessions, self.played = [], [], [], []
        for path, name, group in iterate_episodes(paths):
            self.episodes.append((path, name))
            lengths.append(len(group["rewards"]))
            sessions.append(paths.index(path))
            self.played.append(group["actions"][:])
        self.lengths, self.sessions = np.array(lengths), np.array(sessions)
        players = tuple(policies.index(headers[session].policy) for session in sessions)
        self.recorded = Recorded(policies, players, tuple(lengths), header.options)

    def actions(self, episode: int) -> np.ndarray:
        """Return the actions of an episode, `(T, ...)`."""
        return self.played[episode]

    @contextlib.contextmanager
    def opened(self) -> Iterator[Read]:
        """Return a function that reads what is seen at some steps of an episode."""
        with OpenFiles() as files:
            yield lambda e, start, stop: files.read(Piece(*self.episodes[e], start, stop))


def open_recordings(options: RecordingOptions, visual: bool) -> tuple[Recordings, dict, Path]:
    """Open rollouts for a clone that sees frames, or latents for another.

    Args:
        options: where they are.
        visual: whether the clone sees frames.

    Returns:
        The recordings, their hashes by name, and where they lie.

    Raises:
        InputError: they cannot be used, or are what the other kind of clone sees.
    """
    if visual and options.training_data_file:
        raise InputError("--training_data_file: a visual clone sees rollouts; --input_data_folder")
    if not visual and options.input_data_folder:
        raise InputError(
            "--input_data_folder: this clone sees latents; encode these with "
            "03_generate_rnn_data.py and name them with --training_data_file"
        )
    if visual:
        folder = options.input_data_folder or ROLLOUTS_FOLDER
        paths = find_batches(folder, options.environment_name)
        recorded_game(paths)  # refuses frames that this version would make differently
        return FrameRecordings(paths), {"rollouts": rollouts_identity(paths)}, folder
    path = options.training_data_file or VAE_FOLDER / LATENTS
    return LatentRecordings(Latents(path)), {"latents": file_hash(path)}, path


def split_sessions(sessions: np.ndarray) -> tuple[list[int], list[int], str]:
    """Split episodes into those to train on and those held out, every tenth session whole.

    Frames of one session resemble each other, so one that is half in the training tells little of
    the next. Where there is one session alone, its episodes are split.

    Args:
        sessions: which session each episode is of, `(E,)`.

    Returns:
        Numbers of the episodes to train on, of those held out, and `sessions` or `episodes`.

    Raises:
        InputError: there is one episode.
    """
    names = np.unique(sessions)
    if len(names) == 1:
        return *split_episodes(len(sessions)), "episodes"
    kept = [names[number] for number in split_episodes(len(names))[0]]
    inside = np.isin(sessions, kept)
    return np.flatnonzero(inside).tolist(), np.flatnonzero(~inside).tolist(), "sessions"
