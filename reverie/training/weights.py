"""Networks on disk: HDF5 with plain arrays and the configuration that rebuilds them, no code."""

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reverie.artifacts import InputError
from reverie.backend import start_backend
from reverie.hdf5 import atomic_hdf5, open_hdf5
from reverie.headers import WeightsHeader, open_header, write_header
from reverie.networks import NETWORKS, class_of

if TYPE_CHECKING:
    import keras


def save_weights(
    path: Path,
    model: "keras.Model",
    header: WeightsHeader,
    arrays: dict[str, np.ndarray] | None = None,
    dtype: str = "float32",
) -> None:
    """Write a network's weights and what rebuilds it, atomically.

    Args:
        path: the file.
        model: a network of `models/` with `get_config`.
        header: what the file says of itself; name and configuration of the network are filled in.
        arrays: what else it needs to work, kept under `arrays/`.
        dtype: `float16` halves the file.
    """
    kind = type(model)
    name = getattr(kind, "stored_as", kind.__name__)
    header = replace(header, network=name, config=model.get_config())
    with atomic_hdf5(path) as file:
        write_header(file, header)
        for name, variable in _named_weights(model):
            file[f"weights/{name}"] = np.asarray(variable.value).astype(dtype)
        for name, values in (arrays or {}).items():
            file[f"arrays/{name}"] = values


def load_network(
    path: Path, network: str, *, game: str | None = None, mend: str | None = None
) -> "keras.Model":
    """Rebuild a trained network from its weights file.

    Args:
        path: the file.
        network: its name in `NETWORKS`.
        game: which it should be of.
        mend: the command that makes such a file, where the usual one does not do.

    Raises:
        InputError: the file cannot be used, see `open_header`.
    """
    header = open_header(path, WeightsHeader, network=network, game=game, mend=mend)
    start_backend()
    try:
        model = build_network(network, header.config)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: its configuration makes no {network} ({error}); "
            f"{mend or NETWORKS[network].mend}"
        ) from error
    load_weights(path, model)
    return model


def build_network(network: str, config: dict, **options: Any) -> "keras.Model":
    """Build a network with its first weights.

    Args:
        network: its name in `NETWORKS`.
        config: what its `get_config` returns.
        options: what else its class takes, such as a seed.
    """
    module, name = class_of(network, config)
    kind = getattr(importlib.import_module(f"reverie.models.{module}"), name)
    return kind(**config, **options)


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
        found = config.get(name)
        if found != value:
            raise InputError(
                f"{path}: its {name} is {found}, not {value}; choose the same flags as in "
                "its training, or leave --initial_weights away"
            )


def load_weights(path: Path, model: "keras.Model") -> None:
    """Fill a network of the same configuration from a file.

    Raises:
        InputError: a weight is missing, has another shape or is no number.
    """
    with open_hdf5(path, "weights", "train the network again") as file:
        for name, variable in _named_weights(model):
            values = file["weights"].get(name)
            if values is None or values.shape != tuple(variable.shape):
                found = "is missing" if values is None else f"has shape {values.shape}"
                raise InputError(f"{path}: {name} {found}, expected {variable.shape}")
            numbers = np.asarray(values, dtype="float32") * values.attrs.get("scale", 1.0)
            if not np.isfinite(numbers).all():
                raise InputError(f"{path}: {name} holds NaN or infinity; train it anew")
            variable.assign(numbers)


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
