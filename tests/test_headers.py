"""Every attribute of every kind of artifact, missing or spoiled: one line, in every stage."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import OPTIONS, ROOT, load_script, write_batch, write_latents

from reverie.artifacts import Damaged, InputError, file_hash
from reverie.controllers import film
from reverie.controllers.controller import Controller, load_controller, save_controller
from reverie.headers import (
    ControllerHeader,
    LabelledFramesHeader,
    LatentsHeader,
    Recorded,
    RolloutsHeader,
    WeightsHeader,
    open_header,
    write_header,
)
from reverie.lineage import find_networks, open_networks
from reverie.mixtures import __main__ as mixtures
from reverie.networks import NETWORKS
from reverie.reports import export
from reverie.rollouts.identity import KNOWN, rollouts_identity
from reverie.rollouts.storage import find_batches
from reverie.spaces import space_fault

SPACE = {"type": "Box", "shape": [1], "low": -1.0, "high": 1.0, "dtype": "float32", "levels": 3}
CONFIGS = {
    "VAE": {"architecture": "patch", "latent_size": 4},
    "MDNRNN": {"latent_size": 4, "action_size": 1, "units": 8, "num_mixtures": 2},
}
LENGTHS = [5, 6, 4]
PRETRAINED = sorted((ROOT / "pretrained").rglob("*.h5"))


def write_weights(path: Path, network: str, header: WeightsHeader, **config: object) -> None:
    """Write weights of zeros of a network, as far as its header speaks of them."""
    header = replace(header, network=network, config=CONFIGS[network] | config)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        write_header(file, header)
        for name, shape in NETWORKS[network].sizes(header.config).items():
            file[f"weights/{name}"] = np.zeros(shape, np.float32)
        if network == "MDNRNN":
            for name in ("first_mu", "first_logvar"):
                file[f"arrays/{name}"] = np.zeros((len(LENGTHS), 4), np.float32)


class Place:
    """A run folder of synthetic artifacts that belong together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vae, self.rnn = folder / "vae/vae.h5", folder / "rnn/run_1/rnn.h5"
        self.controller = folder / "controller/controller.h5"
        self.latents, self.moments = folder / "vae/latents.npz", folder / "masks/moments.h5"
        self.rollouts = folder / "rollouts/doomrnn_0.h5"

    def write(self) -> "Place":
        """Write all of them."""
        write_weights(self.vae, "VAE", WeightsHeader("doomrnn"))
        recorded = Recorded(("held_random", "wandering"), (0, 1, 1), tuple(LENGTHS), OPTIONS)
        said = {"vae": file_hash(self.vae), "action_space": SPACE, "recorded": recorded}
        write_weights(self.rnn, "MDNRNN", WeightsHeader("doomrnn", **said))
        controller, header = Controller("zh", 4, 8, 1), ControllerHeader("doomrnn")
        networks = self.vae, self.rnn
        save_controller(self.controller, controller, np.zeros(12), header, networks)
        write_batch(self.rollouts.parent, LENGTHS)
        write_latents(self.latents, LENGTHS)
        self._write_labelled_frames()
        return self

    def _write_labelled_frames(self) -> None:
        choice = {"game": "doomrnn", "reward": "damage"}
        self.moments.parent.mkdir()
        with h5py.File(self.moments, "w") as file:
            write_header(file, LabelledFramesHeader("doomrnn", 1, choice, {}))
            for part in ("train", "validation", "thresholds", "test"):
                file[f"{part}/frames"] = np.zeros((2, 64, 64, 3), np.uint8)
                for name in ("values", "steps", "episodes"):
                    file[f"{part}/{name}"] = np.zeros(2, np.int64)

    def path(self, kind: str) -> Path:
        """Return the file of a kind."""
        return getattr(self, kind)

    def lines(self, kind: str) -> list[tuple]:
        """Return `(main, flags)` of all that read a kind of file."""
        stage = {number: load_script(name).main for number, name in STAGES.items()}
        out, networks = self.folder / "out", self._networks()
        data = self.rollouts.parent
        first = ["--policy", self.controller, "--total_episodes", "1"]
        lines = {
            "rollouts": [
                (stage["01"], ["doomrnn", "--store_folder", data, "--total_episodes", 3]),
                (stage["02"], ["--input_data_folder", data, "--savefolder", out]),
                (stage["03"], self._encode(out)),
                (stage["06"], ["train-critic", *self._masks(out)]),
                (mixtures.main, self._mixtures(out)),
            ],
            "vae": [
                (stage["02"], ["--input_data_folder", data, "--initial_weights", self.vae]),
                (stage["03"], self._encode(out)),
                (stage["05"], ["doomrnn", *networks, "--output_folder", out]),
                (export.main, [*networks, "--folder", out]),
                (mixtures.main, self._mixtures(out)),
            ],
            "rnn": [
                (stage["04"], self._predict(out, "--initial_weights", self.rnn)),
                (stage["05"], ["doomrnn", *networks, "--output_folder", out]),
                (export.main, [*networks, "--folder", out]),
                (mixtures.main, self._mixtures(out)),
            ],
            "latents": [(stage["04"], self._predict(out))],
            "controller": [
                (stage["01"], ["doomrnn", "--store_folder", out, *first]),
                (stage["05"], self._evolve(out, "--initial_controller", self.controller)),
                (film.main, [self.controller, "--output", out / "film.mp4"]),
                (export.main, [*networks, "--folder", out, "--controller", self.controller]),
            ],
            "moments": [(stage["06"], ["train-critic", *self._masks(self.moments.parent)])],
        }
        return lines[kind]

    def _networks(self) -> list:
        return ["--vae_weights", self.vae, "--rnn_weights", self.rnn]

    def _encode(self, out: Path) -> list:
        flags = ["--obs_folder", self.rollouts.parent, "--savefolder", out]
        return [*flags, "--loaded_vae_weights", self.vae]

    def _predict(self, out: Path, *more: object) -> list:
        flags = ["--training_data_file", self.latents, "--upper_level_folder_name", out]
        return [*flags, "--units", 8, "--num_mixtures", 2, *more]

    def _evolve(self, out: Path, *more: object) -> list:
        return ["doomrnn", *self._networks(), "--output_folder", out, *more]

    def _masks(self, out: Path) -> list:
        flags = ["--input_data_folder", self.rollouts.parent, "--savefolder", out]
        return [*flags, "--environment_name", "doomrnn", "--reward", "damage"]

    def _mixtures(self, out: Path) -> list:
        return [*self._networks(), "--rollouts", self.rollouts.parent, "--output_folder", out]


