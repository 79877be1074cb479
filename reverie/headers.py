"""What artifacts say of themselves: one typed header a kind, read and checked by `open_header`.

Every fault is one line that names the file, what is wrong and the command that mends it. What a
header lacks because an earlier version wrote it has the default of its field; `docs/formats.md`
lists them. Light: neither Keras nor a game is imported.
"""

import dataclasses
import errno
import json
import math
import os
import re
import types
import typing
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, Damaged, InputError, file_hash, require_file
from reverie.networks import FRAME_SHAPE, NETWORKS, config_fault, written_size
from reverie.runs import CHECKPOINT, METRICS, SCORES
from reverie.spaces import code_size, space_fault

SCHEMA = 1
PREPROCESSING = 1  # of every file that does not say it
LOCKED = (errno.EAGAIN, errno.EWOULDBLOCK)
FORBIDDEN = (errno.EACCES, errno.EPERM)
BROKEN = (errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ENXIO)


@dataclass(frozen=True)
class Header:
    """What all headers say.

    Attributes:
        game: the game's name.
        preprocessing: version of how the game makes its frames, see `Game.preprocessing`.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    mend: ClassVar[str]

    game: str = ""
    preprocessing: int = PREPROCESSING


@dataclass(frozen=True)
class RolloutsHeader(Header):
    """What a batch of rollouts says.

    Attributes:
        env_id: what its package calls the game.
        env_version: of that package.
        observation_space: see `describe_space`.
        action_space: the same, and into how many `levels` the game sorts each number.
        policy: who played: a policy by name, or `controller:` and the hash of its file.
        seed: decided the seeds of the episodes.
        options: what the game was started with.
        total_episodes: how many there are.
    """

    kind = "rollouts"
    title = "rollouts"
    mend = "record them with: python 01_generate_data.py"

    env_id: str = ""
    env_version: str = ""
    observation_space: dict = field(default_factory=dict)
    action_space: dict = field(default_factory=dict)
    policy: str = ""
    seed: int = 0
    options: dict = field(default_factory=dict)
    total_episodes: int = 0

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Rows, columns and colours of the frames."""
        return tuple(self.observation_space.get("shape", FRAME_SHAPE))


@dataclass(frozen=True)
class LatentsHeader(Header):
    """What the latents of many episodes say.

    Attributes:
        latent_size: Z.
        vae: hash of the VAE's weights.
        vae_weights: where that VAE is; a path from the folder of the latents.
        action_space: see `RolloutsHeader`.
        policies: those that played; the array `policy_index` says which one each episode.
        options: what the game was started with, the longest `time_steps` of all batches.
        batches: identity of each batch by its name, see `reverie.rollouts.identity`.
    """

    kind = "latents"
    title = "latents"
    mend = "write them with: python 03_generate_rnn_data.py"

    latent_size: int = 0
    vae: str = ""
    vae_weights: str = field(default="", compare=False)  # the hash says which one it is
    action_space: dict = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)
    batches: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """The episodes that an MDN-RNN was trained on.

    Attributes:
        policies: those that played them.
        policy_index: which one each episode.
        lengths: of the episodes, in steps.
        options: what the game was started with.
    """

    policies: tuple[str, ...] = ()
    policy_index: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    options: dict = field(default_factory=dict)

    def policy_of(self, episode: int) -> str:
        """Return who played an episode; an empty string where the file does not say."""
        return self.policies[self.policy_index[episode]] if self.policies else ""


