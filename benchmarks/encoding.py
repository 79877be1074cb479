"""Stage 3's encoding of a file of rollouts against one call on all its frames in memory."""

import numpy as np

from benchmarks.rows import Row, alternate, compare, seconds
from benchmarks.workplace import Workplace, leave_cache, stage
from reverie.backend import compiled
from reverie.latents.encoding import Encoder
from reverie.rollouts.storage import iterate_episodes
from reverie.training.weights import load_network


def measure(place: Workplace) -> list[Row]:
    """Measure frames a second of both architectures."""
    return [_compare(place, architecture) for architecture in ("patch", "article")]


def _compare(place: Workplace, architecture: str) -> Row:
    path = place.rollouts()[0]
    frames = np.concatenate([g["observations"][:] for _, _, g in iterate_episodes([path])])
    vae = load_network(place.vae_weights(architecture), "VAE")
    encoder, encode = Encoder(vae), compiled(vae.encode)
    encode_batch = stage("03_generate_rnn_data").encode_batch

    def ours(_: int) -> float:
        leave_cache([path])
        return len(frames) / seconds(lambda: encode_batch(path, encoder))

    def reference(_: int) -> float:
        return len(frames) / seconds(lambda: [np.asarray(part) for part in encode(frames)])

    rates = alternate(place.size(5, 1), ours, reference)
    note = "all frames of the file in memory, in one call"
    return compare(f"encoding, {architecture}", *rates, "frames/s", note)
