"""Frames repainted with a higher or lower value, and whether that worked."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError, write_json
from reverie.backend import compiled
from reverie.masks.labelled_frames import LabelledFrames
from reverie.masks.methods import in_batches, masking
from reverie.masks.networks import load_run, weights_path
from reverie.masks.pictures import repainting
from reverie.reports.plots import SHOWN, as_bytes, save_picture, tile

if TYPE_CHECKING:
    from reverie.models.critic_vae import CriticVAE

EDITED = 200  # frames of each kind
LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # injected values


def repainted(vae: "CriticVAE", frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return frames as they are and repainted with every value of `LEVELS`, by caption."""
    repaint = repainting(vae)
    return {"frame": frames} | {f"value {v}": as_bytes(repaint(frames, v)) for v in LEVELS}


def inject(folder: Path, labelled: LabelledFrames) -> dict:
    """Put the thing into test frames of low value and take it out of those of high value.

    Writes `inject.png` (each row one value, from 0 to 1) and `inject.json`: before and after, what
    value the critic gives a frame and, where there is truth, the share of its pixels in which the
    supervised upper bound finds the thing. What the reconstruction alone loses, it loses without
    any condition.

    Returns:
        `added` and `removed`, each with `critic` and `truth`: means of the frames, `before`, of
        their reconstructions with their own values, `reconstructed`, and with the other, `after`.
    """
    vae, _ = load_run(folder / "vae", "CriticVAE", "train-vae")
    values, own = in_batches(compiled(vae.critic.value)), in_batches(compiled(vae.reconstruct))
    repaint = repainting(vae)
    frames = labelled.read("test")
    order = np.argsort(values(frames), kind="stable")
    count = min(EDITED, len(order) // 4)
    if not count:
        raise InputError(f"{labelled.path}: {len(order)} test frames are too few; record more")
    evaluators = {"critic": values}
    if weights_path(folder / "ceiling").exists():
        upper_bound = masking(load_run(folder / "ceiling", "UNet", "train-ceiling")[0])
        evaluators["truth"] = lambda shown: (upper_bound(shown) >= 0.5).mean(axis=(1, 2))
    result = {}
    for name, rows, value in (("added", order[:count], 1.0), ("removed", order[-count:], 0.0)):
        states = {
            "before": frames[rows],
            "reconstructed": as_bytes(own(frames[rows])),
            "after": as_bytes(repaint(frames[rows], value)),
        }
        result[name] = {"frames": count} | {
            evaluator: {state: float(measure(shown).mean()) for state, shown in states.items()}
            for evaluator, measure in evaluators.items()
        }
    shown = frames[np.concatenate([order[: SHOWN // 2], order[-SHOWN // 2 :]])]
    save_picture(folder / "inject.png", tile(list(repainted(vae, shown).values())))
    write_json(folder / "inject.json", result)
    return result
