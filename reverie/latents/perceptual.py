"""The fixed network of a perceptual loss, as a file: read, checked and written without Keras."""

from pathlib import Path

import numpy as np

from reverie.artifacts import Refusal, atomic_path, reading
from reverie.runs import PRETRAINED

PERCEPTUAL = PRETRAINED / "perceptual.npz"  # ours, trained on Procgen
MEND = (
    "leave --perceptual_weights away for ours, or make it of AlexNet's checkpoint as "
    "docs/encoders.md says"
)


def read_perceptual(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of `Features`.

    Raises:
        InputError: the file is missing or damaged, or its arrays do not make two convolutions.
    """
    with reading(path, "a perceptual network", MEND), np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    fail = Refusal(path, MEND)
    channels = 3
    for index in range(2):
        for name in ("kernel", "bias", "stride", "padding"):
            if f"{name}_{index}" not in arrays:
                fail(f"holds no {name}_{index}")
        kernel, bias = arrays[f"kernel_{index}"], arrays[f"bias_{index}"]
        if kernel.ndim != 4 or kernel.shape[2] != channels or bias.shape != kernel.shape[3:]:
            fail(
                f"kernel_{index} has shape {kernel.shape}, not (rows, columns, {channels}, out), "
                f"or bias_{index} is not as long"
            )
        channels = kernel.shape[3]
    for name in ("mean", "std"):
        if name not in arrays or arrays[name].shape != (3,):
            fail(f"holds no {name} of three colours")
    if not all(np.isfinite(each).all() for each in arrays.values()):
        fail("holds NaN or infinity")
    return {name: each.astype(np.float32) for name, each in arrays.items()}


def write_perceptual(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays of `Features` as float16."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{name: each.astype(np.float16) for name, each in arrays.items()})
