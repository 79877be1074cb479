"""What linear probes read of the truth from latents, and from latents and the LSTM's memory."""

import numpy as np

from reverie.backend import compiled
from reverie.encoders.probes import Part, place_score, standardised
from reverie.evaluate.held_out import HeldOut
from reverie.models.mdn_rnn import MDNRNN
from reverie.stage import progress, stop_signal

BATCH = 8  # episodes at a time
STEP = 100  # steps; batches are padded to a multiple of it, few sizes to compile
FRAMES = 4000  # of either part, about


def probe_scores(rnn: MDNRNN, held_out: HeldOut) -> dict[str, dict]:
    """Score linear probes on held-out episodes, see `reverie.encoders.probes`.

    Returns:
        By what is true of a frame, the share of its variance that is read from `z`, the mean latent
        of the frame, and from `h`, the LSTM's output before the frame is seen, with 95 % intervals
        over episodes; None where there is too little to read.
    """
    truth = held_out.truth()
    if not truth:
        return {}
    parts = [_codes(rnn, held_out, rows) for rows in (held_out.train, held_out.test)]
    result = {}
    for name, values in progress(truth.items(), desc="linear probes"):
        result[name] = {}
        for code in ("z", "h"):
            train, test = (Part(part[code], part["episodes"]) for part in parts)
            targets = [values[part["index"]][:, None] for part in parts]
            both = zip(standardised(train, test), targets)
            score = place_score(*both)
            result[name][code] = None if score is None else score.table()
        stop_signal.check()
    return result


def _codes(rnn: MDNRNN, held_out: HeldOut, episodes: list[int]) -> dict[str, np.ndarray]:
    """Return codes of every n-th frame after the first, and where the frame lies."""
    latents, remember = held_out.latents, compiled(rnn.hidden)
    every = max(1, int(latents.lengths[episodes].sum()) // FRAMES)
    found: dict[str, list] = {"z": [], "h": [], "index": [], "episodes": []}
    for start in range(0, len(episodes), BATCH):
        rows = np.resize(episodes[start : start + BATCH], BATCH)
        longest = int(latents.lengths[rows].max())
        step = np.arange(longest + -longest % STEP)
        last = latents.lengths[rows, None]
        frames = latents.frame_starts[rows, None] + np.minimum(step, last)
        steps = latents.step_starts[rows, None] + np.minimum(step, last - 1)
        mu = np.asarray(latents.arrays["mu"][frames], np.float32)
        actions = latents.code.encode(latents.arrays["actions"][steps]).astype(np.float32)
        hidden = np.asarray(remember(mu, actions))
        for row in range(min(BATCH, len(episodes) - start)):
            chosen = np.arange(1, latents.lengths[rows[row]] + 1, every)
            index = held_out.frame_index(rows[row], chosen)
            found["z"].append(np.asarray(latents.arrays["mu"][index], np.float32))
            found["h"].append(hidden[row, chosen - 1])
            found["index"].append(index)
            found["episodes"].append(np.full(len(chosen), start + row))
    return {name: np.concatenate(values) for name, values in found.items()}