STAGES = {name[:2]: name for name in (path.name for path in ROOT.glob("0[1-6]_*.py"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("whole") / "run").write()


@pytest.fixture
def place(whole, tmp_path):
    shutil.copytree(whole.folder, tmp_path / "run")
    return Place(tmp_path / "run")


def refused(capfd, path, line, *parts):
    """Check that a command ends with exit code 2 and one line that names a file."""
    main, flags = line
    assert main(list(map(str, flags))) == 2, flags
    (error,) = [row for row in capfd.readouterr().err.splitlines() if row.startswith("error: ")]
    assert str(path) in error
    for part in parts:
        assert str(part) in error, error


# How attributes are spoiled: in HDF5 or in the JSON of an npz.

NESTED = {  # attributes of JSON, and the tables of a header that lie in them
    "vae": ("config", "notes"),
    "rnn": ("config", "notes"),
    "controller": ("controller", "notes"),
    "moments": ("header",),
    "rollouts": (),
}


def change(path: Path, edit) -> None:
    """Let a function edit the header of a file as a dictionary of plain values."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            arrays = dict(file)
        header = json.loads(str(arrays["header"]))
        edit(header)
        np.savez(path, **arrays | {"header": np.array(json.dumps(header))})
        return
    with h5py.File(path, "a") as file:
        edit(file.attrs)


def change_nested(path: Path, attribute: str, edit) -> None:
    with h5py.File(path, "a") as file:
        table = json.loads(file.attrs[attribute])
        edit(table)
        file.attrs[attribute] = json.dumps(table)


NEEDED = {
    "rollouts": ("schema", "game", "action_space", "policy", "seed", "options", "total_episodes"),
    "vae": ("schema", "network", "config", "notes"),
    "rnn": ("schema", "network", "config", "notes"),
    "controller": ("controller", "notes"),
    "moments": ("header",),
    "latents": ("schema", "game", "latent_size", "vae", "action_space", "policies"),
}
CASES = [(kind, name) for kind, names in NEEDED.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_missing_attribute_is_one_line_in_every_stage(place, capfd, kind, name):
    change(place.path(kind), lambda header: header.__delitem__(name))
    for line in place.lines(kind):
        refused(capfd, place.path(kind), line)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_an_attribute_of_another_type_is_one_line_in_every_stage(place, capfd, kind, name):
    spoilt = [{}] if kind == "latents" else np.arange(3.0)
    change(place.path(kind), lambda header: header.__setitem__(name, spoilt))
    for line in place.lines(kind):
        refused(capfd, place.path(kind), line)


KINDS = {
    "rollouts": (RolloutsHeader, None),
    "vae": (WeightsHeader, "VAE"),
    "rnn": (WeightsHeader, "MDNRNN"),
    "controller": (ControllerHeader, None),
    "moments": (LabelledFramesHeader, None),
    "latents": (LatentsHeader, None),
}
FIELDS = [
    *(("rollouts", name) for name in (*NEEDED["rollouts"], "preprocessing", "env_id", "kind")),
    *(("rollouts", name) for name in ("env_version", "observation_space")),
    *(("latents", name) for name in (*NEEDED["latents"], "preprocessing", "options", "batches")),
]
TABLES = {  # fields in tables of JSON: which attribute, and the names in it
    ("vae", "notes"): ("game", "preprocessing"),
    ("rnn", "notes"): ("game", "preprocessing", "vae", "action_space", "recorded"),
    ("vae", "config"): ("architecture", "latent_size"),
    ("rnn", "config"): ("latent_size", "action_size", "units", "num_mixtures"),
    ("controller", "controller"): ("features", "latent_size", "units", "action_size", "bias"),
    ("controller", "notes"): ("game", "vae_weights", "rnn_weights", "vae", "rnn", "options"),
    ("moments", "header"): ("game", "choice", "rollouts", "preprocessing"),
}
WRONG = (7.5, [1, {}], True, {"a": 1}, "no such thing", -3)


def opened(place: Place, kind: str):
    header, network = KINDS[kind]
    return open_header(place.path(kind), header, network=network)


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_field_of_another_type_is_named(place, kind, name):
    expected = getattr(opened(place, kind), name, "")
    for value in (*WRONG, np.float32(7.5), b"\xff\xfe"):
        if isinstance(value, (np.generic, bytes, list, dict)) and kind == "latents":
            continue
        spoilt = json.dumps(value) if isinstance(value, (list, dict)) else value
        text = isinstance(expected, str) and isinstance(spoilt, str | bytes) and name != "kind"
        if text or (type(value) is type(expected) and value not in (-3, "no such thing")):
            continue
        change(place.path(kind), lambda header, v=spoilt: header.__setitem__(name, v))
        with pytest.raises(InputError, match=place.path(kind).name):
            opened(place, kind)


@pytest.mark.parametrize(
    ("kind", "attribute", "name"),
    [(*place, name) for place, names in TABLES.items() for name in names],
)
def test_a_field_of_a_table_of_another_type_is_named(place, kind, attribute, name):
    with h5py.File(place.path(kind)) as file:
        right = type(json.loads(file.attrs[attribute])[name])
    for value in WRONG:
        if type(value) is right and value != -3 and name != "architecture":
            continue
        change_nested(place.path(kind), attribute, lambda t, v=value: t.__setitem__(name, v))
        with pytest.raises(InputError, match=place.path(kind).name):
            opened(place, kind)


@pytest.mark.parametrize("text", ["{", "[]", "3", '"x"', "null", "", "{" * 9000])
@pytest.mark.parametrize("kind", NESTED)
def test_json_that_is_not_json_is_one_line_in_every_stage(place, capfd, kind, text):
    attributes = NESTED[kind] or ("action_space", "options")
    for attribute in attributes:
        with h5py.File(place.path(kind), "a") as file:
            kept = file.attrs[attribute]
            file.attrs[attribute] = text
        for line in place.lines(kind) if text == "{" else place.lines(kind)[:1]:
            refused(capfd, place.path(kind), line)
        with h5py.File(place.path(kind), "a") as file:
            file.attrs[attribute] = kept
    opened(place, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_another_schema_is_refused_by_every_stage(place, capfd, kind):
    change(place.path(kind), lambda header: header.__setitem__("schema", 99))
    for line in place.lines(kind):
        refused(capfd, place.path(kind), line, "of schema 99, this version reads 1")


def test_another_preprocessing_is_refused_by_every_stage_that_could_mix_them(place, capfd):
    change(place.rollouts, lambda header: header.__setitem__("preprocessing", 2))
    for line in place.lines("rollouts")[1:]:
        refused(capfd, place.rollouts, line, "preprocessing 2, not 1")
    change(place.rollouts, lambda header: header.__setitem__("preprocessing", 1))
    change_nested(place.vae, "notes", lambda notes: notes.__setitem__("preprocessing", 2))
    refused(capfd, place.rollouts, place.lines("vae")[1], "preprocessing 1, not 2")
    for number in (0, 2):
        refused(capfd, place.vae, place.lines("vae")[number], "preprocessing 2, not 1")


def test_every_kind_is_told_from_every_other(place):
    for kind in KINDS:
        for other in KINDS.keys() - {kind, "latents"}:
            if kind == "latents":
                continue
            header, network = KINDS[kind]
            with pytest.raises(InputError, match="holds no"):
                open_header(place.path(other), header, network=network)


# What earlier versions wrote stays readable.


@pytest.mark.parametrize("path", PRETRAINED, ids=lambda path: path.stem)
def test_pretrained_files_are_readable(path):
    with h5py.File(path) as file:
        network = file.attrs.get("network")
    header = open_header(path, WeightsHeader if network else ControllerHeader, network=network)
    assert header.preprocessing == 1
    assert header.game in ("doomrnn", "carracing", "crafter", "heist")
    if network == "MDNRNN":
        recorded = header.recorded
        assert len(recorded.policy_index) == len(recorded.lengths) > 100
        assert recorded.policy_of(0) in ("wandering", "brownian")


def test_attributes_that_did_not_exist_have_defaults(place):
    with h5py.File(place.rollouts, "a") as file:
        for name in ("kind", "env_version", "observation_space"):
            del file.attrs[name]
    assert open_header(place.rollouts, RolloutsHeader, game="doomrnn").env_version == ""

    def earlier(header):
        for name in ("kind", "policies", "preprocessing", "batches"):
            del header[name]
        header["policy"] = "wandering"

    change(place.latents, earlier)
    header = open_header(place.latents, LatentsHeader)
    assert (header.policies, header.preprocessing) == (("wandering",), 1)
    controller = ROOT / "pretrained/carracing_controller.h5"
    vae, rnn = find_networks(controller, load_controller(controller)[2])
    assert (vae.name, rnn.name) == ("carracing_vae.h5", "carracing_rnn_per_dim.h5")


# Configurations that cannot be, before anything is built.


@pytest.mark.parametrize(
    ("kind", "key", "value", "word"),
    [
        ("vae", "wheels", 4, "'wheels', which VAE does not know"),
        ("vae", "architecture", "cubist", "architecture 'cubist', which is not one of patch"),
        ("vae", "latent_size", 10_000_000, "mu/bias of shape (10000000,), which has shape (4,)"),
        ("rnn", "units", 10_000_000, "shape (5, 40000000), which has shape (5, 32)"),
        ("rnn", "num_mixtures", 10**18, "head/bias"),
        ("rnn", "heads", ["reward", "oracle"], "heads"),
        ("rnn", "latent_scale", float("nan"), "latent_scale nan"),
    ],
)
def test_a_configuration_that_cannot_be(place, capfd, kind, key, value, word):
    change_nested(place.path(kind), "config", lambda config: config.__setitem__(key, value))
    for line in place.lines(kind):
        refused(capfd, place.path(kind), line, word)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"type": "Dict"}, "type 'Dict'"),
        ({"shape": [0]}, "shape"),
        ({"shape": "1"}, "shape"),
        ({"low": 2.0}, "lower bound"),
        ({"high": [1.0, 1.0]}, "bounds"),
        ({"low": None}, "bound"),
        ({"dtype": "float31"}, "dtype"),
        ({"levels": -1}, "levels"),
    ],
)
def test_spaces_that_cannot_be(change, word):
    assert space_fault(SPACE) is None
    assert word in space_fault(SPACE | change)


# A run can be renamed and copied; hashes say whether a network is the same.


def test_a_run_that_was_moved_works(place, tmp_path):
    moved = Place(place.folder.rename(tmp_path / "moved"))
    header = load_controller(moved.controller)[2]
    assert header.vae_weights == "../vae/vae.h5"
    assert find_networks(moved.controller, header) == (moved.vae, moved.rnn)


def test_a_network_that_lies_elsewhere_is_named_by_a_flag(place, capfd, tmp_path):
    elsewhere = place.vae.rename(tmp_path / "elsewhere.h5")
    for number in (0, 2):
        refused(capfd, place.controller, place.lines("controller")[number], "--vae_weights")
    header = load_controller(place.controller)[2]
    assert find_networks(place.controller, header, elsewhere) == (elsewhere, place.rnn)
    write_weights(place.vae, "VAE", WeightsHeader("doomrnn"), free_bits=0.25)
    main, flags = place.lines("controller")[2]
    refused(capfd, place.vae, (main, flags), "not the VAE that", "--vae_weights")


def test_networks_that_do_not_belong_together(place):
    write_weights(place.vae, "VAE", WeightsHeader("doomrnn"), free_bits=0.25)
    with pytest.raises(InputError, match="latents of another VAE"):
        open_networks(place.vae, place.rnn)
    write_weights(place.vae, "VAE", WeightsHeader("carracing"))
    with pytest.raises(InputError, match="an MDN-RNN of 'doomrnn', not of 'carracing'"):
        open_networks(place.vae, place.rnn)


@pytest.mark.parametrize(
    "notes",
    [
        {"statements": [["monsters", 3]] * 9},
        {"statements": [["monsters"]] * 10},
        {"statements": [3] * 10},
        {"thresholds": ["high"] * 10},
        {"thresholds": [0.5]},
        {"floor": {"monsters": "two"}},
        {"accuracy": 3},
    ],
    ids=str,
)
def test_a_detector_that_cannot_judge(tmp_path, notes):
    path = Path(shutil.copy(ROOT / "pretrained/doom_detector.h5", tmp_path / "detector.h5"))
    change_nested(path, "notes", lambda table: table.update(notes))
    with pytest.raises(InputError, match=f"its {next(iter(notes))}"):
        open_header(path, WeightsHeader, network="Detector")


@pytest.mark.parametrize(
    ("recorded", "word"),
    [
        ({"policy_index": [0, 0]}, "not as many"),
        ({"policy_index": [0, 0, 2]}, "does not list"),
        ({"policy_index": [0], "lengths": [5]}, "first frames of 1 recorded"),
    ],
)
def test_recorded_episodes_that_do_not_fit(place, capfd, recorded, word):
    change_nested(place.rnn, "notes", lambda notes: notes["recorded"].update(recorded))
    for line in place.lines("rnn"):
        refused(capfd, place.rnn, line, word)


# Rollouts: what may differ within a folder, and what identifies them.


@pytest.mark.parametrize(
    "changes",
    [
        {"options": OPTIONS | {"difficulty": 2}},
        {"options": {"time_steps": 120}},
        {"preprocessing": 2},
        {"env_id": "VizdoomBasic"},
    ],
    ids=str,
)
def test_batches_of_different_games_are_not_mixed(place, capfd, changes):
    folder = place.rollouts.parent
    write_batch(folder, [5], 1, policy="wandering", options=OPTIONS | {"time_steps": 60})
    assert len(find_batches(folder, "doomrnn")) == 2  # who played and how long may differ
    path = write_batch(folder, [5], 2, **changes)
    name = next(iter(changes))
    word = "difficulty" if name == "options" else name
    with pytest.raises(InputError, match=rf"doomrnn_2.h5: recorded with {word} .*doomrnn_0.h5"):
        find_batches(folder, "doomrnn")
    for line in place.lines("rollouts")[1:]:
        refused(capfd, path, line)


def test_batches_with_other_ground_truth_are_not_joined(place, capfd):
    path = write_batch(place.rollouts.parent, [5], 1)
    with h5py.File(path, "a") as file:
        del file["episode_00000/infos/health"]
    refused(capfd, path, place.lines("rollouts")[2], "lacks the ground truth health")


def test_identity_of_rollouts_is_their_content(place):
    (before,) = rollouts_identity([place.rollouts]).values()
    os.utime(place.rollouts, (1, 1))
    assert rollouts_identity([place.rollouts]) == {place.rollouts.name: before}
    copy = Path(shutil.copy(place.rollouts, place.folder / "doomrnn_9.h5"))
    assert rollouts_identity([copy]) == {copy.name: before}

    def spoil(name: str, index: object, value: float) -> None:
        with h5py.File(place.rollouts, "a") as file:
            file[name][index] = value

    changes = [
        lambda: spoil("episode_00001/actions", 2, 0.125),
        lambda: spoil("episode_00001/rewards", 2, 0.5),
        lambda: spoil("episode_00002/observations", 1, 7),
        lambda: spoil("episode_00000/infos/health", 2, 50),
        lambda: change(place.rollouts, lambda h: h.__setitem__("policy", "wandering")),
        lambda: change(place.rollouts, lambda h: h.__setitem__("options", '{"difficulty": 1}')),
    ]
    seen = {before}
    for edit in changes:
        edit()
        seen |= set(rollouts_identity([place.rollouts]).values())
    assert len(seen) == len(changes) + 1


def test_another_recording_of_as_many_frames_is_not_taken_for_done(place):
    from reverie.latents.vae_task import VAEOptions, vae_task

    options = VAEOptions("patch", 4, 1.0, 0.0, 0.5, batch_size=4)
    others = [
        write_batch(place.folder / "seed", LENGTHS, first=7),
        write_batch(place.folder / "options", LENGTHS, options=OPTIONS | {"difficulty": 1}),
    ]
    tasks = [
        vae_task([path], "doomrnn", options, place.folder) for path in (place.rollouts, *others)
    ]
    for task in tasks[1:]:
        assert task.train.frames == tasks[0].train.frames
        assert task.identity != tasks[0].identity


@pytest.mark.parametrize("text", ["{", "[]", '{"doomrnn_0.h5": 3}', '{"doomrnn_0.h5": {}}'])
def test_an_identity_that_is_kept_is_not_read_again(place, text):
    expected = rollouts_identity([place.rollouts])
    kept = place.rollouts.parent / KNOWN
    entries = json.loads(kept.read_text())
    entries[place.rollouts.name]["identity"] = "kept"
    kept.write_text(json.dumps(entries))
    assert rollouts_identity([place.rollouts]) == {place.rollouts.name: "kept"}
    kept.write_text(text)
    assert rollouts_identity([place.rollouts]) == expected


def test_a_file_that_another_process_writes_is_not_damaged(place):
    with open(place.rollouts) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process has it open") as found:
            open_header(place.rollouts, RolloutsHeader)
        assert not isinstance(found.value, Damaged)


def test_a_file_whose_writer_was_killed_while_it_was_open_is_not_damaged(tmp_path):
    path = tmp_path / "doomrnn_0.h5"
    with h5py.File(path, "w", libver="latest"):  # this format marks files that are open to write
        pass
    die = "import h5py, os, sys; f = h5py.File(sys.argv[1], 'a'); f.flush(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", die, path]).returncode == 9
    with pytest.raises(InputError, match=f"marked as open to write.* h5clear -s {path}") as found:
        open_header(path, RolloutsHeader)
    assert not isinstance(found.value, Damaged)


# Latents.


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"actions": np.full((15, 1), 1.5, np.float32)}, "beyond"),
        ({"actions": np.zeros((15, 2), np.float32)}, "actions of shape"),
        ({"mu": np.zeros((18, 5), np.float16)}, "not 4 wide"),
        ({"terminations": np.zeros(15)}, "terminations is of float64"),
        ({"rewards": np.zeros((15, 2), np.float32)}, "rewards has shape"),
        ({"infos/health": np.zeros(15, np.float32)}, "infos/health does not have 18 rows"),
    ],
)
def test_latents_that_do_not_fit_their_header(place, capfd, changes, word):
    write_latents(place.latents, LENGTHS, **changes)
    refused(capfd, place.latents, place.lines("latents")[0], word)


def test_who_played_which_episode_must_be_listed(place, capfd):
    with np.load(place.latents) as file:
        arrays = dict(file)
    assert arrays["policy_index"].tolist() == [0, 1, 1]
    np.savez(place.latents, **arrays | {"episode_lengths": np.array(15)})
    refused(capfd, place.latents, place.lines("latents")[0], "episode_lengths")
    for wrong in (np.array([0, 1, 2]), np.zeros(2, int), np.zeros(3)):
        np.savez(place.latents, **arrays | {"policy_index": wrong})
        refused(capfd, place.latents, place.lines("latents")[0], "policy_index")


def test_the_same_latents_are_the_same_file(place, tmp_path):
    write_latents(tmp_path / "again.npz", LENGTHS)
    assert file_hash(place.latents) == file_hash(tmp_path / "again.npz")
    with zipfile.ZipFile(place.latents) as archive:
        assert archive.testzip() is None
