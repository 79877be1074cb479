"""The training of the MDN-RNN as a task: windows of latents, judged on held-out episodes."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from reverie.artifacts import file_hash
from reverie.dreams.calibration import calibration, save_calibration
from reverie.dreams.dream import Dream
from reverie.dreams.free_running import describe, free_running
from reverie.dreams.options import DreamOptions
from reverie.headers import Recorded, WeightsHeader, path_from
from reverie.latents.habits import shares_of_episodes
from reverie.latents.storage import Latents
from reverie.latents.windows import EpisodeStream, persistence_nats
from reverie.models.mdn_rnn import MDNRNN
from reverie.rollouts.frames import split_episodes
from reverie.rollouts.policies import HABITS
from reverie.runs import RNN_WEIGHTS
from reverie.seeds import seed_32
from reverie.training.task import Curves, History, Task
from reverie.training.weights import load_weights

SHOWN = ("nats_per_frame", "val_nats_per_frame", "val_gaussian", "val_termination")


@dataclass(frozen=True)
class RNNOptions:
    """What the network is and how its windows are made, see `MDNRNN` and `EpisodeStream`.

    Attributes:
        units: of the LSTM.
        num_mixtures: components K.
        mixture: `joint` or `per_dim`.
        sequence_length: steps of a window.
        skip_ahead: steps from window to window; an epoch goes `sequence_length / skip_ahead` times
            through every episode.
        data_size: episodes to use; -1 for all.
        data_scaling_factor: latents are multiplied by it.
        batch_size: windows.
        seed: decides weights, noise and order.
        initial_weights: an earlier MDN-RNN of the same size to go on from.
    """

    units: int = 512
    num_mixtures: int = 5
    mixture: str = "joint"
    sequence_length: int = 60
    skip_ahead: int = 5
    data_size: int = -1
    data_scaling_factor: float = 1.0
    batch_size: int = 256
    seed: int = 0
    initial_weights: Path | None = None


def rnn_task(latents: Latents, options: RNNOptions, folder: Path) -> Task:
    """Return the task of training an MDN-RNN.

    Args:
        latents: checked latents.
        options: of the network and its windows.
        folder: of the run; where the calibration is painted.

    Raises:
        InputError: there are too few episodes.
    """
    train, held_out = streams(latents, options)
    digest = file_hash(latents.path)
    identity = asdict(options) | {"latents": digest}
    if options.initial_weights:
        identity["initial_weights"] = file_hash(options.initial_weights)
    curves = {"training": "nats_per_frame", "held out": "val_nats_per_frame"}
    return Task(
        name=f"{options.mixture} MDN-RNN",
        weights=RNN_WEIGHTS,
        build=lambda: build(options, latents),
        train=train,
        held_out=held_out,
        identity=identity,
        header=_header(latents, digest, folder, train.episodes),
        arrays=dict(zip(("first_mu", "first_logvar"), latents.first_frames())),
        inputs={"latents": latents.path},
        keep="best",
        clipnorm=1.0,
        carried_rows=train.batch_size,
        report=_reporter(folder / "hazard.png", train, held_out),
        shown=SHOWN,
        curves=Curves(curves, "nats per dimension", latents.latent_size),
    )


def streams(latents: Latents, options: RNNOptions) -> tuple[EpisodeStream, EpisodeStream]:
    """Return the episodes to train on and the held-out ones.

    Raises:
        InputError: there are fewer than two.
    """
    count = len(latents.lengths)
    if options.data_size != -1:
        count = min(count, options.data_size)
    train, held_out = split_episodes(count)
    rows, length = min(options.batch_size, len(train)), options.sequence_length
    passes = max(1, round(length / options.skip_ahead))
    return (
        EpisodeStream(latents, train, length, rows, passes, options.seed),
        EpisodeStream(latents, held_out, length, rows, seed=None),
    )


def build(options: RNNOptions, latents: Latents) -> MDNRNN:
    """Build the network; its termination head expects as many ends as the data hold."""
    keras.utils.set_random_seed(seed_32(options.seed))
    rnn = MDNRNN(
        latent_size=latents.latent_size,
        action_size=latents.action_size,
        reward_scale=latents.reward_scale(),
        action_levels=latents.header.action_space.get("levels", 0),
        units=options.units,
        num_mixtures=options.num_mixtures,
        mixture=options.mixture,
        latent_scale=options.data_scaling_factor,
        seed=seed_32(options.seed),
    )
    rnn.expect_ends(latents.end_rate())
    if options.initial_weights:
        load_weights(options.initial_weights, rnn)
    return rnn


def _header(latents: Latents, digest: str, folder: Path, train: list[int]) -> WeightsHeader:
    """Return what the weights, in `folder`, say of their latents and of the file's hash.

    Stage 5 does not read the latents; the weights tell it which policies they hold.
    """
    said, vae = latents.header, ""
    if said.vae_weights:
        vae = path_from(folder, latents.path.parent / said.vae_weights)
    recorded = Recorded(
        said.policies,
        tuple(latents.policy_index.tolist()),
        tuple(latents.lengths.tolist()),
        said.options,
    )
    return WeightsHeader(
        said.game,
        said.preprocessing,
        vae=said.vae,
        vae_weights=vae,
        action_space=said.action_space,
        recorded=recorded,
        notes={"latents": digest, "habits": shares_of_episodes(latents, train, HABITS)},
    )


def _reporter(
    path: Path, train: EpisodeStream, held_out: EpisodeStream
) -> Callable[[MDNRNN, History], dict]:
    """Return what scores the best weights and their dreams, and paints the calibration."""

    def report(rnn: MDNRNN, history: History) -> dict:
        best = min(history, key=lambda row: row["val_loss"])
        nats = {
            "mixture": best["val_nats_per_frame"],
            "one component": best["val_gaussian"],
            "next latent = this latent": persistence_nats(train, held_out),
        }
        ends = calibration(rnn, held_out)
        save_calibration(path, ends)
        _print(nats, ends, rnn.latent_size)
        latents = held_out.latents
        dream = Dream(rnn, *latents.first_frames(), DreamOptions(temperature=1.0))
        free = free_running(dream, latents, held_out.episodes)
        print(describe(free))
        scores = {"nats_per_frame": nats, "latent_size": rnn.latent_size, "free_running": free}
        return scores | ends

    return report


def _print(nats: dict[str, float], ends: dict, latent_size: int) -> None:
    print("held-out episodes          nats per frame   per dimension")
    for name, value in nats.items():
        print(f"{name:26s} {value:14.2f} {value / latent_size:15.3f}")
    observed, expected = ends["observed_ends"], ends["expected_ends"]
    print(f"termination: {observed} episodes ended, {expected:.1f} expected")
