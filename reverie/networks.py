"""The networks by name: where each class is, what its configuration holds, which arrays follow.

Light: a weights file is checked against this table before Keras is imported or anything is built.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reverie.models.architectures import ARCHITECTURES, Architecture

STAGE_6 = "train it with: python 06_critic_masks.py"
STAGE_7 = "train one with: python 07_clone_behaviour.py train"
HEADS = ("reward", "termination", "gaussian")
FRAME_SHAPE = (64, 64, 3)  # of games and files that say no other
Sizes = Callable[[dict], dict[str, tuple]]  # configuration -> shapes of some arrays by name


@dataclass(frozen=True)
class Network:
    """What is known of a network without building it.

    Attributes:
        module: below `reverie.models`.
        title: how messages call one.
        mend: the command that trains one.
        settings: what its configuration may hold: a type, a tuple of choices, a list with the type
            or the choices of its items, or the name of another network whose configuration it is.
        sizes: the shapes of enough arrays to know that no setting is larger than the file.
        notes: what its header must say beside the game, by name, and of which type.
    """

    module: str
    title: str
    mend: str
    settings: dict[str, Any]
    sizes: Sizes
    notes: dict[str, type]


def _vae(config: dict) -> dict[str, tuple]:
    sizes = {"vae/mean_frame": tuple(config.get("frame_shape", FRAME_SHAPE))}
    if architecture_of(config).size is None:  # else it follows from the frames
        sizes["mu/bias"] = (config.get("latent_size", 64),)
    return sizes


def _mdn_rnn(config: dict) -> dict[str, tuple]:
    latents, units = config.get("latent_size", 64), config.get("units", 512)
    inputs, components = latents + config.get("action_size", 1), config.get("num_mixtures", 5)
    per_dimension = config.get("mixture", "joint") == "per_dim"
    logits = components * (latents if per_dimension else 1)
    scalars = len([head for head in config.get("heads", HEADS) if head != "gaussian"])
    return {
        "mdnrnn/lstm/lstm_cell/kernel": (inputs, 4 * units),
        "mdnrnn/lstm/lstm_cell/recurrent_kernel": (units, 4 * units),
        "mdnrnn/head/bias": (2 * components * latents + logits + scalars,),
    }


def _critic(config: dict, first: str = "conv2d") -> dict[str, tuple]:
    width, rows, columns = config.get("width", 16), config.get("rows", 0), config.get("columns", 0)
    places = -(-rows // 8) * -(-columns // 8)
    return {f"{first}/bias": (width,), "dense/kernel": (places * 2 * width, 4 * width)}


def _mask_net(config: dict) -> dict[str, tuple]:
    return {"conv2d/bias": (config.get("width", 24) * 2 // 3,)}


def _local_critic(config: dict) -> dict[str, tuple]:
    return {"conv2d/kernel": (5, 5, 3, config.get("width", 16))}


def _gpt(config: dict, scope: str = "gpt") -> dict[str, tuple]:
    width, blocks = config.get("width", 128), config.get("blocks", 3)
    last = f"{scope}/block_{blocks - 1}/ago"
    return {
        f"{scope}/head/kernel": (width, config.get("classes")),
        last: (config.get("heads", 4), config.get("context", 32)),
    }


def _latent_gpt(config: dict) -> dict[str, tuple]:
    embedding = (config.get("latent_size", 64), config.get("width", 128))
    return _gpt(config) | {"embedding/kernel": embedding}


def _visual_gpt(config: dict) -> dict[str, tuple]:
    rows, columns, *_ = config.get("frame_shape", FRAME_SHAPE)
    while max(rows, columns) > 8:
        rows, columns = -(-rows // 2), -(-columns // 2)
    features = 2 * rows * columns * config.get("channels", 24)
    sizes = {"dense/kernel": (features, config.get("width", 128))}
    return _gpt(config, "visual_gpt") | sizes


PAIR = [str, int]  # a statement of a detector: what is counted, and from which number on it holds
PLACES = {"rows": int, "columns": int, "width": int}
GPT = {
    "classes": int,
    "context": int,
    "width": int,
    "blocks": int,
    "heads": int,
    "dropout": float,
    "previous_actions": bool,
    "loss": ("cross_entropy", "focal", "brier", "legacy_mse"),
    "class_weights": [float],
}
CLONED = {"action_space": dict, "classes": list, "class_names": list}
NETWORKS = {
    "VAE": Network(
        "vae",
        "a VAE",
        "train one with: python 02_train_vae.py",
        {"architecture": tuple(ARCHITECTURES), "frame_shape": [int]}
        | {
            name: type(default)
            for architecture in ARCHITECTURES.values()
            for name, default in architecture.settings.items()
        },
        _vae,
        {},
    ),
    "PatchClassifier": Network(
        "perceptual",
        "a classifier of patches",
        "train one with: python -m reverie.latents.perceptual_task",
        {"games": int, "widths": [int]},
        lambda config: {"conv2d_2/bias": (config.get("games"),)},
        {},
    ),
    "MDNRNN": Network(
        "mdn_rnn",
        "an MDN-RNN",
        "train one with: python 04_train_rnn.py",
        {
            "latent_size": int,
            "action_size": int,
            "units": int,
            "num_mixtures": int,
            "mixture": ("joint", "per_dim"),
            "heads": [*HEADS],
            "latent_scale": float,
            "action_levels": int,
            "reward_scale": float,
            "termination_weight": float,
        },
        _mdn_rnn,
        {"action_space": dict},
    ),
    "Detector": Network(
        "detector",
        "a detector",
        "name another place with --output_folder, where python -m reverie.mixtures trains one",
        {"statements": int, "frame_shape": [int]},
        lambda config: {"dense_2/bias": (config.get("statements"),)},
        {"statements": list, "floor": dict, "thresholds": list, "accuracy": dict},
    ),
    "Critic": Network(
        "critic",
        "a critic",
        f"{STAGE_6} train-critic",
        PLACES | {"dropout": float},
        _critic,
        {"choice": dict},
    ),
    "LocalCritic": Network(
        "critic",
        "a critic of places",
        f"{STAGE_6} train-local",
        PLACES,
        _local_critic,
        {"choice": dict},
    ),
    "CriticVAE": Network(
        "critic_vae",
        "a critic-VAE",
        f"{STAGE_6} train-vae",
        {"critic": "LocalCritic", "channels": int, "kl_weight": float},
        lambda c: _local_critic(c.get("critic", {})) | {"conv2d_7/bias": (c.get("channels", 8),)},
        {"choice": dict},
    ),
    "MaskNet": Network("mask_net", "a mask network", STAGE_6, PLACES, _mask_net, {"choice": dict}),
    "GuidedMaskNet": Network(
        "guided_mask_net",
        "a mask network with its critic",
        f"{STAGE_6} train-masks",
        {"mask_net": "MaskNet", "critic": "Critic", "sparsity": float, "live": bool},
        lambda c: _mask_net(c.get("mask_net", {})) | _critic(c.get("critic", {}), "conv2d_4"),
        {"choice": dict},
    ),
    "UNet": Network(
        "mask_net",
        "a U-Net",
        f"{STAGE_6} train-ceiling",
        PLACES,
        _mask_net,
        {"choice": dict},
    ),
    "GPT": Network(
        "gpt", "a clone that sees latents", STAGE_7, GPT | {"latent_size": int}, _latent_gpt, CLONED
    ),
    "VisualGPT": Network(
        "gpt",
        "a clone that sees frames",
        f"{STAGE_7} --architecture visual",
        GPT | {"frame_shape": [int], "channels": int},
        _visual_gpt,
        CLONED,
    ),
}
CLONES = ("GPT", "VisualGPT")


def architecture_of(config: dict) -> Architecture:
    """Return what is known of the architecture of an autoencoder with a configuration."""
    return ARCHITECTURES[config.get("architecture", "patch")]


def class_of(name: str, config: dict) -> tuple[str, str]:
    """Return the module below `reverie.models` and the class of a network.

    Args:
        name: of the network; every autoencoder is stored as a VAE.
        config: what rebuilds it.
    """
    return architecture_of(config).network if name == "VAE" else (NETWORKS[name].module, name)


def frame_fault(architecture: str, shape: Sequence[int]) -> str | None:
    """Return why an autoencoder cannot see frames of a shape, None if it can.

    Args:
        architecture: its name in `ARCHITECTURES`.
        shape: of the frames.
    """
    known = ARCHITECTURES[architecture]
    if len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < 8:
        return f"frames of shape {tuple(shape)} are no pictures in colour"
    if known.frame_shape and tuple(shape) != known.frame_shape:
        return (
            f"{architecture} sees frames of {written_size(known.frame_shape)} pixels only, not "
            f"{written_size(shape)}"
        )
    if any(side % known.divisor for side in shape[:2]):
        return (
            f"frames of {written_size(shape)} pixels, but their sides must be divisible by "
            f"{known.divisor}"
        )
    if min(shape[:2]) < known.least:
        return f"frames of {written_size(shape)} pixels, {architecture} needs {known.least} or more"
    return None


def code_fault(architecture: str, latent_size: int, shape: Sequence[int]) -> str | None:
    """Return why an autoencoder has no code of a size for frames that it can see, or None."""
    size = ARCHITECTURES[architecture].size
    if size is None or size(tuple(shape)) == latent_size:
        return None
    return (
        f"the code of {architecture} has {size(tuple(shape))} latents for frames of "
        f"{written_size(shape)} pixels, not {latent_size}"
    )


def written_size(shape: Sequence[int]) -> str:
    """Write how many columns and rows a shape has, as `64x64`."""
    rows, columns, *_ = shape
    return f"{columns}x{rows}"


def config_fault(name: str, config: dict, shapes: dict[str, tuple]) -> str | None:
    """Return what is wrong with a network's configuration, None if nothing is.

    Args:
        name: of the network.
        config: what shall rebuild it.
        shapes: of the arrays in the file, by name.
    """
    fault = _setting_fault(name, config)
    if fault is not None:
        return fault
    if name == "VAE" and (fault := _autoencoder_fault(config)):
        return fault
    if name in CLONES and (fault := _clone_fault(config)):
        return fault
    for array, shape in NETWORKS[name].sizes(config).items():
        if shapes.get(array) != shape:
            found = f"has shape {shapes[array]}" if array in shapes else "is missing"
            return f"its configuration needs {array} of shape {shape}, which {found}"
    return None


def _autoencoder_fault(config: dict) -> str | None:
    architecture = config.get("architecture", "patch")
    shape = config.get("frame_shape", FRAME_SHAPE)
    known = {"architecture", "frame_shape", *ARCHITECTURES[architecture].settings}
    if foreign := sorted({*config} - known):
        return f"its configuration has {foreign[0]!r}, which {architecture} does not know"
    return frame_fault(architecture, shape) or code_fault(
        architecture, config.get("latent_size", 64), shape
    )


def detector_fault(config: dict, notes: dict) -> str | None:
    """Return what is wrong with what a detector says of its statements, None if nothing is."""
    count = config.get("statements")
    named = [s for s in notes["statements"] if isinstance(s, list) and [type(p) for p in s] == PAIR]
    numbers = [t for t in notes["thresholds"] if type(t) in (int, float) and math.isfinite(t)]
    for name, found in (("statements", named), ("thresholds", numbers)):
        if not len(found) == len(notes[name]) == count:
            return f"its {name} are not {count}, or not all of them can be used"
    whole = all(type(value) is int for value in notes["floor"].values())
    return None if whole else "its floor is no table of whole numbers"


def _clone_fault(config: dict) -> str | None:
    """Return what is wrong with the sizes of a clone, None if nothing is."""
    width, heads = config.get("width", 128), config.get("heads", 4)
    if min(width, heads, config.get("blocks", 3), config.get("context", 32)) < 1 or width % heads:
        return f"its width {width} cannot be split over {heads} heads"
    shape = config.get("frame_shape", FRAME_SHAPE)
    if len(shape) != 3 or min(shape) < 1:
        return f"frames of shape {tuple(shape)} are no pictures in colour"
    weights = config.get("class_weights", [])
    if weights and len(weights) != config.get("classes"):
        return f"it has {len(weights)} class_weights for {config.get('classes')} classes"
    return None


def classes_fault(config: dict, notes: dict) -> str | None:
    """Return what is wrong with what a clone says of its actions, None if nothing is."""
    classes, names = notes["classes"], notes["class_names"]
    if not len(classes) == len(names) == config.get("classes") >= 1:
        return f"its classes are not {config.get('classes')}"
    rows = [row for row in classes if isinstance(row, list) and all(type(n) is int for n in row)]
    if len(rows) != len(classes) or len({len(row) for row in rows}) != 1:
        return "its classes are no rows of whole numbers"
    return None if all(isinstance(n, str) for n in names) else "its class_names are no text"


def _setting_fault(name: str, config: dict) -> str | None:
    settings = NETWORKS[name].settings
    for key, value in config.items():
        if key not in settings:
            return f"its configuration has {key!r}, which {name} does not know"
        kind = settings[key]
        if isinstance(kind, str) and isinstance(value, dict):
            fault = _setting_fault(kind, value)
            if fault is not None:
                return fault
        elif not _fits(value, kind):
            return f"its configuration has {key} {value!r}, which is not {_words(kind)}"
    return None


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, list):
        item = kind[0] if isinstance(kind[0], type) else tuple(kind)
        return isinstance(value, list) and all(_fits(each, item) for each in value)
    if isinstance(kind, tuple):
        return value in kind
    if kind is bool or isinstance(value, bool):
        return kind is type(value)
    if kind is int:
        return isinstance(value, int) and value >= 0
    return kind is float and isinstance(value, (int, float)) and math.isfinite(value)


def _words(kind: Any) -> str:
    if isinstance(kind, list):
        return f"a list, each {_words(kind[0] if isinstance(kind[0], type) else tuple(kind))}"
    if isinstance(kind, tuple):
        return f"one of {', '.join(kind)}"
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a table")