@dataclass(frozen=True)
class WeightsHeader(Header):
    """What the weights of a network say.

    Attributes:
        network: name of its class.
        config: what rebuilds it.
        vae: hash of the VAE whose latents or pictures it knows.
        vae_weights: where that VAE is; a path from the folder of the weights, of an MDN-RNN.
        action_space: see `RolloutsHeader`; of an MDN-RNN.
        recorded: the episodes behind it; of an MDN-RNN.
        choice: what its frames were chosen by; of stage 6.
        notes: whatever else it says, by name.
    """

    kind = "weights"
    title = "weights"
    mend = "train the network again"

    network: str = ""
    config: dict = field(default_factory=dict)
    vae: str = ""
    vae_weights: str = ""
    action_space: dict | None = None
    recorded: Recorded | None = None
    choice: dict | None = None
    notes: dict = field(default_factory=dict)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Rows, columns and colours of the frames that a VAE sees."""
        return tuple(self.config.get("frame_shape", FRAME_SHAPE))


@dataclass(frozen=True)
class ControllerHeader(Header):
    """What a controller says.

    Attributes:
        controller: its shape, the fields of `Controller`.
        vae_weights: the VAE it sees with; a path from the controller's own folder.
        rnn_weights: the MDN-RNN it remembers with, likewise.
        vae: hash of the VAE's weights; empty in files of earlier versions.
        rnn: hash of the MDN-RNN's weights, likewise.
        train_in: `dream` or `game`.
        options: what the game was started with.
        temperature: of the dream.
        sigma_temperature: of the spread inside a component; None for the same.
        notes: whatever else it says, by name.
    """

    kind = "controller"
    title = "a controller"
    mend = "evolve one with: python 05_train_controller.py"

    controller: dict = field(default_factory=dict)
    vae_weights: str = ""
    rnn_weights: str = ""
    vae: str = ""
    rnn: str = ""
    train_in: str = "dream"
    options: dict = field(default_factory=dict)
    temperature: float = 1.0
    sigma_temperature: float | None = None
    notes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class LabelledFramesHeader(Header):
    """What a file of labelled frames says.

    Attributes:
        choice: what the frames were chosen by.
        rollouts: identity of each batch by its name, see `reverie.rollouts.identity`.
    """

    kind = "labelled frames"
    title = "labelled frames"
    mend = "delete it and run 06_critic_masks.py again"

    choice: dict = field(default_factory=dict)
    rollouts: dict = field(default_factory=dict)


Kind = TypeVar("Kind", bound=Header)
Fields = TypeVar("Fields")
# What cannot have a default, by kind: without it the file is no such artifact, or of no use.
REQUIRED = {
    RolloutsHeader: ("game", "action_space", "policy", "seed", "options", "total_episodes"),
    LatentsHeader: ("game", "latent_size", "vae", "action_space", "policies"),
    WeightsHeader: ("game", "network", "config"),
    ControllerHeader: ("game", "controller", "vae_weights", "rnn_weights"),
    LabelledFramesHeader: ("game", "choice", "rollouts"),
    Recorded: (),
}
UNNUMBERED = (ControllerHeader, LabelledFramesHeader)  # earlier versions gave them no schema
MARKS = {  # what tells a kind where the file does not say it
    WeightsHeader: {"network"},
    ControllerHeader: {"controller"},
    LabelledFramesHeader: {"choice"},
    LatentsHeader: {"latent_size"},
    RolloutsHeader: {"total_episodes", "env_id"},
}
JSON_ATTRIBUTES = ("observation_space", "action_space", "options", "config", "controller")


def open_header(
    path: Path,
    kind: type[Kind],
    *,
    network: str | None = None,
    game: str | None = None,
    preprocessing: int | None = None,
    mend: str | None = None,
) -> Kind:
    """Read the header of an artifact and check it, and the shapes of what it speaks of.

    Args:
        path: the file.
        kind: which header it should have.
        network: name of the network that weights should be of.
        game: which it should be of.
        preprocessing: which its frames should have.
        mend: the command that makes such a file, where the usual one does not do.

    Raises:
        InputError: the file is missing, damaged, of another kind, schema, network, game or
            preprocessing, or says something that cannot be. `Damaged` if it cannot be read.
    """
    path = Path(path)
    title, usual = kind.title, kind.mend
    if network is not None:
        title, usual = NETWORKS[network].title, NETWORKS[network].mend
    mend = mend or usual
    if kind is LatentsHeader:
        raw, shapes = _read_npz(path, title, mend)
    else:
        with open_hdf5(path, title, mend) as file:
            raw, shapes = _read_attributes(file, path, mend), _shapes(file, kind)
    fail = Refusal(path, mend)
    _check_kind(raw, kind, network, fail)
    header = _parse_header(raw, kind, fail)
    _check_content(header, shapes, fail)
    if game is not None and header.game != game:
        fail(f"{title} of {header.game!r}, not of {game!r}")
    if preprocessing is not None and header.preprocessing != preprocessing:
        fail(f"its frames have preprocessing {header.preprocessing}, not {preprocessing}")
    return header


def open_networks(
    vae_weights: Path,
    rnn_weights: Path,
    *,
    game: str | None = None,
    preprocessing: int | None = None,
) -> tuple[WeightsHeader, WeightsHeader]:
    """Open the headers of a VAE and of the MDN-RNN that was trained on its latents.

    Args:
        vae_weights: what stage 2 wrote.
        rnn_weights: what stage 4 wrote.
        game: which they should be of.
        preprocessing: which the VAE's frames should have.

    Raises:
        InputError: one cannot be used, or they do not belong together.
    """
    vae = open_header(
        vae_weights, WeightsHeader, network="VAE", game=game, preprocessing=preprocessing
    )
    same = {"game": vae.game, "preprocessing": vae.preprocessing}
    rnn = open_header(rnn_weights, WeightsHeader, network="MDNRNN", **same)
    check_same_vae(rnn_weights, rnn, vae_weights)
    sizes = [header.config.get("latent_size", 64) for header in (vae, rnn)]
    if sizes[0] != sizes[1]:
        Refusal(rnn_weights, NETWORKS["MDNRNN"].mend)(
            f"takes {sizes[1]} latents, {vae_weights} makes {sizes[0]}"
        )
    for path in (vae_weights, rnn_weights):
        check_trained(path)
    return vae, rnn


def check_trained(path: Path) -> None:
    """Check that the training whose run folder holds these weights is finished.

    Raises:
        InputError: it is not; the message says how far it is.
    """
    folder = Path(path).parent
    if (folder / SCORES).exists() or not (folder / CHECKPOINT).exists():
        return
    log = folder / METRICS
    epochs = len(log.read_text().splitlines()) if log.exists() else 0
    raise InputError(
        f"{path}: its training is unfinished, {epochs} epochs so far; let it end, continue it with "
        "the same command, or copy the file elsewhere to use it as it is"
    )


def check_same_vae(path: Path, header: Header, vae_weights: Path) -> None:
    """Check that latents or a network belong to this VAE.

    Raises:
        InputError: they belong to another one, or do not say to which.
    """
    found = file_hash(vae_weights)
    if header.vae != found:
        raise InputError(
            f"{path}: trained on latents of another VAE than {vae_weights} (its hash is {found}, "
            f"not {header.vae or 'known'}); name the VAE of its training, or encode with this one "
            "(03_generate_rnn_data.py) and train again (04_train_rnn.py)"
        )


def check_frames(source: Path, shape: Sequence[int], vae_weights: Path, vae: WeightsHeader) -> None:
    """Check that a VAE sees frames of the shape that there are.

    Args:
        source: where the frames lie, for the message.
        shape: of the frames.
        vae_weights: the VAE's file.
        vae: its header.

    Raises:
        InputError: it sees frames of another shape.
    """
    if tuple(shape) != vae.frame_shape:
        raise InputError(
            f"{source}: frames of {written_size(shape)} pixels, but {vae_weights} sees "
            f"{written_size(vae.frame_shape)}; record with 01_generate_data.py --frame_size "
            f"{vae.frame_shape[0]}, or train a VAE on these frames with 02_train_vae.py"
        )


def known_vae(rnn_weights: Path, header: WeightsHeader) -> Path:
    """Return the VAE on whose latents an MDN-RNN was trained, where its weights say that it lies.

    Raises:
        InputError: they do not say it, or it is not there.
    """
    mend = "name it with vae_weights=..."
    if not header.vae_weights:
        raise InputError(f"{rnn_weights}: does not say where the VAE of its latents lies; {mend}")
    path = Path(os.path.normpath(Path(rnn_weights).parent.resolve() / header.vae_weights))
    if not path.is_file() or file_hash(path) != header.vae:
        raise InputError(f"{rnn_weights}: the VAE of its latents is not at {path}; {mend}")
    return path


def path_from(folder: Path, path: Path) -> str:
    """Return a path as seen from a folder, so that both can be moved together."""
    return os.path.relpath(Path(path).resolve(), Path(folder).resolve())


def name_networks(
    header: ControllerHeader, path: Path, vae_weights: Path, rnn_weights: Path
) -> ControllerHeader:
    """Return a controller's header that names its networks as seen from the controller's folder.

    So a folder that holds all of them can be renamed, moved and copied.
    """
    vae, rnn = (path_from(Path(path).parent, place) for place in (vae_weights, rnn_weights))
    hashes = {"vae": file_hash(vae_weights), "rnn": file_hash(rnn_weights)}
    return dataclasses.replace(header, vae_weights=vae, rnn_weights=rnn, **hashes)


def find_networks(
    path: Path,
    header: ControllerHeader,
    vae_weights: Path | None = None,
    rnn_weights: Path | None = None,
) -> tuple[Path, Path]:
    """Return the weights of VAE and MDN-RNN that a controller was evolved with, checked.

    Args:
        path: the controller's file.
        header: what it says.
        vae_weights: the VAE, where it is not at the place that the header names.
        rnn_weights: the MDN-RNN, likewise.

    Raises:
        InputError: one of them is missing, is another one, of another game, or they do not belong
            together.
    """
    places = []
    for title, flag, given, named, digest in (
        ("VAE", "--vae_weights", vae_weights, header.vae_weights, header.vae),
        ("MDN-RNN", "--rnn_weights", rnn_weights, header.rnn_weights, header.rnn),
    ):
        place = Path(given) if given else Path(os.path.normpath(path.parent.resolve() / named))
        if not place.is_file():
            raise InputError(f"{path}: its {title} is not at {place}; name it with {flag}")
        if digest and file_hash(place) != digest:
            raise InputError(
                f"{place}: not the {title} that {path} was evolved with (its hash is "
                f"{file_hash(place)}, not {digest}); name that one with {flag}"
            )
        places.append(place)
    _, rnn = open_networks(*places, game=header.game, preprocessing=header.preprocessing)
    for name in ("latent_size", "units", "action_size"):
        if rnn.config.get(name, header.controller[name]) != header.controller[name]:
            raise InputError(
                f"{path}: its {name} is {header.controller[name]}, that of {places[1]} "
                f"{rnn.config[name]}; name the networks that it was evolved with"
            )
    return places[0], places[1]


class Refusal:
    """Says what is wrong with a file, and what mends it."""

    def __init__(self, path: Path, mend: str) -> None:
        self.path, self.mend = path, mend

    def __call__(self, fault: str) -> typing.NoReturn:
        """Raise an `InputError` of one line."""
        raise InputError(f"{self.path}: {fault}; {self.mend}")


@contextmanager
def open_hdf5(path: Path, title: str, mend: str) -> Iterator[h5py.File]:
    """Open an HDF5 file to read; what goes wrong inside the block is told apart.

    Raises:
        InputError: the file is missing, locked by a process that writes it, not to be read by this
            user, or on a disk that fails.
        Damaged: it is cut off, not HDF5, or what the block looks for is not as it should be.
    """
    require_file(path, _bare(title), mend)
    with _told_apart(path, title, mend), h5py.File(path, "r") as file:
        yield file


def _bare(title: str) -> str:
    """Return a title without its article."""
    return title.removeprefix("a ").removeprefix("an ")


@contextmanager
def _told_apart(path: Path, title: str, mend: str) -> Iterator[None]:
    try:
        yield
    except (*UNREADABLE, EOFError, zipfile.BadZipFile) as error:
        number = getattr(error, "errno", None)
        if number in LOCKED:
            fault = "another process has it open to write; wait until that is done"
        elif number in FORBIDDEN:
            fault = "no permission to read it; change its mode, or run as its owner"
        elif number in BROKEN:
            fault = f"the disk does not give it ({error}); try again, or copy it from elsewhere"
        else:
            raise Damaged(f"{path}: damaged, or not {title} ({error}); {mend}") from error
        raise InputError(f"{path}: {fault}") from error


def _read_npz(path: Path, title: str, mend: str) -> tuple[dict, dict]:
    require_file(path, _bare(title), mend)
    with _told_apart(path, title, mend), np.load(path) as archive:
        return json.loads(str(archive["header"])), {}


def _read_attributes(file: h5py.File, path: Path, mend: str) -> dict:
    """Return all attributes as plain values, JSON decoded and notes beside the others."""
    raw = {name: plain(value) for name, value in file.attrs.items()}
    for name in (*JSON_ATTRIBUTES, "notes", "header"):
        if name in raw:
            try:
                raw[name] = json.loads(raw[name])
            except (TypeError, ValueError) as error:
                Refusal(path, mend)(f"its {name} is not JSON ({error})")
    for name in ("notes", "header"):
        inner = raw.pop(name, {})
        if not isinstance(inner, dict):
            Refusal(path, mend)(f"its {name} is no table")
        raw |= inner
    return raw


def plain(value: Any) -> Any:
    """Turn what h5py returns for an attribute into a plain value of Python."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return value.decode() if isinstance(value, bytes) else value


