"""Masks of a single picture or of a whole recorded episode, for a person to look at."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from reverie.artifacts import InputError, read_json
from reverie.headers import WeightsHeader, open_header
from reverie.masks.evaluation import known_mask
from reverie.masks.labelled_frames import read_choice
from reverie.masks.methods import LEARNED
from reverie.masks.networks import load_run, weights_path
from reverie.masks.pictures import grey, reconstruction_strip, tinted
from reverie.masks.refinement import REFINED
from reverie.networks import written_size
from reverie.reports.films import SCALE, save_film
from reverie.reports.plots import save_picture, tile
from reverie.rollouts.storage import find_batches, iterate_episodes, recorded_game
from reverie.runs import PRETRAINED, SCORES

RUNS = ("vae", "local", "masks")  # runs whose masks are shown
MEND = "hand over a frame as 01_generate_data.py recorded it for the networks"


def read_frame(path: Path) -> np.ndarray:
    """Read a picture as a frame `(rows, columns, 3)` uint8.

    Raises:
        InputError: it is missing, or no picture.
    """
    if not path.is_file():
        raise InputError(f"{path}: no picture there; {MEND}")
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"{path}: not a picture; {MEND}")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def trained_runs(folder: Path) -> list[str]:
    """Return the runs in a folder whose masks can be shown, or the one that should be there."""
    return [run for run in RUNS if weights_path(folder / run).exists()] or ["vae"]


def check_trained_on(source: Path, shape: Sequence[int], folder: Path) -> None:
    """Check that the networks in a folder were trained on frames of a shape.

    Raises:
        InputError: they were trained on others, or there are none.
    """
    for run in trained_runs(folder):
        path, (_, network, _) = weights_path(folder / run), LEARNED[run]
        known = read_choice(path, open_header(path, WeightsHeader, network=network)).frame_shape
        if tuple(shape) != known:
            raise InputError(
                f"{source}: {written_size(shape)} pixels, but {path} knows frames of "
                f"{written_size(known)}; {MEND}"
            )


def views(folder: Path, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the networks in a folder make of frames `(N, rows, columns, 3)`, by caption.

    The captions are `frame`; of the critic-VAE `own value`, `low value`, `high value` and
    `difference`; of the others the method's name; and of each, once it is evaluated,
    `<method>, refined`: what it marks with radius and threshold of the validation worlds.

    Raises:
        InputError: there are none.
    """
    result: dict[str, np.ndarray] = {}
    for run in trained_runs(folder):
        name, network_name, method = LEARNED[run]
        network, header = load_run(folder / run, network_name, f"train-{run}")
        cut = read_choice(weights_path(folder / run), header).cut(frames)
        scores = method(network)(cut)
        if run == "vae":
            captions = ("frame", "own value", "low value", "high value", "difference")
            result |= dict(zip(captions, reconstruction_strip(network)(cut)))
        else:
            result |= {"frame": cut, name: grey(scores)}
        result |= marked(folder, f"{name}{REFINED}", cut, scores)
    return result


def marked(folder: Path, name: str, frames: np.ndarray, scores: np.ndarray) -> dict:
    """Return frames with a tint on what a method marks, by its name; nothing if it has no scores.

    Args:
        folder: where `scores.json` is, if the run is evaluated.
        name: of the method in it.
        frames: `(N, H, W, 3)` uint8.
        scores: of the method before it is refined, `(N, H, W)`.
    """
    path = folder / SCORES
    mend = "run 06_critic_masks.py evaluate again"
    known = read_json(path, mend, "methods")["methods"].get(name) if path.is_file() else None
    if known is None:
        return {}
    return {name: tinted(frames, known_mask(known, frames, scores))}


def show(
    folder: Path,
    image: Path | None,
    episode: int | None,
    output: Path | None,
    rollouts: Path,
    game: str,
) -> Path:
    """Write the strip of a picture or the film of a recorded episode, and return where it is.

    Args:
        folder: holds the networks' runs.
        image: the picture, or
        episode: the number of the episode.
        output: where to; by default `masks.png` or `masks.mp4`.
        rollouts: folder of the episode.
        game: its game.

    Raises:
        InputError: not one of picture and episode, or one that cannot be used.
    """
    if (image is None) == (episode is None):
        raise InputError("masks: name either a frame with --image or a recorded --episode")
    suffix = ".png" if image else ".mp4"
    output = output or Path(f"masks{suffix}")
    if output.suffix != suffix:
        raise InputError(f"--output {output}: let it end in {suffix}")
    if image:
        show_picture(folder, image, output)
    else:
        paths = find_batches(rollouts, game)
        show_episode(folder, paths, episode, output, recorded_game(paths).fps)
    return output


def networks_folder(savefolder: Path | None, default: Path, game: str) -> Path:
    """Return the folder of the networks to show: the one named, the usual one, or `pretrained`.

    Raises:
        InputError: none is named, nothing is trained, and none comes with the game.
    """
    if savefolder is not None or default.exists():
        return savefolder or default
    folder = PRETRAINED / f"{game}_masks"
    if not folder.exists():
        raise InputError(
            f"{default}: not there, and no networks of {game} come with Reverie; train them with: "
            f"python 06_critic_masks.py all --environment_name {game}"
        )
    return folder


def show_picture(folder: Path, image: Path, output: Path) -> None:
    """Write the strip of a single picture."""
    frame = read_frame(image)
    check_trained_on(image, frame.shape, folder)
    strip = views(folder, frame[None])
    save_picture(output, tile([np.concatenate(list(strip.values()))], scale=SCALE))


def show_episode(folder: Path, paths: list[Path], number: int, output: Path, fps: int) -> None:
    """Write the film of a recorded episode.

    Raises:
        InputError: there is no such episode.
    """
    for index, (path, _, episode) in enumerate(iterate_episodes(paths)):
        if index == number:
            frames = episode["observations"][:]
            check_trained_on(path, frames.shape[1:], folder)
            save_film(output, views(folder, frames), fps)
            return
    raise InputError(f"--episode {number}: {paths[0].parent} holds episodes 0 to {index}")
