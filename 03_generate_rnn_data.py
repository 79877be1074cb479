"""Stage 3: encode every episode with the VAE.

Writes `<savefolder>/rnn_format_data/rnn_training_data.npz`: mean and log-variance of every frame's
latents, so that stage 4 can draw them anew for every batch, with actions, rewards, ends and the
ground truth of stage 1. The same command again continues.

    # a minute's try
    python 03_generate_rnn_data.py --obs_folder tiny/ \\
        --loaded_vae_weights tiny/final_full_vae_weights.h5 --savefolder tiny/

    # the full recording
    python 03_generate_rnn_data.py --obs_folder training_data_folder/ \\
        --loaded_vae_weights trained_models_folder/final_full_vae_weights.h5 \\
        --savefolder trained_models_folder/

    # one job of a cluster's array of ten; when all are done, the command without --share joins them
    python 03_generate_rnn_data.py --share $SLURM_ARRAY_TASK_ID/10 --obs_folder $SCRATCH/data/ \\
        --loaded_vae_weights $SCRATCH/vae/final_full_vae_weights.h5 --savefolder $SCRATCH/vae/
"""

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reverie.artifacts import InputError, file_hash, write_config
from reverie.flags import non_negative_int, parsed, share
from reverie.hdf5 import open_hdf5
from reverie.headers import LatentsHeader, RolloutsHeader, WeightsHeader, open_header, path_from
from reverie.latents.storage import Latents, merge_latents, write_part
from reverie.lineage import check_frames, check_trained
from reverie.locks import owned
from reverie.rollouts.identity import rollouts_identity
from reverie.rollouts.storage import (
    LENGTH,
    STEP_KEYS,
    episode_lengths,
    find_batches,
    iterate_episodes,
)
from reverie.runs import LATENTS, ROLLOUTS_FOLDER, VAE_FOLDER, VAE_WEIGHTS
from reverie.stage import conduct, progress, stop_signal
from reverie.training.weights import load_network

if TYPE_CHECKING:
    from reverie.latents.encoding import Encoder


SMALL = 256  # numbers a frame; larger truth, such as masks, stays with the rollouts


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--obs_folder", type=Path, default=ROLLOUTS_FOLDER)
    parser.add_argument("--loaded_vae_weights", type=Path, default=VAE_FOLDER / VAE_WEIGHTS)
    parser.add_argument("--savefolder", type=Path, default=VAE_FOLDER)
    parser.add_argument("--start_batch", type=non_negative_int, default=0, help="first batch")
    parser.add_argument(
        "--max_batch", type=non_negative_int, help="last batch, the last there is by default"
    )
    parser.add_argument(
        "--share",
        type=share,
        help="I/N: encode every N-th batch from the I-th on, I from 0 to N - 1, and join nothing",
    )
    return parsed(parser, argv)


def encode_batch(path: Path, encoder: "Encoder") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Encode a batch of rollouts; return the arrays of `Latents` and the episode lengths."""
    columns: dict[str, list[np.ndarray]] = {}
    lengths = []
    for _, name, group in iterate_episodes([path]):
        mu, logvar = encoder(group["observations"])
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


def check_truth(paths: list[Path]) -> None:
    """Check that all batches hold the same ground truth, so that they can be joined.

    Raises:
        InputError: one of them does not.
    """
    names = {}
    for path in paths:
        with open_hdf5(path, RolloutsHeader.title, RolloutsHeader.mend) as file:
            names[path] = sorted(next(iter(file.values())).get("infos", ()))
        if names[path] != names[paths[0]]:
            differing = ", ".join(sorted({*names[path]} ^ {*names[paths[0]]}))
            raise InputError(
                f"{path}: one of it and {paths[0]} lacks the ground truth {differing}; record that "
                "one anew, or move it to a folder of its own"
            )


def latents_header(vae: WeightsHeader, batches: list[RolloutsHeader], digest: str) -> LatentsHeader:
    """Return what the latents of some batches say of themselves; `digest` is the VAE's hash."""
    options = batches[0].options
    if LENGTH in options:
        options = options | {LENGTH: max(batch.options.get(LENGTH, 0) for batch in batches)}
    return LatentsHeader(
        game=vae.game,
        preprocessing=vae.preprocessing,
        latent_size=vae.config.get("latent_size", 64),
        vae=digest,
        action_space=batches[0].action_space,
        policies=tuple(dict.fromkeys(batch.policy for batch in batches)),
        options=options,
    )


@conduct
def main(argv: list[str] | None = None) -> None:
    """Encode the batches that are not encoded yet, then join them."""
    args = parse_args(argv)
    vae = open_header(args.loaded_vae_weights, WeightsHeader, network="VAE")
    check_trained(args.loaded_vae_weights)
    which = args.start_batch, args.max_batch, vae.preprocessing
    paths = find_batches(args.obs_folder, vae.game, *which)
    result = args.savefolder / LATENTS
    folder = result.parent
    headers = [open_header(path, RolloutsHeader) for path in paths]
    check_frames(args.obs_folder, headers[0].frame_shape, args.loaded_vae_weights, vae)
    check_truth(paths)
    header = latents_header(vae, headers, file_hash(args.loaded_vae_weights))
    place = path_from(folder, args.loaded_vae_weights)
    header = replace(header, batches=rollouts_identity(paths), vae_weights=place)
    if result.exists() and _same(result, header):
        print(f"nothing to do: {result} holds all {len(paths)} batches")
        return
    parts = folder / f".parts_{header.vae}"
    jobs = {path: parts / f"{path.stem}_{header.batches[path.name]}.npz" for path in paths}
    if args.share:
        number, count = args.share
        chosen = paths[number::count]
        with owned(parts / f"share_{number}_of_{count}"):
            encode(args, {path: jobs[path] for path in chosen})
        print(f"encoded share {number} of {count}, {len(chosen)} of {len(paths)} batches; {parts}")
        return
    with owned(folder), owned_shares(parts):
        encode(args, jobs)
        played = [header.policies.index(batch.policy) for batch in headers]
        merge_latents(list(jobs.values()), played, result, header)
        write_config(folder, vars(args), {"vae": args.loaded_vae_weights})
        shutil.rmtree(parts)
    lengths = episode_lengths(paths)
    print(f"encoded {len(lengths)} episodes, {lengths.sum() + len(lengths)} frames; {result}")


@contextlib.contextmanager
def owned_shares(parts: Path) -> Iterator[None]:
    """Own the shares of all jobs inside the block, so that none of them is at work."""
    with contextlib.ExitStack() as shares:
        for folder in sorted(parts.glob("share_*")):
            shares.enter_context(owned(folder))
        yield


def encode(args: argparse.Namespace, jobs: dict[Path, Path]) -> None:
    """Encode the batches whose parts are not there yet."""
    missing = {path: part for path, part in jobs.items() if not part.exists()}
    if not missing:
        return
    from reverie.latents.encoding import Encoder

    encoder = Encoder(load_network(args.loaded_vae_weights, "VAE"))
    for path, part in progress(missing.items(), desc="batches"):
        write_part(part, *encode_batch(path, encoder))
        stop_signal.check()


def _same(result: Path, header: LatentsHeader) -> bool:
    """Tell whether latents that are there already come from the same VAE and rollouts."""
    try:
        return Latents(result).header == header
    except InputError as error:
        print(f"encoding again: {error}")
        return False


if __name__ == "__main__":
    sys.exit(main())
