"""Clones measured on recorded play and in their game, beside players that look at nothing."""

from pathlib import Path

import numpy as np

from reverie.artifacts import InputError
from reverie.cloning.agents import Clone, check_recordings, predictions
from reverie.cloning.classes import ActionClasses
from reverie.cloning.measures import (
    Habits,
    class_table,
    compare,
    confusion,
    rare,
    save_confusion,
)
from reverie.cloning.recordings import Recordings, split_sessions
from reverie.cloning.windows import before
from reverie.models.gpt import GPT
from reverie.reports.tables import markdown


def evaluate_clone(
    clone: Clone, recordings: Recordings, identity: dict, place: Path, picture: Path
) -> dict:
    """Measure a clone on recordings; of its own, on what it was not trained on. See `evaluate`.

    Args:
        clone: what predicts.
        recordings: the episodes.
        identity: hashes of the recordings, by name.
        place: where they lie.
        picture: where the confusion goes.

    Raises:
        InputError: they are not what it can predict, see `check_recordings`.
    """
    check_recordings(clone.header, place, recordings)
    chosen, notes = range(len(recordings.lengths)), clone.header.notes
    if all(notes.get(name) == value for name, value in identity.items()):
        _, chosen, _ = split_sessions(recordings.sessions)
    labels = {e: clone.classes.labels(recordings.actions(e)) for e in chosen}
    habits = Habits(np.array(notes["counts"]), float(notes["stay"]))
    return evaluate(clone.network, recordings, labels, clone.classes, habits, picture)


def evaluate(
    network: GPT,
    recordings: Recordings,
    labels: dict[int, np.ndarray],
    classes: ActionClasses,
    habits: Habits,
    picture: Path,
) -> dict:
    """Measure a clone on recorded episodes, beside answers that look at nothing; print tables.

    Args:
        network: the clone's.
        recordings: where the episodes are.
        labels: classes of the actions of each episode to look at, by its number.
        classes: of actions.
        habits: those of the training.
        picture: where the confusion goes.

    Returns:
        `measures` of each, `classes` with how often each occurs and is predicted, `rare`, and how
        many steps had an `unknown` action, which counts nowhere else.

    Raises:
        InputError: all had.
    """
    found = list(predictions(network, recordings, labels))
    probabilities = np.concatenate([part for _, part in found])
    actions = np.concatenate([labels[episode] for episode, _ in found])
    previous = np.concatenate([before(labels[episode]) for episode, _ in found])
    known = actions >= 0
    if not known.any():
        raise InputError("no action of these recordings is one that the clone can choose")
    probabilities, actions, previous = (a[known] for a in (probabilities, actions, previous))
    measures = compare(probabilities, actions, previous, habits)
    counts = confusion(probabilities, actions)
    save_confusion(picture, counts, classes.names)
    table = class_table(counts, habits, classes.names)
    print(markdown([{"held-out steps": name} | row for name, row in measures.items()]))
    print(markdown(table))
    return {
        "measures": measures,
        "classes": table,
        "rare": rare(habits, classes.names),
        "steps": len(actions),
        "unknown": int((~known).sum()),
    }
