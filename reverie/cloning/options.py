"""Options of stage 7 and their flags."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from reverie.flags import float_from, positive_int


@dataclass(frozen=True)
class RecordingOptions:
    """Which recordings are imitated or predicted; see `open_recordings`.

    Attributes:
        training_data_file: latents.
        input_data_folder: rollouts.
        environment_name: the game of the rollouts.
    """

    training_data_file: Path | None = None
    input_data_folder: Path | None = None
    environment_name: str = "doomrnn"


def add_recording_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `RecordingOptions`."""
    add = parser.add_argument_group("recordings").add_argument
    add("--training_data_file", type=Path, help="latents, for a clone that sees latents")
    add("--input_data_folder", type=Path, help="rollouts, for a clone that sees frames")
    add("--environment_name", default="doomrnn", help="the game of the rollouts")


@dataclass(frozen=True)
class CloneOptions:
    """What the network is and how it is trained, see `GPT` and `WindowStream`.

    Attributes:
        context: steps that a block looks at.
        width: numbers of a step inside the network.
        blocks: of attention and two dense layers.
        heads: of attention.
        dropout: share of features that is left out.
        previous_actions: whether a step is shown the action before it.
        loss: a key of `LOSSES`.
        class_weights: `none`, `balanced` or `effective`, see `weigh`.
        sequence_length: steps of a window.
        batch_size: windows.
        seed: decides weights, noise, cuts and order.
    """

    context: int = 32
    width: int = 128
    blocks: int = 3
    heads: int = 4
    dropout: float = 0.1
    previous_actions: bool = False
    loss: str = "cross_entropy"
    class_weights: str = "none"
    sequence_length: int = 64
    batch_size: int = 32
    seed: int = 0


def add_clone_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--architecture` and the flags of `CloneOptions`, but for the seed."""
    add = parser.add_argument_group("network").add_argument
    add("--architecture", choices=("latent", "visual"), default="latent", help="what it sees")
    add("--context", type=positive_int, default=32, help="steps that it looks back")
    add("--width", type=positive_int, default=128)
    add("--blocks", type=positive_int, default=3)
    add("--heads", type=positive_int, default=4)
    add("--dropout", type=float_from(0.0, 0.9), default=0.1)
    add("--previous_actions", action="store_true", help="show it the action before: see the docs")
    add = parser.add_argument_group("loss and windows").add_argument
    losses = ("cross_entropy", "focal", "brier", "legacy_mse")
    add("--loss", choices=losses, default="cross_entropy", help="legacy_mse: a control, unsound")
    add("--class_weights", choices=("none", "balanced", "effective"), default="none")
    add("--sequence_length", type=positive_int, default=64, help="steps of a window")
    add("--batch_size", type=positive_int, default=32, help="windows")
