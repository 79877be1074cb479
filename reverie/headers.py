"""What artifacts say of themselves: one typed header a kind, read and checked by `open_header`.

Every fault is one line that names the file, what is wrong and the command that mends it. What a
header lacks because an earlier version wrote it has the default of its field; `docs/formats.md`
lists them. Light: neither Keras nor a game is imported.
"""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import h5py
import numpy as np

from reverie.artifacts import Refusal, bare, reading
from reverie.fields import parse, short
from reverie.hdf5 import open_hdf5, plain
from reverie.networks import (
    CLONES,
    FRAME_SHAPE,
    NETWORKS,
    classes_fault,
    config_fault,
    detector_fault,
)
from reverie.spaces import code_size, space_fault

SCHEMA = 1
PREPROCESSING = 1  # of every file that does not say it
CONTROLLER = {  # what the shape of a controller must and may say
    "features": str,
    "latent_size": int,
    "units": int,
    "action_size": int,
    "bias": bool,
    "actions": dict,
}


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
    required: ClassVar[tuple[str, ...]]  # fields without which the file is of no use

    game: str = ""
    preprocessing: int = PREPROCESSING

    def check(self, shapes: dict[str, tuple], fail: Refusal) -> None:
        """Check what the header says against itself and against the arrays of its file.

        Args:
            shapes: of the arrays by name; of rollouts the names of the episodes.
            fail: is called with what is wrong, and raises.
        """
        for name in ("observation_space", "action_space"):
            space = getattr(self, name, None)
            if space and (fault := space_fault(space)):
                fail(f"its {name} {fault}")
        steps = getattr(self, "options", {}).get("time_steps", 1)
        if type(steps) is not int or steps < 1:
            fail(f"its option time_steps is {short(steps)}, which is not a number of steps")


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
        balance: what they show in equal shares, see `Game.balances`; empty for whatever came.
    """

    kind = "rollouts"
    title = "rollouts"
    mend = "record them with: python 01_generate_data.py"
    required = ("game", "action_space", "policy", "seed", "options", "total_episodes")

    env_id: str = ""
    env_version: str = ""
    observation_space: dict = field(default_factory=dict)
    action_space: dict = field(default_factory=dict)
    policy: str = ""
    seed: int = 0
    options: dict = field(default_factory=dict)
    total_episodes: int = 0
    balance: str = ""

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Rows, columns and colours of the frames."""
        return tuple(self.observation_space.get("shape", FRAME_SHAPE))

    def check(self, shapes: dict[str, tuple], fail: Refusal) -> None:
        """Check spaces, and that there are as many episodes as it says."""
        super().check(shapes, fail)
        if not shapes:
            fail("holds no episodes")
        if len(shapes) != self.total_episodes:
            fail(f"says that it holds {self.total_episodes} episodes, but holds {len(shapes)}")
        if not self.action_space:
            fail("its action_space is empty")


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
    required = ("game", "latent_size", "vae", "action_space", "policies")

    latent_size: int = 0
    vae: str = ""
    vae_weights: str = field(default="", compare=False)  # the hash says which one it is
    action_space: dict = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)
    batches: dict = field(default_factory=dict)

    def check(self, shapes: dict[str, tuple], fail: Refusal) -> None:
        """Check spaces, and that it says who played."""
        super().check(shapes, fail)
        if not self.policies or not self.action_space:
            fail("it does not say who played, or with which actions")


@dataclass(frozen=True)
class Recorded:
    """The episodes that an MDN-RNN was trained on.

    Attributes:
        policies: those that played them.
        policy_index: which one each episode.
        lengths: of the episodes, in steps.
        options: what the game was started with.
    """

    required: ClassVar[tuple[str, ...]] = ()

    policies: tuple[str, ...] = ()
    policy_index: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    options: dict = field(default_factory=dict)

    def policy_of(self, episode: int) -> str:
        """Return who played an episode; an empty string where the file does not say."""
        return self.policies[self.policy_index[episode]] if self.policies else ""

    def check(self, shapes: dict[str, tuple], fail: Refusal) -> None:
        """Check that every episode has a policy and a first frame."""
        if len(self.policy_index) != len(self.lengths):
            fail("its recorded episodes and who played them are not as many")
        first = shapes.get("arrays/first_mu")
        if first and first[0] != len(self.lengths):
            fail(f"it has {first[0]} first frames of {len(self.lengths)} recorded episodes")
        if any(not 0 <= i < len(self.policies) for i in self.policy_index):
            fail("its policy_index names a policy that it does not list")


