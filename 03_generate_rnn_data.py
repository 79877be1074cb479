"""Stage 3: encode every episode with the VAE.

Writes `<savefolder>/rnn_format_data/rnn_training_data.npz`: mean and log-variance of every frame's
latents, so that stage 4 can draw them anew for every batch, with actions, rewards, ends and the
ground truth of stage 1. The same command again continues.

    # a minute's try
    python 03_generate_rnn_data.py --obs_folder tiny/ \\
        --loaded_vae_weights tiny/final_full_vae_weights.h5 --savefolder tiny/

    # the full recording; on a cluster the same command with $SCRATCH folders
    python 03_generate_rnn_data.py --obs_folder training_data_folder/ \\
        --loaded_vae_weights trained_models_folder/final_full_vae_weights.h5 \\
        --savefolder trained_models_folder/
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError, file_hash, write_config
from reverie.latents.encoding import load_vae, read_vae_header
from reverie.latents.storage import STEP_KEYS, Latents, merge_latents, write_part
from reverie.locks import owned
from reverie.rollouts.storage import (
    batch_attributes,
    episode_lengths,
    find_batches,
    iterate_episodes,
)
from reverie.stage import conduct, progress, stop_signal

if TYPE_CHECKING:
    from reverie.latents.encoding import Encoder


SMALL = 256  # numbers a frame; larger truth, such as masks, stays with the rollouts


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--obs_folder", type=Path, default=Path("training_data_folder"))
    parser.add_argument(
        "--loaded_vae_weights",
        type=Path,
        default=Path("trained_models_folder/final_full_vae_weights.h5"),
    )
    parser.add_argument("--savefolder", type=Path, default=Path("trained_models_folder"))
    return parser.parse_args(argv)


def encode_batch(path: Path, encoder: "Encoder") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Encode a batch of rollouts; return the arrays of `Latents` and the episode lengths."""
    columns: dict[str, list[np.ndarray]] = {}
    lengths = []
    for _, name, group in iterate_episodes([path]):
        mu, logvar = encoder(group["observations"][:])
        rows = {"mu": mu.astype(np.float16), "logvar": logvar.astype(np.float16)}
        rows |= {key: group[key][:] for key in STEP_KEYS}
        infos = group["infos"].items() if "infos" in group else ()
        rows |= {f"infos/{key}": values[:] for key, values in infos if values[0].size <= SMALL}
        if not np.isfinite(rows["mu"]).all() or not np.isfinite(rows["logvar"]).all():
            raise InputError(
                f"{path}: {name} encodes to NaN; train the VAE anew with 02_train_vae.py"
            )
        for key, values in rows.items():
            columns.setdefault(key, []).append(values)
        lengths.append(len(rows["rewards"]))
    return {key: np.concatenate(values) for key, values in columns.items()}, np.array(lengths)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Encode the batches that are not encoded yet, then join them."""
    args = parse_args(argv)
    config, notes = read_vae_header(args.loaded_vae_weights)
    paths = find_batches(args.obs_folder, notes["game"])
    attributes = batch_attributes(paths[0])
    folder = args.savefolder / "rnn_format_data"
    result = folder / "rnn_training_data.npz"
    header = {
        "game": notes["game"],
        "latent_size": config["latent_size"],
        "vae": file_hash(args.loaded_vae_weights),
        "action_space": attributes["action_space"],
        "policy": attributes["policy"],
        "options": json.loads(attributes["options"]),
        "batches": {p.name: [p.stat().st_size, p.stat().st_mtime_ns] for p in paths},
    }
    if result.exists() and _same(result, header):
        print(f"nothing to do: {result} holds all {len(paths)} batches")
        return
    with owned(folder):
        encode(args, paths, header, result)


def encode(args: argparse.Namespace, paths: list[Path], header: dict, result: Path) -> None:
    """Encode the batches that are not encoded yet and join them; the folder is ours alone."""
    folder = result.parent
    parts = folder / f".parts_{header['vae']}"
    parts.mkdir(exist_ok=True)
    from reverie.latents.encoding import Encoder

    encoder = Encoder(load_vae(args.loaded_vae_weights))
    done = []
    for path in progress(paths, desc="batches"):
        size, modified = header["batches"][path.name]
        done.append(parts / f"{path.stem}_{size}_{modified}.npz")
        if not done[-1].exists():
            write_part(done[-1], *encode_batch(path, encoder))
        stop_signal.check()
    merge_latents(done, result, header)
    write_config(folder, vars(args), {"vae": args.loaded_vae_weights})
    shutil.rmtree(parts)
    lengths = episode_lengths(paths)
    print(f"encoded {len(lengths)} episodes, {lengths.sum() + len(lengths)} frames; {result}")


def _same(result: Path, header: dict) -> bool:
    """Tell whether latents that are there already come from the same VAE and rollouts."""
    try:
        return Latents(result).header == {"schema": 1} | header
    except InputError as error:
        print(f"encoding again: {error}")
        return False


if __name__ == "__main__":
    sys.exit(main())
