"""Rollouts as a Minari dataset and back, to the bit.

Minari keeps whatever looks like a picture as JPEG, which loses. Frames therefore travel with their
channels first, which do not look like one, and ground truth of uint8 as int16; the dataset's
metadata, under `reverie`, say what was what.
"""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, InputError, Refusal
from reverie.fields import parse
from reverie.games.actions import space_of
from reverie.headers import RolloutsHeader, header_text, open_header
from reverie.rollouts.batches import write_batch
from reverie.rollouts.storage import STEP_KEYS, Episode, iterate_episodes
from reverie.stage import progress, stop_signal

EXTRA = "pip install -e '.[datasets]'"
NOTE = "reverie"  # in the dataset's metadata
MAIN, METADATA = "data/main_data.hdf5", "data/metadata.json"


def import_minari() -> Any:
    """Return Minari.

    Raises:
        InputError: it is not installed.
    """
    try:
        import minari
        from minari.dataset.minari_storage import MinariStorage  # noqa: F401
    except ImportError as error:
        raise InputError(f"Minari is not installed ({error}); {EXTRA}") from error
    return minari


def to_minari(paths: list[Path], output: Path, name: str) -> int:
    """Write checked batches of one game as a dataset `<output>/<name>`.

    Minari finds it where `MINARI_DATASETS_PATH` is `output`. Interrupted, the same call continues.

    Args:
        paths: the batches.
        output: a folder of Minari datasets.
        name: of the dataset, e.g. `doomrnn/played-v0`.

    Returns:
        How many episodes it holds.

    Raises:
        InputError: another dataset has that name.
        Stopped: a signal came; what was written is kept.
    """
    minari = import_minari()
    folder = output / name
    headers = [open_header(path, RolloutsHeader) for path in paths]
    if not (folder / METADATA).exists():
        shutil.rmtree(folder, ignore_errors=True)
        _create(folder, name, headers[0], minari.__version__)
    storage = _open(folder)
    sources = {str(p.resolve()): json.loads(header_text(h)) for p, h in zip(paths, headers)}
    if storage.metadata.setdefault(NOTE, sources) != sources:
        raise InputError(f"{folder}: another dataset; choose another --name")
    storage.update_metadata({NOTE: sources})
    done = int(storage.metadata["total_episodes"])
    _drop_unfinished(folder / MAIN, done)
    total = sum(header.total_episodes for header in headers)
    with progress(total=total, initial=done, desc="episodes") as bar:
        for number, (_, _, group) in enumerate(iterate_episodes(paths)):
            if number < done:
                continue
            storage.update_episodes([_buffer(group)])
            bar.update()
            stop_signal.check()
    return total


def _open(folder: Path) -> Any:
    from minari.dataset.minari_storage import MinariStorage

    return MinariStorage.read(folder / "data")


def _create(folder: Path, name: str, header: RolloutsHeader, version: str) -> None:
    from minari.dataset.minari_storage import MinariStorage

    rows, columns, channels = header.observation_space["shape"]
    shape = (channels, rows, columns)
    folder.mkdir(parents=True)
    storage = MinariStorage.new(
        folder / "data",
        observation_space=gymnasium.spaces.Box(0, 255, shape, np.uint8),
        action_space=space_of(header.action_space),
    )
    storage.update_metadata(
        {"dataset_id": name, "minari_version": version, "algorithm_name": header.policy}
    )


def _drop_unfinished(path: Path, done: int) -> None:
    """Remove an episode that a killed process has begun to write."""
    try:
        with h5py.File(path, "a") as file:
            for name in list(file):
                if int(name.removeprefix("episode_")) >= done:
                    del file[name]
    except OSError as error:
        raise InputError(f"{path}: damaged ({error}); remove it and convert anew") from error


def _buffer(group: h5py.Group) -> Any:
    from minari.data_collector import EpisodeBuffer

    infos = {name: values[:] for name, values in group.get("infos", {}).items()}
    return EpisodeBuffer(
        seed=int(group.attrs["seed"]),
        observations=np.moveaxis(group["observations"][:], -1, 1),
        infos={n: v.astype(np.int16) if v.dtype == np.uint8 else v for n, v in infos.items()},
        options={"uint8": [n for n, v in infos.items() if v.dtype == np.uint8]},
        **{name: group[name][:] for name in STEP_KEYS},
    )


def from_minari(folder: Path, output: Path) -> list[Path]:
    """Write a dataset that `to_minari` wrote as rollouts: the batches that it came from.

    Raises:
        InputError: the folder holds no Minari dataset, or one that was not made from rollouts.
        Stopped: a signal came; what was written is kept.
    """
    import_minari()
    folder = Path(folder)
    try:
        notes = json.loads((folder / METADATA).read_text())[NOTE]
    except UNREADABLE as error:
        raise InputError(
            f"{folder}: no Minari dataset that was made from rollouts ({error}); name the folder "
            "that holds its data/, as `convert --to minari` wrote it"
        ) from error
    storage, paths, start = _open(folder), [], 0
    for name, raw in notes.items():
        header = parse(RolloutsHeader, raw, Refusal(folder, "convert it anew"))
        paths.append(output / Path(name).name)
        numbers = range(start, start + header.total_episodes)
        write_batch(paths[-1], numbers, partial(_episode, storage), header)
        start += header.total_episodes
    return paths


def _episode(storage: Any, number: int) -> Episode:
    (values,), (notes,) = storage.get_episodes([number]), storage.get_episode_metadata([number])
    infos, bytes_ = values["infos"] or {}, notes.get("options", {}).get("uint8", ())
    return Episode(
        seed=notes["seed"],
        observations=np.ascontiguousarray(np.moveaxis(values["observations"], 1, -1)),
        infos={n: v.astype(np.uint8) if n in bytes_ else v for n, v in infos.items()},
        **{name: values[name] for name in STEP_KEYS},
    )
