"""Which VAE, MDN-RNN, controller and frames belong together: by hash, game and shape."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from reverie.artifacts import InputError, Refusal, file_hash
from reverie.headers import ControllerHeader, Header, WeightsHeader, open_header, path_from
from reverie.networks import NETWORKS, written_size
from reverie.runs import CHECKPOINT, METRICS, SCORES


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