def _shapes(file: h5py.File, kind: type[Header]) -> dict[str, tuple]:
    """Return the shapes of the arrays that a header speaks of; of rollouts their episodes."""
    if kind is RolloutsHeader:
        return dict.fromkeys(file, ())
    shapes = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[name.removeprefix("weights/")] = item.shape

    file.visititems(note)
    return shapes


def _check_kind(raw: dict, kind: type[Header], network: str | None, fail: Refusal) -> None:
    """Check that attributes are those of a kind, in a schema that this version reads."""
    wanted = network or _bare(kind.title)
    said = raw.get("kind", _guess(raw))
    if said != kind.kind:
        fail(f"holds no {wanted} but {said or 'something else'}")
    schema = raw.get("schema", SCHEMA if kind in UNNUMBERED else None)
    if type(schema) is not int or schema != SCHEMA:
        fail(f"{kind.title} of schema {schema}, this version reads {SCHEMA}")
    if network is not None and raw.get("network") != network:
        fail(f"holds no {network} but {raw.get('network', 'something else')}")


def _guess(raw: dict) -> str | None:
    """Return the kind of a file of an earlier version, which did not write it."""
    return next((kind.kind for kind, names in MARKS.items() if names & raw.keys()), None)


def _parse_header(raw: dict, kind: type[Kind], fail: Refusal) -> Kind:
    """Turn attributes into a header, with the defaults of what earlier versions did not write."""
    raw = {name: value for name, value in raw.items() if name not in ("schema", "kind")}
    if isinstance(raw.get("choice"), dict):
        raw.setdefault("game", raw["choice"].get("game"))
    if kind is LatentsHeader and "policy" in raw:
        raw["policies"] = [raw.pop("policy")]
    recorded = raw.get("recorded")
    if isinstance(recorded, dict) and "policy" in recorded:
        count = len(recorded["lengths"]) if isinstance(recorded.get("lengths"), list) else 0
        raw["recorded"] = recorded | {"policies": [recorded["policy"]], "policy_index": [0] * count}
    header = parse(kind, raw, fail)
    if not header.game:
        fail("its game is empty")
    return header