@dataclass(frozen=True)
class WeightsHeader(Header):
    """What the weights of a network say.

    Attributes:
        network: its name in `NETWORKS`.
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
    required = ("game", "network", "config")

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

    def check(self, shapes: dict[str, tuple], fail: Refusal) -> None:
        """Check spaces, and that the network can be rebuilt with the arrays that are there."""
        super().check(shapes, fail)
        if self.network not in NETWORKS:
            fail(f"holds a network {self.network!r}, which this version does not know")
        if fault := config_fault(self.network, self.config, shapes):
            fail(fault)
        self._check_notes(fail)
        if self.network == "MDNRNN":
            size, actions = self.config.get("action_size", 1), code_size(self.action_space)
            if size != actions:
                fail(f"its action_space has codes of {actions} numbers, its network takes {size}")
        if self.network == "Detector" and (fault := detector_fault(self.config, self.notes)):
            fail(fault)
        if self.network in CLONES and (fault := classes_fault(self.config, self.notes)):
            fail(fault)
        if self.recorded:
            self.recorded.check(shapes, fail)

    def _check_notes(self, fail: Refusal) -> None:
        said = self.notes | vars(self)
        for name, kind in NETWORKS[self.network].notes.items():
            if not isinstance(said.get(name), kind):
                fail(f"it does not say its {name}, or not as a {kind.__name__}")


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
    required = ("game", "controller", "vae_weights", "rnn_weights")

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

    def check(self, shapes: dict[str, tuple], fail: Refusal) -> None:
        """Check the shape of the controller and its actions."""
        super().check(shapes, fail)
        shape = self.controller
        for name, value in shape.items():
            if name not in CONTROLLER:
                fail(f"its shape has {name!r}, which no controller knows")
            kind = CONTROLLER[name]
            if type(value) is not kind and not (name == "actions" and value is None):
                fail(f"its {name} is {short(value)}, which is not of type {kind.__name__}")
        for name in ("features", "latent_size", "units", "action_size"):
            if name not in shape:
                fail(f"it does not say its {name}")
            if type(shape[name]) is int and shape[name] < 1:
                fail(f"its {name} is {shape[name]}")
        space = shape.get("actions")
        if space and (fault := space_fault(space)):
            fail(f"its actions {fault}")
        if space and code_size(space) != shape["action_size"]:
            fail(f"its action_size is not the {code_size(space)} numbers that its actions need")


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
    required = ("game", "choice", "rollouts")

    choice: dict = field(default_factory=dict)
    rollouts: dict = field(default_factory=dict)

    def check(self, shapes: dict[str, tuple], fail: Refusal) -> None:
        """Check that every part has frames, and as many of each label."""
        super().check(shapes, fail)
        for part in ("train", "validation", "thresholds", "test"):
            frames = shapes.get(f"{part}/frames", ())
            if len(frames) != 4 or frames[-1] != 3:
                fail(f"{part} holds no frames")
            for name in ("values", "steps", "episodes"):
                if shapes.get(f"{part}/{name}") != frames[:1]:
                    fail(f"{part} does not have {frames[0]} {name}")


Kind = TypeVar("Kind", bound=Header)
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
    header.check(shapes, fail)
    if game is not None and header.game != game:
        fail(f"{title} of {header.game!r}, not of {game!r}")
    if preprocessing is not None and header.preprocessing != preprocessing:
        fail(f"its frames have preprocessing {header.preprocessing}, not {preprocessing}")
    return header


def open_clone(path: Path) -> WeightsHeader:
    """Read the header of a clone, whatever it sees; see `open_header`."""
    header = open_header(path, WeightsHeader, mend=NETWORKS["GPT"].mend)
    if header.network not in CLONES:
        Refusal(path, NETWORKS["GPT"].mend)(f"holds no clone but {header.network}")
    return header


def _read_npz(path: Path, title: str, mend: str) -> tuple[dict, dict]:
    with reading(path, title, mend), np.load(path) as archive:
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
    wanted = network or bare(kind.title)
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


def path_from(folder: Path, path: Path) -> str:
    """Return a path as seen from a folder, so that both can be moved together."""
    return os.path.relpath(Path(path).resolve(), Path(folder).resolve())


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
