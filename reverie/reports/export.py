"""Weights to share: VAE, MDN-RNN, detector, controller that belong together, halved to float16.

    python -m reverie.reports.export --vae_weights runs/doom/vae/final_full_vae_weights.h5 \\
        --rnn_weights runs/mixtures/k5_seed0/final_rnn_weights.h5 --folder pretrained --name doom \\
        --detector runs/mixtures/analysis/detector.h5 \\
        --controller runs/doom/controller/controller.h5

They remember how they were trained, and which file their VAE is in now.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, file_hash
from reverie.controllers.agents import check_networks, check_same_vae
from reverie.controllers.controller import load_controller, save_controller
from reverie.dreams.memory import load_first_frames, load_rnn, read_rnn_header
from reverie.flags import artifact
from reverie.latents.encoding import load_vae, read_vae_header
from reverie.mixtures.detectors import load_detector
from reverie.runs import CONFIG, SCORES
from reverie.stage import conduct
from reverie.training.weights import save_weights


def export(
    vae_weights: Path,
    rnn_weights: Path,
    folder: Path,
    name: str,
    detector: Path | None = None,
    controller: Path | None = None,
) -> list[Path]:
    """Write `<name>_vae.h5`, `<name>_rnn_<mixture>.h5` and what else is named, in float16.

    A controller stays as it is and names the networks that lie beside it.

    Args:
        vae_weights: what stage 2 wrote.
        rnn_weights: what stage 4 wrote.
        folder: where they go.
        name: how they begin.
        detector: what `python -m reverie.mixtures` trained for that VAE, if there is one.
        controller: what stage 5 evolved with those networks, if it shall be there.

    Raises:
        InputError: a file cannot be used, or they do not belong together.
    """
    _, vae_notes = read_vae_header(vae_weights)
    config, rnn_notes = read_rnn_header(rnn_weights)
    check_same_vae(rnn_weights, rnn_notes, vae_weights)
    vae_path, rnn_path = folder / f"{name}_vae.h5", folder / f"{name}_rnn_{config['mixture']}.h5"
    save_weights(vae_path, load_vae(vae_weights), vae_notes | origin(vae_weights), dtype="float16")
    frames = zip(("first_mu", "first_logvar"), load_first_frames(rnn_weights))
    frames = {key: values.astype(np.float16) for key, values in frames}
    notes = rnn_notes | origin(rnn_weights) | {"vae": file_hash(vae_path)}
    save_weights(rnn_path, load_rnn(rnn_weights), notes, frames, dtype="float16")
    written = [vae_path, rnn_path]
    if detector is not None:
        written.append(folder / f"{name}_detector.h5")
        _export_detector(detector, vae_weights, vae_path, written[-1])
    if controller is not None:
        written.append(folder / f"{name}_controller.h5")
        _export_controller(controller, vae_weights, vae_path, rnn_path, written[-1])
    return written


def _export_detector(detector: Path, vae_weights: Path, vae_path: Path, path: Path) -> None:
    network, notes = load_detector(detector, vae_weights)
    save_weights(path, network, notes | {"vae": file_hash(vae_path)}, dtype="float16")


def _export_controller(
    controller: Path, vae_weights: Path, vae_path: Path, rnn_path: Path, path: Path
) -> None:
    shape, parameters, notes = load_controller(controller)
    own, _ = check_networks(notes)
    if file_hash(own) != file_hash(vae_weights):
        raise InputError(f"{controller}: sees with {own}, not with {vae_weights}; name that VAE")
    beside = {"vae_weights": vae_path.name, "rnn_weights": rnn_path.name}
    save_controller(path, shape, parameters, notes | origin(controller) | beside)


def origin(weights: Path) -> dict:
    """Return command, seed and scores of the run that weights come from, as far as it says."""
    found = {}
    for file, keys in ((CONFIG, ("command", "git_revision")), (SCORES, None)):
        path = weights.parent / file
        if path.is_file():
            content = json.loads(path.read_text())
            found |= {key: content[key] for key in keys} if keys else {"scores": content}
    return {"origin": found}


@conduct
def main(argv: list[str] | None = None) -> None:
    """Parse the flags and export."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.reports.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--vae_weights", type=artifact, required=True)
    parser.add_argument("--rnn_weights", type=artifact, required=True)
    parser.add_argument("--detector", type=artifact)
    parser.add_argument("--controller", type=artifact)
    parser.add_argument("--folder", type=Path, default=Path("pretrained"))
    parser.add_argument("--name", default="doom")
    args = parser.parse_args(argv)
    inputs = args.vae_weights, args.rnn_weights
    for path in export(*inputs, args.folder, args.name, args.detector, args.controller):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