def parse(kind: type[Fields], raw: dict, fail: Callable[[str], Any]) -> Fields:
    """Make a dataclass of plain values, each of the type that its field has.

    A field `notes` takes what no other field has asked for; otherwise that is passed over.

    Args:
        kind: the dataclass.
        raw: the values by name.
        fail: is called with what is wrong, and raises.
    """
    hints, values = typing.get_type_hints(kind), {}
    fields = [each.name for each in dataclasses.fields(kind) if each.name != "notes"]
    for name in fields:
        if name in raw:
            values[name] = _typed(raw[name], hints[name], name, fail)
        elif name in REQUIRED.get(kind, fields):
            fail(f"it does not say its {name}")
    if "notes" in hints:
        values["notes"] = {name: raw[name] for name in raw.keys() - set(fields)}
    return kind(**values)


LONG = re.compile(r"\d{19,}")  # numbers of more than 64 bits, see `write_header`
WORDS = {str: "text", int: "a whole number from 0 on", float: "a number", bool: "true or false"}


def _typed(value: Any, hint: Any, name: str, fail: Callable[[str], Any]) -> Any:
    """Return a value if it is of a type, lists as tuples and tables as dataclasses."""
    if isinstance(hint, types.UnionType):
        return None if value is None else _typed(value, typing.get_args(hint)[0], name, fail)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return parse(hint, value, lambda fault: fail(f"in its {name}: {fault}"))
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_typed(item, typing.get_args(hint)[0], name, fail) for item in value)
    if hint is float and type(value) is int:
        value = float(value)
    if hint is int and isinstance(value, str) and LONG.fullmatch(value):
        value = int(value)
    if (
        type(value) is not hint
        or (hint is float and not math.isfinite(value))
        or (hint is int and value < 0)
    ):
        fail(f"its {name} is {_short(value)}, which is not {WORDS.get(hint, 'a table or list')}")
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:56]} ..."


