"""What there is to play: the networks of a run folder, or of `pretrained/`, and their game."""

from dataclasses import dataclass
from pathlib import Path

import h5py

from reverie.artifacts import UNREADABLE, InputError, file_hash
from reverie.games.actions import ActionCode
from reverie.headers import ControllerHeader, Recorded, WeightsHeader, open_header
from reverie.lineage import open_networks

MEND = "train one with 02_train_vae.py, 03_generate_rnn_data.py and 04_train_rnn.py"


@dataclass(frozen=True)
class PlayedFiles:
    """Networks that belong together.

    Attributes:
        game: that they have learned.
        vae: weights of the VAE.
        rnn: weights of the MDN-RNN.
        frame_shape: that the VAE sees.
        code: actions of the game.
        options: of the game that was recorded.
        controller: that was evolved with them, if there is one.
        detector: that knows the VAE's pictures, if there is one.
    """

    game: str
    vae: Path
    rnn: Path
    frame_shape: tuple[int, ...]
    code: ActionCode
    options: dict
    controller: Path | None = None
    detector: Path | None = None


def find_files(folder: Path, game: str | None = None) -> PlayedFiles:
    """Find the networks of a run folder: the first MDN-RNN by name, and what belongs to it.

    Args:
        folder: looked through with all folders in it.
        game: only of this one.

    Raises:
        InputError: there is no MDN-RNN, or its VAE is missing.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder and no game of that name; {MEND}")
    networks = _networks(folder)
    for path in networks.get("MDNRNN", ()):
        if game in (None, _rnn_header(path).game):
            return _belonging(path, networks)
    raise InputError(f"{folder}: no dream in it, that is no weights of an MDN-RNN; {MEND}")


def _networks(folder: Path) -> dict[str, list[Path]]:
    """Return the HDF5 files of a folder by the network that they hold."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.h5")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        try:
            with h5py.File(path, "r") as file:
                kind = "controller" if "controller" in file.attrs else file.attrs.get("network")
        except UNREADABLE:
            continue
        found.setdefault(kind, []).append(path)
    return found


def _belonging(rnn: Path, networks: dict[str, list[Path]]) -> PlayedFiles:
    header = _rnn_header(rnn)
    vaes = [path for path in networks.get("VAE", ()) if file_hash(path) == header.vae]
    if not vaes:
        raise InputError(
            f"{rnn}: the VAE that it was trained on is not in the same folder; name both with "
            "--vae_weights and --rnn_weights"
        )
    controllers = [path for path in networks.get("controller", ()) if _made_for(path, rnn)]
    detectors = [path for path in networks.get("Detector", ()) if _knows(path, header.vae)]
    first = (next(iter(paths), None) for paths in (controllers, detectors))
    return name_files(vaes[0], rnn, *first)


def name_files(
    vae: Path, rnn: Path, controller: Path | None = None, detector: Path | None = None
) -> PlayedFiles:
    """Check that networks belong together.

    Raises:
        InputError: a file cannot be used, or they do not.
    """
    seen, header = open_networks(vae, rnn)
    if controller and not _made_for(controller, rnn):
        raise InputError(f"{controller}: a controller for other networks than {rnn}")
    code = ActionCode.from_description(header.action_space)
    options = (header.recorded or Recorded()).options
    shape = seen.frame_shape
    return PlayedFiles(header.game, vae, rnn, shape, code, options, controller, detector)


def _made_for(controller: Path, rnn: Path) -> bool:
    """Tell whether a controller sees and remembers with these networks."""
    own, header = open_header(controller, ControllerHeader), _rnn_header(rnn)
    if own.rnn:
        return own.rnn == file_hash(rnn)
    names = ("latent_size", "units", "action_size")
    sizes = [(own.controller[name], header.config.get(name)) for name in names]
    return own.game == header.game and all(ours == theirs for ours, theirs in sizes)


def _rnn_header(path: Path) -> WeightsHeader:
    return open_header(path, WeightsHeader, network="MDNRNN")


def _knows(detector: Path, vae: str) -> bool:
    return open_header(detector, WeightsHeader, network="Detector").vae == vae
