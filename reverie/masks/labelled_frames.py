"""Frames and their values, chosen from rollouts and split by world."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import InputError, Refusal
from reverie.fields import parse
from reverie.games import game_class
from reverie.games.game import Game
from reverie.hdf5 import atomic_hdf5, open_hdf5
from reverie.headers import LabelledFramesHeader, WeightsHeader, open_header, write_header
from reverie.networks import FRAME_SHAPE
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.storage import iterate_episodes, read_rows

HOLDOUT = 10  # of ten worlds one is for validation and one for the test
NEVER = 1_000_000  # steps to a reward that does not come
PARTS = ("train", "validation")  # balanced, to learn from
GALLERIES = ("thresholds", "test")  # every so many frames of the other worlds, to evaluate masks on


@dataclass(frozen=True)
class Choice:
    """What the frames are chosen by.

    Attributes:
        game: its name.
        reward: what shall be explained, see `Game.rewards`.
        windowsize: a frame is near to a reward that comes within so many steps.
        dataset_size: frames to train on, at most, half of them near.
        discount: value of a frame that is k steps before the reward is `discount ** k`.
        judged: frames of each gallery, about.
        inventory: keep the parts of the frame that tell of the player.
        seed: decides which frames and in what order.
        frame_shape: of the recorded frames.
        env_kwargs: arguments that the environment was started with.
    """

    game: str
    reward: str = "wood"
    windowsize: int = 20
    dataset_size: int = 50_000
    discount: float = 1.0
    judged: int = 2000
    inventory: bool = False
    seed: int = 0
    frame_shape: tuple[int, ...] = FRAME_SHAPE
    env_kwargs: dict = field(default_factory=dict)

    @property
    def made_by(self) -> type[Game]:
        """The game as it was recorded."""
        return game_class(self.game, {"env_kwargs": self.env_kwargs})

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what is kept of a frame."""
        if self.inventory:
            return self.frame_shape[:2]
        return self.made_by.world_view(self.frame_shape)

    def table(self) -> dict:
        """Return the choice as headers hold it, without the usual shape and empty arguments."""
        table = asdict(self) | {"frame_shape": list(self.frame_shape)}
        usual = {"frame_shape": list(FRAME_SHAPE), "env_kwargs": {}}
        return {k: v for k, v in table.items() if k not in usual or v != usual[k]}

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Cut frames or masks `(N, rows, columns, ...)` to what is kept of them."""
        rows, columns = self.shape
        return pixels[:, :rows, :columns]


def split_worlds(count: int) -> dict[str, list[int]]:
    """Split the numbers of episodes, each a world of its own, into train, validation and test.

    Raises:
        InputError: there are fewer than three.
    """
    if count < 3:
        raise InputError(
            f"{count} episodes are too few to train, validate and test on different worlds; record "
            "at least 3 with 01_generate_data.py --total_episodes"
        )
    test = list(range(HOLDOUT - 1, count, HOLDOUT)) or [count - 1]
    validation = [number - 1 for number in test]
    others = {*test, *validation}
    return {
        "train": [number for number in range(count) if number not in others],
        "validation": validation,
        "test": test,
    }


def steps_to_reward(earned: np.ndarray, horizon: int, over: bool) -> np.ndarray:
    """Return how many steps each frame is away from the next reward.

    The frame that is 0 steps away is the one in which the rewarded action is taken, and not the one
    that shows its result: the tree is gone by then.

    Args:
        earned: in which of T steps there was a reward.
        horizon: steps that matter.
        over: whether the game has ended, so that nothing more can come.

    Returns:
        `(T + 1,)` int64; `NEVER` if none comes, -1 where the recording ends too early to tell.
    """
    steps = np.full(len(earned) + 1, NEVER if over else -1)
    ahead = NEVER if over else None
    for t in range(len(earned) - 1, -1, -1):
        known = len(earned) - t >= horizon
        ahead = 0 if earned[t] else None if ahead is None else min(ahead + 1, NEVER)
        steps[t] = ahead if ahead is not None else NEVER if known else -1
    return steps


def frame_values(steps: np.ndarray, choice: Choice) -> np.ndarray:
    """Return the values of frames: `discount ** steps` within the window, 0 before: float32."""
    near = (steps >= 0) & (steps < choice.windowsize)
    return np.where(near, float(choice.discount) ** np.minimum(steps, NEVER), 0.0).astype(
        np.float32
    )


def read_choice(path: Path, header: LabelledFramesHeader | WeightsHeader) -> Choice:
    """Return what the frames behind a file were chosen by.

    Raises:
        InputError: the file's header does not say it.
    """
    fail = Refusal(path, header.mend)
    table = {"frame_shape": list(FRAME_SHAPE), "env_kwargs": {}} | header.choice
    return parse(Choice, table, lambda fault: fail(f"in its choice: {fault}"))


class LabelledFrames:
    """Frames and their values in one file, written by `write_labelled_frames`.

    Args:
        path: the file.

    Raises:
        InputError: it is damaged or foreign.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = open_header(path, LabelledFramesHeader)
        self.choice = read_choice(path, self.header)
        with open_hdf5(path, self.header.title, self.header.mend) as file:
            self.sizes = {name: len(file[name]["frames"]) for name in (*PARTS, *GALLERIES)}
            self.has_truth = "truth" in file["test"]

    def weights_header(self) -> WeightsHeader:
        """Return what the weights of a network say that is trained on these frames."""
        said = self.header
        notes = {"rollouts": said.rollouts}
        return WeightsHeader(said.game, said.preprocessing, choice=said.choice, notes=notes)

    def require_truth(self) -> None:
        """Say so if there is no truth to score against.

        Raises:
            InputError: there is none.
        """
        if not self.has_truth:
            raise InputError(
                f"{self.path}: these rollouts of {self.choice.game} do not say which pixels show "
                f"what earns {self.choice.reward}: masks can be made but not scored; record a game "
                "that says it, e.g. with 01_generate_data.py crafter --policy gatherer"
            )

    def holds(self, part: str, name: str) -> bool:
        """Tell whether a part has a dataset."""
        with h5py.File(self.path, "r") as file:
            return name in file[part]

    def read(self, part: str, name: str = "frames", start: int = 0, stop: int | None = None):  # noqa: ANN201
        """Read rows of a dataset of a part: `frames`, `values`, `steps`, `truth`, `objects` ..."""
        with h5py.File(self.path, "r") as file:
            return file[part][name][start:stop]

    def batches(self, part: str, size: int, seed: int, targets: str = "values") -> Iterator[tuple]:
        """Yield frames and targets of a part in batches; frames lie shuffled in the file.

        Args:
            part: `train`, `validation` or a gallery.
            size: of a batch; what is left over is dropped, at another end for another seed.
            seed: decides the order of the batches, and where the first one begins.
            targets: the dataset beside the frames.
        """
        with h5py.File(self.path, "r") as file:
            group = file[part]
            offset = seed % max(1, self.sizes[part] % size + 1)
            for index in np.random.default_rng(seed).permutation(self.sizes[part] // size):
                rows = slice(offset + index * size, offset + (index + 1) * size)
                yield group["frames"][rows], group[targets][rows]


class FrameBatches:
    """The batches of a part as a stream to train on.

    Args:
        labelled: frames and values.
        part: `train` or `validation`.
        size: frames of a batch.
        targets: the dataset that a batch holds beside the frames.
        seed: decides the order.
    """

    def __init__(
        self, labelled: LabelledFrames, part: str, size: int, targets: str, seed: int
    ) -> None:
        self.labelled, self.part, self.size = labelled, part, size
        self.targets, self.seed = targets, seed

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.labelled.sizes[self.part] // self.size

    def batches(self, epoch: int) -> Iterator[tuple]:
        """Yield frames and targets."""
        return self.labelled.batches(self.part, self.size, self.seed + epoch, self.targets)

    def weight(self, batch: tuple) -> float:
        """Return the number of frames in a batch."""
        return float(len(batch[0]))


def open_labelled_frames(path: Path, paths: list[Path], choice: Choice) -> LabelledFrames:
    """Return labelled frames of rollouts, chosen anew if the file has others or is not there."""
    header = LabelledFramesHeader(
        choice.game,
        choice.made_by.preprocessing,
        choice.table(),
        rollouts_identity(paths),
    )
    if path.exists():
        labelled = LabelledFrames(path)
        if labelled.header == header:
            return labelled
    write_labelled_frames(path, paths, choice, header)
    return LabelledFrames(path)


def write_labelled_frames(
    path: Path, paths: list[Path], choice: Choice, header: LabelledFramesHeader
) -> None:
    """Choose frames from rollouts and write them, atomically.

    Raises:
        InputError: the reward never occurs, or there are too few worlds.
    """
    game = choice.made_by
    steps = _all_steps(paths, game, choice)
    worlds = split_worlds(len(steps))
    rng = np.random.default_rng([choice.seed, 6])
    sizes = dict(zip(PARTS, (choice.dataset_size, max(2, choice.dataset_size // HOLDOUT))))
    rows = {part: _balanced(steps, worlds[part], choice, sizes[part], rng) for part in PARTS}
    for gallery, part in zip(GALLERIES, ("validation", "test")):
        rows[gallery] = _spread(steps, worlds[part], choice.judged)
    with atomic_hdf5(path) as file:
        write_header(file, header)
        for part, (episodes, frames) in rows.items():
            group = file.create_group(part)
            found = np.array([steps[e][t] for e, t in zip(episodes, frames)], np.int64)
            group["steps"], group["values"] = found, frame_values(found, choice)
            group["episodes"] = episodes
            group.create_dataset("frames", (len(episodes), *choice.shape, 3), np.uint8)
        for number, (_, _, episode) in enumerate(iterate_episodes(paths)):
            for part, (episodes, frames) in rows.items():
                places = np.flatnonzero(episodes == number)
                if len(places):
                    _copy(episode, frames[places], file[part], places, choice, part in GALLERIES)


def _all_steps(paths: list[Path], game: type[Game], choice: Choice) -> list[np.ndarray]:
    """Return the steps to the next reward of every frame of every episode."""
    names = ["reward", *game.rewards]
    if choice.reward not in names:
        raise InputError(
            f"--reward {choice.reward}: {choice.game} has no such reward; choose from "
            f"{', '.join(names)}"
        )
    result, found = [], 0
    for _, _, episode in iterate_episodes(paths):
        try:
            earned = game.earned(choice.reward, episode["rewards"][:], episode.get("infos", {}))
        except KeyError as error:
            raise InputError(
                f"{paths[0]}: recorded without what tells when {choice.reward} is earned "
                f"({error.args[0]}); record anew with 01_generate_data.py {choice.game}"
            ) from error
        found += int(earned.sum())
        over = bool(episode["terminations"][-1])
        result.append(steps_to_reward(earned, choice.windowsize, over))
    if not found:
        raise InputError(
            f"--reward {choice.reward}: never earned in {len(result)} episodes of "
            f"{paths[0].parent}; record more, or with a policy that earns it (01_generate_data.py "
            f"{choice.game} --policy {' or '.join(game.policies) or 'CONTROLLER.h5'})"
        )
    return result


def _balanced(
    steps: list[np.ndarray], worlds: list[int], choice: Choice, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose as many frames near a reward as far from one, none twice; shuffled."""
    episodes = np.concatenate([np.full(len(steps[w]), w) for w in worlds])
    frames = np.concatenate([np.arange(len(steps[w])) for w in worlds])
    ahead = np.concatenate([steps[w] for w in worlds])
    near = np.flatnonzero((ahead >= 0) & (ahead < choice.windowsize))
    far = np.flatnonzero(ahead >= choice.windowsize)
    count = min(size // 2, len(near), len(far))
    if count == 0:
        raise InputError(
            f"--reward {choice.reward}: {len(near)} frames within {choice.windowsize} steps of it "
            f"and {len(far)} beyond in {len(worlds)} worlds, but both are needed; record more "
            "episodes or change --crafter-windowsize"
        )
    chosen = np.concatenate([rng.choice(group, count, replace=False) for group in (near, far)])
    chosen = rng.permutation(chosen)
    return episodes[chosen], frames[chosen]


def _spread(
    steps: list[np.ndarray], worlds: list[int], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose about `count` frames, spread evenly over all of some worlds."""
    stride = max(1, sum(len(steps[w]) for w in worlds) // count)
    frames = [np.arange(0, len(steps[w]), stride) for w in worlds]
    episodes = [np.full(len(f), w) for f, w in zip(frames, worlds)]
    return np.concatenate(episodes), np.concatenate(frames)


def _copy(
    episode: h5py.Group,
    frames: np.ndarray,
    group: h5py.Group,
    places: np.ndarray,
    choice: Choice,
    evaluated: bool,
) -> None:
    """Copy frames of an episode to their places, and the truth of what they show."""
    group["frames"][places] = choice.cut(read_rows(episode["observations"], frames))
    game = choice.made_by
    names = [game.truth, "daylight"]
    recorded = episode.get("infos", {})
    infos = {name: read_rows(recorded[name], frames) for name in names if name in recorded}
    truth = game.reward_masks(choice.reward, infos, choice.frame_shape)
    shape = (len(group["frames"]), *choice.shape)
    if truth is not None:
        masks = group.require_dataset("truth", shape, bool, chunks=(1, *choice.shape))
        masks[places] = choice.cut(truth)
    if evaluated and "daylight" in infos:
        group.require_dataset("daylight", shape[:1], np.float32)[places] = infos["daylight"]
    if evaluated and game.truth in infos:
        objects = choice.cut(game.object_masks(infos[game.truth], choice.frame_shape))
        group.require_dataset("objects", shape, np.uint8, chunks=(1, *choice.shape))[places] = (
            objects
        )