def _check_content(header: Header, shapes: dict[str, tuple], fail: Refusal) -> None:
    """Check what a header says against itself and against the arrays of its file."""
    for name in ("observation_space", "action_space"):
        space = getattr(header, name, None)
        if space and (fault := space_fault(space)):
            fail(f"its {name} {fault}")
    steps = getattr(header, "options", {}).get("time_steps", 1)
    if type(steps) is not int or steps < 1:
        fail(f"its option time_steps is {_short(steps)}, which is not a number of steps")
    if isinstance(header, RolloutsHeader):
        _check_rollouts(header, shapes, fail)
    elif isinstance(header, WeightsHeader):
        _check_weights(header, shapes, fail)
    elif isinstance(header, ControllerHeader):
        _check_controller(header, fail)
    elif isinstance(header, LabelledFramesHeader):
        _check_labelled_frames(shapes, fail)
    elif not header.policies or not header.action_space:
        fail("it does not say who played, or with which actions")


def _check_rollouts(header: RolloutsHeader, episodes: dict, fail: Refusal) -> None:
    if not episodes:
        fail("holds no episodes")
    if len(episodes) != header.total_episodes:
        fail(f"says that it holds {header.total_episodes} episodes, but holds {len(episodes)}")
    if not header.action_space:
        fail("its action_space is empty")


