"""The training of a clone as a task: windows of recorded play, measured on held-out sessions."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reverie.cloning.classes import ActionClasses
from reverie.cloning.evaluation import evaluate
from reverie.cloning.measures import Habits, rare
from reverie.cloning.options import CloneOptions
from reverie.cloning.recordings import LatentRecordings, Recordings, split_sessions
from reverie.cloning.windows import WindowStream
from reverie.games import game_class
from reverie.headers import WeightsHeader, path_from
from reverie.models.gpt import GPT, VisualGPT
from reverie.runs import CLONE
from reverie.seeds import seed_32
from reverie.training.task import Curves, History, Task

CLIPNORM = 1.0
BETA = 0.999  # of the effective numbers (Cui et al., arXiv 1901.05555)
CONFUSION = "confusion.png"
COPYCAT = (
    "--previous_actions: a clone that is shown the action before tends to repeat it and to look at "
    "nothing else; compare its change_recall, and its score in the game, with one that is not"
)


@dataclass(frozen=True)
class Source:
    """Where recordings come from, and who sees them.

    Attributes:
        recordings: the episodes.
        network: what is trained, `GPT` on latents or `VisualGPT` on frames.
        identity: hashes of what is read, by name.
        inputs: the files that are read, by name.
        vae: hash of the VAE of the latents.
        vae_weights: where it is, as seen from the folder of the run.
        key_names: what people call the keys, see `ActionClasses.of_actions`.
    """

    recordings: Recordings
    network: type[GPT]
    identity: dict
    inputs: dict[str, Path]
    vae: str = ""
    vae_weights: str = ""
    key_names: tuple[str, ...] = ()


def clone_source(recordings: Recordings, identity: dict, place: Path, folder: Path) -> Source:
    """Return the source of a training on recordings: a network for latents, or one for frames.

    Args:
        recordings: the episodes.
        identity: hashes of what is read, by name.
        place: where the recordings lie.
        folder: of the run.
    """
    names = tuple(game_class(recordings.game, recordings.recorded.options).action_names)
    if not isinstance(recordings, LatentRecordings):
        return Source(recordings, VisualGPT, identity, {}, key_names=names)
    said = recordings.latents.header
    vae = path_from(folder, place.parent / said.vae_weights) if said.vae_weights else ""
    return Source(recordings, GPT, identity, {"latents": place}, said.vae, vae, names)


def clone_task(source: Source, options: CloneOptions, folder: Path) -> Task:
    """Return the task of training a clone; says what was played and what is rare.

    Args:
        source: what is imitated.
        options: of the network and its windows.
        folder: of the run, where the confusion is painted.

    Raises:
        InputError: there are too few episodes or too many combinations of actions.
    """
    recordings = source.recordings
    played = [recordings.actions(episode) for episode in range(len(recordings.lengths))]
    classes = ActionClasses.of_actions(recordings.action_space, played, source.key_names)
    train, held_out, unit = split_sessions(recordings.sessions)
    labels = {part: classes.labels(actions) for part, actions in enumerate(played)}
    habits = Habits.of([labels[e] for e in train], len(classes.rows))
    if options.previous_actions:
        print(COPYCAT)
    _announce(classes, habits, unit, len(train), len(held_out))
    cut = options.sequence_length, options.batch_size
    inside = {e: labels[e] for e in train}
    outside = {e: labels[e] for e in held_out}
    return Task(
        name="clone",
        weights=CLONE,
        build=lambda: build(source, options, classes, habits),
        train=WindowStream(recordings, inside, *cut, options.seed),
        held_out=WindowStream(recordings, outside, *cut),
        identity=asdict(options) | source.identity | {"architecture": source.network.__name__},
        header=_header(source, classes, habits),
        inputs=source.inputs,
        keep="best",
        clipnorm=CLIPNORM,
        report=_reporter(folder, recordings, outside, classes, habits, unit),
        shown=("nll", "accuracy", "val_nll", "val_accuracy"),
        curves=Curves({"training": "nll", "held out": "val_nll"}, "nats per action"),
    )


def _announce(
    classes: ActionClasses, habits: Habits, unit: str, trained: int, held_out: int
) -> None:
    """Say what was played, and which classes are rare."""
    print(f"{trained} episodes to train on, {held_out} held out, split by {unit}")
    few = rare(habits, classes.names)
    shares = zip(classes.names, habits.frequencies)
    common = [f"{name} {100 * share:.1f} %" for name, share in shares if name not in few]
    print(f"{len(classes.names)} classes of actions: {', '.join(common)}")
    if few:
        words = ", ".join(f"{name} ({count} steps)" for name, count in few.items())
        print(f"rare, hardly to be imitated: {words}")


def build(source: Source, options: CloneOptions, classes: ActionClasses, habits: Habits) -> GPT:
    """Build the network, with seeded weights."""
    seed = seed_32(options.seed)
    keras.utils.set_random_seed(seed)
    shape = source.recordings.shape
    visual = source.network is VisualGPT
    size: dict[str, Any] = {"frame_shape": shape} if visual else {"latent_size": shape[0]}
    names = ("context", "width", "blocks", "heads", "dropout", "previous_actions", "loss")
    return source.network(
        len(classes.rows),
        **size,
        **{name: getattr(options, name) for name in names},
        class_weights=weigh(habits.counts, options.class_weights),
        seed=seed,
    )


def weigh(counts: np.ndarray, how: str) -> list[float]:
    """Return the weights of classes in the loss, 1 in the mean over all steps.

    Args:
        counts: steps of each class, `(C,)`.
        how: `none`; `balanced`: all classes together weigh the same; `effective`: between the two,
            by the effective number of steps.
    """
    n = np.maximum(counts, 1).astype(float)
    weights = {
        "none": np.ones_like(n),
        "balanced": 1.0 / n,
        "effective": (1.0 - BETA) / (1.0 - BETA**n),
    }[how]
    return (weights * n.sum() / (weights * n).sum()).tolist()


def _header(source: Source, classes: ActionClasses, habits: Habits) -> WeightsHeader:
    recordings = source.recordings
    notes = {
        "classes": [list(row) for row in classes.rows],
        "class_names": list(classes.names),
        "counts": habits.counts.tolist(),
        "stay": habits.stay,
    }
    return WeightsHeader(
        recordings.game,
        recordings.preprocessing,
        vae=source.vae,
        vae_weights=source.vae_weights,
        action_space=recordings.action_space,
        recorded=recordings.recorded,
        notes=notes | source.identity,
    )


def _reporter(
    folder: Path,
    recordings: Recordings,
    labels: dict[int, np.ndarray],
    classes: ActionClasses,
    habits: Habits,
    unit: str,
) -> Callable[[GPT, History], dict]:
    """Return what measures the best weights on the held-out episodes."""

    def report(network: GPT, _: History) -> dict:
        scores = evaluate(network, recordings, labels, classes, habits, folder / CONFUSION)
        return scores | {"split_by": unit}

    return report
