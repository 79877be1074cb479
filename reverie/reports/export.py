"""Weights to share: VAE, MDN-RNN, detector, controller that belong together, halved to float16.

    python -m reverie.reports.export --vae_weights runs/doom/vae/final_full_vae_weights.h5 \\
        --rnn_weights runs/mixtures/k5_seed0/final_rnn_weights.h5 --folder pretrained --name doom \\
        --detector runs/mixtures/analysis/detector.h5 \\
        --controller runs/doom/controller/controller.h5

They remember how they were trained, and which file their VAE is in now. A VAE alone can be stored
in bytes, a quarter of its size:

    python -m reverie.reports.export --vae_weights heist/vae_alex/final_full_vae_weights.h5 \\
        --folder pretrained/encoders --name heist_vae_alex --dtype int8
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import InputError, Refusal, file_hash, read_json
from reverie.flags import artifact
from reverie.hdf5 import atomic_hdf5, open_hdf5
from reverie.headers import ControllerHeader, WeightsHeader, open_header, write_header
from reverie.lineage import check_same_vae, find_networks, name_networks, open_networks
from reverie.runs import CONFIG, SCORES
from reverie.stage import conduct


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
    _, rnn_header = open_networks(vae_weights, rnn_weights)
    mixture = rnn_header.config.get("mixture", "joint")
    vae, rnn = folder / f"{name}_vae.h5", folder / f"{name}_rnn_{mixture}.h5"
    if detector is not None:
        header = open_header(detector, WeightsHeader, network="Detector")
        check_same_vae(detector, header, vae_weights)
    export_weights(vae_weights, "VAE", vae)
    export_weights(rnn_weights, "MDNRNN", rnn, vae=file_hash(vae), vae_weights=vae.name)
    written = [vae, rnn]
    if detector is not None:
        written.append(folder / f"{name}_detector.h5")
        export_weights(detector, "Detector", written[-1], vae=file_hash(vae))
    if controller is not None:
        written.append(folder / f"{name}_controller.h5")
        _export_controller(controller, (vae_weights, rnn_weights), (vae, rnn), written[-1])
    return written


def export_weights(
    weights: Path,
    network: str,
    path: Path,
    mend: str | None = None,
    dtype: str = "float16",
    **said: str,
) -> None:
    """Copy the weights of a network, without building it.

    Args:
        weights: the file.
        network: its name in `NETWORKS`.
        path: the copy.
        mend: the command that makes such a file, where the usual one does not do.
        dtype: `float16`, or `int8` for kernels, each with a scale for every item of the last axis.
        said: what the copy's header says otherwise.

    Raises:
        InputError: the file cannot be used, or a weight is no number of float16.
    """
    header = open_header(weights, WeightsHeader, network=network, mend=mend)
    header = replace(header, notes=header.notes | origin(weights), **said)
    with open_hdf5(weights, "weights", header.mend) as source, atomic_hdf5(path) as copy:
        write_header(copy, header)

        def halve(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if not isinstance(item, h5py.Dataset):
                return
            halves = item[()].astype(np.float16)
            if not np.isfinite(halves).all():
                Refusal(weights, header.mend)(f"{name} holds what float16 cannot")
            if dtype == "int8" and item.ndim > 1:
                _write_bytes(copy, name, item[()])
            else:
                copy[name] = halves

        source.visititems(halve)


def _write_bytes(file: h5py.File, name: str, values: np.ndarray) -> None:
    """Write values as compressed bytes and the scales that they are multiplied by."""
    largest = np.abs(values).max(axis=tuple(range(values.ndim - 1)))
    scale = np.maximum(largest, 1e-12).astype(np.float32) / 127.0
    numbers = np.round(values / scale).astype(np.int8)
    file.create_dataset(name, data=numbers, compression="gzip", compression_opts=9)
    file[name].attrs["scale"] = scale


def _export_controller(
    controller: Path, networks: tuple[Path, Path], copies: tuple[Path, Path], path: Path
) -> None:
    """Copy a controller as it is; the copy names the copies of its networks."""
    header = open_header(controller, ControllerHeader)
    find_networks(controller, header, *networks)
    header = replace(header, notes=header.notes | origin(controller))
    with open_hdf5(controller, header.title, header.mend) as source, atomic_hdf5(path) as copy:
        write_header(copy, name_networks(header, path, *copies))
        copy["parameters"] = source["parameters"][()]


def origin(weights: Path) -> dict:
    """Return command, seed and scores of the run that weights come from, as far as it says.

    Raises:
        InputError: what the run has left is damaged.
    """
    found = {}
    for file, keys in ((CONFIG, ("command", "git_revision")), (SCORES, ())):
        path = weights.parent / file
        if path.is_file():
            content = read_json(path, "move it away", *keys)
            found |= {key: content[key] for key in keys} if keys else {"scores": content}
    return {"origin": found}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.reports.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--vae_weights", type=artifact, required=True)
    parser.add_argument("--rnn_weights", type=artifact, help="leave it away for the VAE alone")
    parser.add_argument("--detector", type=artifact)
    parser.add_argument("--controller", type=artifact)
    parser.add_argument("--folder", type=Path, default=Path("pretrained"))
    parser.add_argument("--name", default="doom")
    parser.add_argument("--dtype", choices=("float16", "int8"), default="float16", help="of a VAE")
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Parse the flags and export."""
    args = parse_args(argv)
    if args.rnn_weights is None:
        if args.detector or args.controller:
            raise InputError("--rnn_weights: a detector or controller needs it; name it too")
        written = [args.folder / f"{args.name}.h5"]
        export_weights(args.vae_weights, "VAE", written[0], dtype=args.dtype)
    else:
        if args.dtype != "float16":
            raise InputError(f"--dtype {args.dtype}: is for a VAE alone; leave --rnn_weights away")
        inputs = args.vae_weights, args.rnn_weights
        written = export(*inputs, args.folder, args.name, args.detector, args.controller)
    for path in written:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