def _check_weights(header: WeightsHeader, shapes: dict[str, tuple], fail: Refusal) -> None:
    if header.network not in NETWORKS:
        fail(f"holds a network {header.network!r}, which this version does not know")
    network = NETWORKS[header.network]
    if fault := config_fault(header.network, header.config, shapes):
        fail(fault)
    said = header.notes | vars(header)
    for name, kind in network.notes.items():
        if not isinstance(said.get(name), kind):
            fail(f"it does not say its {name}, or not as a {kind.__name__}")
    if header.network == "MDNRNN":
        size, actions = header.config.get("action_size", 1), code_size(header.action_space)
        if size != actions:
            fail(f"its action_space has codes of {actions} numbers, its network takes {size}")
    if header.network == "Detector" and (fault := _detector_fault(header)):
        fail(fault)
    if header.recorded:
        _check_recorded(header.recorded, shapes, fail)


def _detector_fault(header: WeightsHeader) -> str | None:
    """Return what is wrong with what a detector says it judges, None if nothing is."""
    count, notes = header.config.get("statements"), header.notes
    named = [s for s in notes["statements"] if isinstance(s, list) and [type(p) for p in s] == PAIR]
    numbers = [t for t in notes["thresholds"] if type(t) in (int, float) and math.isfinite(t)]
    for name, found in (("statements", named), ("thresholds", numbers)):
        if not len(found) == len(notes[name]) == count:
            return f"its {name} are not {count}, or not all of them can be used"
    whole = all(type(value) is int for value in notes["floor"].values())
    return None if whole else "its floor is no table of whole numbers"


