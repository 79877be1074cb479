"""Networks on disk: HDF5 with plain arrays and the configuration that rebuilds them, no code."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, InputError, require_file
from reverie.hdf5 import atomic_hdf5

if TYPE_CHECKING:
    import keras

SCHEMA = 1


def save_weights(
    path: Path,
    model: "keras.Model",
    notes: dict | None = None,
    arrays: dict[str, np.ndarray] | None = None,
    dtype: str = "float32",
) -> None:
    """Write a network's weights and configuration, atomically.

    Args:
        path: the file.
        model: a network of `models/` with `get_config`.
        notes: what else belongs to it (game, hashes of inputs, action space), as JSON.
        arrays: what else it needs to work, kept under `arrays/`.
        dtype: `float16` halves the file.
    """
    with atomic_hdf5(path) as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["network"] = type(model).__name__
        file.attrs["config"] = json.dumps(model.get_config())
        file.attrs["notes"] = json.dumps(notes or {})
        for name, variable in _named_weights(model):
            file[f"weights/{name}"] = np.asarray(variable.value).astype(dtype)
        for name, values in (arrays or {}).items():
            file[f"arrays/{name}"] = values


def read_header(path: Path, network: str, mend: str) -> tuple[dict, dict]:
    """Read configuration and notes of a weights file without building the network.

    Args:
        path: the file.
        network: class name that is expected.
        mend: the command that makes such a file, for the message.

    Raises:
        InputError: the file is missing, damaged or holds something else.
    """
    require_file(path, f"weights of a {network}", mend)
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("network") != network or "weights" not in file:
                raise InputError(
                    f"{path}: holds no {network} but {file.attrs.get('network', 'something else')};"
                    f" {mend}"
                )
            return json.loads(file.attrs["config"]), json.loads(file.attrs["notes"])
    except UNREADABLE as error:
        raise InputError(f"{path}: damaged or not HDF5 ({error}); {mend}") from error


def check_initial(path: Path, config: dict, expected: dict) -> None:
    """Check that a network can begin with the weights of another.

    Args:
        path: the other's weights.
        config: what rebuilds the other.
        expected: what must be the same, by name.

    Raises:
        InputError: something is not.
    """
    for name, value in expected.items():
        if config[name] != value:
            raise InputError(
                f"{path}: its {name} is {config[name]}, not {value}; choose the same flags as in "
                "its training, or leave --initial_weights away"
            )


def load_weights(path: Path, model: "keras.Model") -> None:
    """Fill a network of the same configuration from a file.

    Raises:
        InputError: a weight is missing, has another shape or is no number.
    """
    with h5py.File(path, "r") as file:
        for name, variable in _named_weights(model):
            values = file["weights"].get(name)
            if values is None or values.shape != tuple(variable.shape):
                found = "is missing" if values is None else f"has shape {values.shape}"
                raise InputError(f"{path}: {name} {found}, expected {variable.shape}")
            if not np.isfinite(values[()]).all():
                raise InputError(f"{path}: {name} holds NaN or infinity; train it anew")
            variable.assign(np.asarray(values, dtype="float32"))


def _named_weights(model: "keras.Model") -> Iterator[tuple[str, Any]]:
    """Yield weights under names that do not depend on what else the process has built.

    Keras numbers the layers of a kind through the whole process; here each network counts anew.
    """
    names: dict[str, str] = {}
    counts: Counter = Counter()
    for variable in model.weights:
        layer, _, rest = variable.path.partition("/")
        if layer not in names:
            kind = re.sub(r"_\d+$", "", layer)
            names[layer] = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
        yield f"{names[layer]}/{rest}", variable


def save_checkpoint(path: Path, model: "keras.Model", state: dict) -> None:
    """Write all that continues a training run: weights, optimiser, random state, position."""
    with atomic_hdf5(path) as file:
        file.attrs["state"] = json.dumps(state)
        for index, variable in enumerate(_training_variables(model)):
            file[f"variables/{index:04d}"] = np.asarray(variable.value)


def load_checkpoint(path: Path, model: "keras.Model") -> dict:
    """Restore what `save_checkpoint` wrote into a compiled and built network; return the state.

    Raises:
        InputError: the checkpoint is of another network.
    """
    mend = "add --new_model to start afresh"
    try:
        with h5py.File(path, "r") as file:
            values = [file["variables"][name][()] for name in sorted(file["variables"])]
            state = json.loads(file.attrs["state"])
    except UNREADABLE as error:
        raise InputError(f"{path}: damaged checkpoint ({error}); {mend}") from error
    variables = _training_variables(model)
    if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
        raise InputError(f"{path}: checkpoint of a network with other sizes; {mend}")
    for variable, value in zip(variables, values):
        variable.assign(value)
    return state


def _training_variables(model: "keras.Model") -> list[Any]:
    """All variables that decide the next step: weights, random state, optimiser."""
    return [*model.variables, *model.optimizer.variables]
