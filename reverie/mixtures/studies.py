"""The questions that notebooks and `python -m reverie.mixtures` ask, each as one call."""

import numpy as np

from reverie.dreams.dream import Dreams
from reverie.dreams.options import DreamOptions
from reverie.mixtures.associations import associate, classes_information
from reverie.mixtures.creativity import component_use, precision, rates
from reverie.mixtures.detectors import SceneDetector
from reverie.mixtures.earlier import earlier_test
from reverie.mixtures.predictions import one_step_predictions
from reverie.mixtures.recordings import Recording
from reverie.mixtures.scenes import EVENTS, SITUATIONS, Scene, events, one_situation, situations
from reverie.mixtures.world_model import WorldModel
from reverie.reports.scores import bootstrap_interval

TEMPERATURES = (0.5, 1.0, 1.5)
EARLIER_SIGMA = 0.01  # sigma temperature of the earlier study's dreams
COMMITTED_STEPS = 300  # of a dream committed to one component, about as long as a free one


def specialisation(
    components: list[np.ndarray], scenes: list[Scene], count: int, seed: int
) -> dict:
    """Ask whether components stand for situations and events.

    Args:
        components: the most probable one for every frame, `(T,)` int each.
        scenes: of the same frames.
        count: components K.
        seed: decides halves, shifts and resamples.

    Returns:
        `situations` and `events`, see `associate`; `classes`, see `classes_information`; `earlier`,
        the biased test on both.
    """
    held, happened = [situations(s) for s in scenes], [events(s) for s in scenes]
    return {
        "situations": associate(components, held, count, seed),
        "events": associate(components, happened, count, seed),
        "classes": classes_information(components, [one_situation(s) for s in scenes], count, seed),
        "earlier": earlier_test(components, held, count)
        | earlier_test(components, happened, count),
    }


def real_study(world_model: WorldModel, recordings: list[Recording], seed: int = 0) -> dict:
    """Ask about recorded episodes, labelled by the game itself.

    Returns:
        `use` of the components; `predicted`: `specialisation` of the components that were most
        probable before the frame was seen; `explained`: of those that explain it best afterwards.
    """
    predictions = one_step_predictions(world_model.rnn, recordings, seed)
    scenes = [recording.scene[1:] for recording in recordings]
    count = world_model.rnn.num_mixtures
    before = [p.weights.argmax(axis=1) for p in predictions]
    after = [p.responsibilities.argmax(axis=1) for p in predictions]
    return {
        "use": component_use([p.weights for p in predictions]),
        "predicted": specialisation(before, scenes, count, seed),
        "explained": specialisation(after, scenes, count, seed),
    }


def dreamt_scenes(dreams: Dreams, detector: SceneDetector) -> tuple[list[np.ndarray], list[Scene]]:
    """Return components and scenes of the dreamt frames, up to where the network ended a dream."""
    scenes = [detector.scene(z[: n + 1])[1:] for z, n in zip(dreams.latents, dreams.lengths)]
    return [c[:n] for c, n in zip(dreams.components(), dreams.lengths)], scenes


def free_dreams(
    world_model: WorldModel, options: DreamOptions, count: int, seed: int = 0
) -> Dreams:
    """Dream from recorded first frames, played as the recording was."""
    actions = world_model.actions(count, options.time_steps, seed)
    return world_model.dream(options).free(actions, seed)


def dream_study(
    world_model: WorldModel,
    detector: SceneDetector,
    options: DreamOptions,
    count: int,
    seed: int = 0,
) -> dict:
    """Ask about free dreams, labelled by the detector.

    Returns:
        The `options`, the `lengths` of the dreams, `rates` of what is seen in them, `use` of the
        components and their `specialisation`.
    """
    dreams = free_dreams(world_model, options, count, seed)
    components, scenes = dreamt_scenes(dreams, detector)
    return {
        "options": vars(options),
        "lengths": length_summary(dreams.lengths, options.time_steps),
        "rates": rates(scenes),
        "use": component_use([w[:n] for w, n in zip(dreams.weights, dreams.lengths)]),
        "specialisation": specialisation(components, scenes, world_model.rnn.num_mixtures, seed),
    }


def length_summary(lengths: np.ndarray, steps: int) -> dict:
    """Summarise how long dreams last: `mean`, its `interval`, and how many were never ended."""
    return {
        "mean": float(lengths.mean()),
        "interval": bootstrap_interval(lengths),
        "never_ended": float((lengths >= steps).mean()),
    }


def committed_study(
    world_model: WorldModel,
    detector: SceneDetector,
    count: int,
    seed: int = 0,
    steps: int = COMMITTED_STEPS,
) -> dict:
    """Ask what is seen in dreams committed to each component, their whole length.

    Returns:
        The `options`; `labels`; frames per 1,000 with each label, `per_1000` `(K, R, E)`; `median`
        over dreams, `(K, E)`.
    """
    options = DreamOptions(1.0, steps)
    committed = world_model.dream(options).committed(world_model.actions(count, steps, seed), seed)
    table = [[_per_1000(detector.scene(z)[1:]) for z in dreams.latents] for dreams in committed]
    return {
        "options": vars(options),
        "labels": [*SITUATIONS, *EVENTS],
        "per_1000": np.array(table),
        "median": np.median(table, axis=1),
    }


def _per_1000(scene: Scene) -> list[float]:
    found = situations(scene) | events(scene)
    return [1000.0 * float(found[name].mean()) for name in (*SITUATIONS, *EVENTS)]


def creativity_study(
    world_model: WorldModel,
    detector: SceneDetector,
    recordings: list[Recording],
    count: int,
    seed: int = 0,
    temperatures: tuple[float, ...] = TEMPERATURES,
    steps: int = 1000,
) -> dict[str, dict]:
    """Ask by temperature how much happens in dreams and how well the next frame is foreseen.

    Returns:
        By temperature: `rates` and `lengths` of free dreams, `precision` of one-step predictions.
    """
    real = [detector.scene(r.mu)[1:] for r in recordings]
    result = {}
    for temperature in temperatures:
        dreams = free_dreams(world_model, DreamOptions(temperature, steps), count, seed)
        predictions = one_step_predictions(world_model.rnn, recordings, seed, temperature)
        result[f"{temperature:g}"] = {
            "rates": rates(dreamt_scenes(dreams, detector)[1]),
            "lengths": length_summary(dreams.lengths, steps),
            "precision": precision(real, [detector.scene(p.latents) for p in predictions]),
        }
    return result


def around_change(weights: np.ndarray, steps: int) -> slice:
    """Return the stretch of `steps` around the step in which the weights `(T, K)` change most."""
    change = np.abs(np.diff(weights, axis=0)).sum(axis=1)
    start = int(np.clip(change.argmax() - steps // 2, 0, max(0, len(weights) - steps)))
    return slice(start, start + steps)


def reality(detector: SceneDetector, recordings: list[Recording]) -> dict:
    """Return what recorded episodes hold: by the game's truth, and by the detector."""
    return {
        "truth": rates([r.scene for r in recordings]),
        "detected": rates([detector.scene(r.mu) for r in recordings]),
    }


def accuracy_note(accuracy: dict[str, dict]) -> str:
    """Write the detector's held-out accuracy, see `detection_accuracy`, to stand below a figure."""
    parts = []
    for name, row in accuracy.items():
        precision, recall = (_percent(row[key]) for key in ("precision", "recall"))
        parts.append(f"{name} {precision}/{recall}")
    middle = (len(parts) + 1) // 2
    lines = ", ".join(parts[:middle]), ", ".join(parts[middle:])
    return "detector on held-out episodes, precision/recall: " + "\n".join(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