def _check_recorded(recorded: Recorded, shapes: dict[str, tuple], fail: Refusal) -> None:
    if len(recorded.policy_index) != len(recorded.lengths):
        fail("its recorded episodes and who played them are not as many")
    first = shapes.get("arrays/first_mu")
    if first and first[0] != len(recorded.lengths):
        fail(f"it has {first[0]} first frames of {len(recorded.lengths)} recorded episodes")
    if any(not 0 <= i < len(recorded.policies) for i in recorded.policy_index):
        fail("its policy_index names a policy that it does not list")


PAIR = [str, int]  # a statement of a detector: what is counted, and from which number on it holds
CONTROLLER = {  # what the shape of a controller must and may say
    "features": str,
    "latent_size": int,
    "units": int,
    "action_size": int,
    "bias": bool,
    "actions": dict,
}


def _check_controller(header: ControllerHeader, fail: Refusal) -> None:
    for name, value in header.controller.items():
        if name not in CONTROLLER:
            fail(f"its shape has {name!r}, which no controller knows")
        if type(value) is not CONTROLLER[name] and not (name == "actions" and value is None):
            fail(f"its {name} is {_short(value)}, which is not of type {CONTROLLER[name].__name__}")
    for name in ("features", "latent_size", "units", "action_size"):
        if name not in header.controller:
            fail(f"it does not say its {name}")
        if type(header.controller[name]) is int and header.controller[name] < 1:
            fail(f"its {name} is {header.controller[name]}")
    space = header.controller.get("actions")
    if space and (fault := space_fault(space)):
        fail(f"its actions {fault}")
    if space and code_size(space) != header.controller["action_size"]:
        fail(f"its action_size is not the {code_size(space)} numbers that its actions need")


def _check_labelled_frames(shapes: dict[str, tuple], fail: Refusal) -> None:
    for part in ("train", "validation", "thresholds", "test"):
        frames = shapes.get(f"{part}/frames", ())
        if len(frames) != 4 or frames[-1] != 3:
            fail(f"{part} holds no frames")
        for name in ("values", "steps", "episodes"):
            if shapes.get(f"{part}/{name}") != frames[:1]:
                fail(f"{part} does not have {frames[0]} {name}")


def write_header(file: h5py.File, header: Header) -> None:
    """Write a header as attributes of an HDF5 file, in the place of one that is there."""
    whole = header_table(header)
    if isinstance(header, RolloutsHeader):
        attributes = {k: _stored(v) for k, v in whole.items()}
    elif isinstance(header, LabelledFramesHeader):
        attributes = {"header": _text(whole)}
    else:
        own = [name for name in ("network", "config", "controller") if name in whole]
        attributes = {name: whole.pop(name) for name in own}
        attributes = {k: _text(v) if isinstance(v, dict) else v for k, v in attributes.items()}
        attributes["notes"] = _text(whole)
    file.attrs.update({"schema": SCHEMA, "kind": header.kind} | attributes)


def _stored(value: Any) -> Any:
    """Return a value as HDF5 stores it: tables and numbers of more than 64 bits as text."""
    if isinstance(value, dict):
        return _text(value)
    return str(value) if isinstance(value, int) and value >= 2**63 else value


def header_table(header: Header) -> dict:
    """Return what a header says as a table of plain values, notes beside the others."""
    table = dataclasses.asdict(header)
    table |= table.pop("notes", {})
    return {name: value for name, value in table.items() if value is not None}


def header_text(header: Header) -> str:
    """Return a header as JSON, for files that are not HDF5."""
    return _text({"schema": SCHEMA, "kind": header.kind} | header_table(header))


def _text(table: dict) -> str:
    return json.dumps(table, sort_keys=True)
