"""The lessons of stage 6: two critics, the critic-VAE, guided masks, and their ceiling."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.artifacts import InputError, write_text
from reverie.backend import compiled, start_backend
from reverie.masks.lesson import Lesson, learn, load_run
from reverie.masks.measures import area_under_curve, balanced_accuracy, best_cut
from reverie.masks.methods import in_batches
from reverie.masks.pictures import reconstruction_strip
from reverie.reports.plots import evenly, save_picture, tile
from reverie.training.trainer import write_tensorboard

if TYPE_CHECKING:
    from reverie.models.critic import Critic, LocalCritic

JUDGED = 2000  # frames that the critic's numbers are measured on after every epoch
FASTER = 4.0
LOG = ("loss", "auc", "balanced_accuracy")


def teach_critic(lesson: Lesson, afresh: bool) -> None:
    """Train the critic that sees the frame as a whole."""
    start_backend()
    import keras

    from reverie.models.critic import Critic

    keras.utils.set_random_seed(lesson.seed)
    _teach_values(lesson, afresh, Critic(*lesson.moments.choice.shape, seed=lesson.seed))


def teach_local(lesson: Lesson, afresh: bool) -> None:
    """Train the critic that sees one place at a time, which is small and normalised: faster."""
    lesson.learning_rate *= FASTER
    start_backend()
    import keras

    from reverie.models.critic import LocalCritic

    keras.utils.set_random_seed(lesson.seed)
    _teach_values(lesson, afresh, LocalCritic(*lesson.moments.choice.shape, seed=lesson.seed))


def _teach_values(lesson: Lesson, afresh: bool, critic: "Critic | LocalCritic") -> None:
    """Train a critic and keep `<game>_critic_training_log.csv`.

    The log holds the loss, the area under the ROC curve and the balanced accuracy of frames near to
    a reward against the others, all for training and validation worlds. The accuracy's threshold
    is chosen on training frames.
    """
    moments = lesson.moments
    parts = {"train": "train_", "validation": "val_"}
    frames = {part: moments.read(part, "frames", 0, JUDGED) for part in parts}
    near = {part: moments.read(part, "values", 0, JUDGED) > 0 for part in parts}
    values = in_batches(compiled(critic.value))
    history: list[dict] = read_log(log_path(lesson)) if not afresh else []

    def after_epoch(row: dict) -> None:
        scores = {part: values(frames[part]) for part in parts}
        cut = best_cut(scores["train"], near["train"])
        entry = {"epoch": row["epoch"], "train_loss": row["loss"], "val_loss": row["val_loss"]}
        for part, prefix in parts.items():
            entry[f"{prefix}auc"] = area_under_curve(scores[part], near[part])
            entry[f"{prefix}balanced_accuracy"] = balanced_accuracy(scores[part], near[part], cut)
        row |= {name: value for name, value in entry.items() if name not in ("epoch", "train_loss")}
        write_tensorboard(lesson.folder / "logs", entry)
        history[:] = [*(old for old in history if int(old["epoch"]) < row["epoch"]), entry]
        write_log(log_path(lesson), history)

    lesson.after_epoch = after_epoch
    learn(lesson, critic, afresh)


def log_path(lesson: Lesson) -> Path:
    """Return where the critic's log goes."""
    return lesson.folder / f"{lesson.moments.choice.game}_critic_training_log.csv"


def write_log(path: Path, rows: list[dict]) -> None:
    """Write a CSV atomically."""
    text = io.StringIO()
    names = ["epoch", *(f"{part}_{name}" for name in LOG for part in ("train", "val"))]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_log(path: Path) -> list[dict]:
    """Read what `write_log` wrote; nothing if there is none."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def teach_vae(lesson: Lesson, afresh: bool, **weights: float) -> None:
    """Train the critic-VAE; paint the same frames of validation worlds after every epoch.

    Args:
        lesson: the run.
        afresh: forget an earlier run.
        weights: of the loss, see `CriticVAE`.
    """
    critic = _trained_critic(lesson, "local", "LocalCritic")
    import keras

    from reverie.models.critic_vae import CriticVAE

    keras.utils.set_random_seed(lesson.seed)
    vae = CriticVAE(critic.get_config(), seed=lesson.seed, **weights)
    vae.critic.set_weights(critic.get_weights())
    shown = evenly(lesson.moments.read("thresholds"))
    strip = reconstruction_strip(vae)

    def after_epoch(row: dict) -> None:
        path = lesson.folder / "reconstructions" / f"epoch_{row['epoch']:03d}.png"
        save_picture(path, tile(strip(shown)))

    lesson.after_epoch = after_epoch
    learn(lesson, vae, afresh)


def teach_masks(lesson: Lesson, afresh: bool, sparsity: float, live: bool) -> None:
    """Train the mask network by the critic."""
    critic = _trained_critic(lesson, "critic", "Critic")
    import keras

    from reverie.models.guided_mask_net import GuidedMaskNet

    keras.utils.set_random_seed(lesson.seed)
    rows, columns = lesson.moments.choice.shape
    net = {"rows": rows, "columns": columns}
    guided = GuidedMaskNet(net, critic.get_config(), sparsity, live, seed=lesson.seed)
    guided.critic.set_weights(critic.get_weights())
    learn(lesson, guided, afresh)


def teach_ceiling(lesson: Lesson, afresh: bool) -> None:
    """Train a U-Net by the exact masks, which no other method sees in training.

    Raises:
        InputError: the rollouts have no truth.
    """
    lesson.moments.require_truth()
    start_backend()
    import keras

    from reverie.models.mask_net import UNet

    keras.utils.set_random_seed(lesson.seed)
    rows, columns = lesson.moments.choice.shape
    learn(lesson, UNet(rows, columns, seed=lesson.seed), afresh)


def _trained_critic(lesson: Lesson, run: str, network: str) -> "Critic | LocalCritic":
    """Load a critic beside the run.

    Raises:
        InputError: there is none, or one of another reward or other frames.
    """
    folder = lesson.folder.parent / run
    critic, header = load_run(folder, network, f"train-{run}")
    said, expected = lesson.moments.header, header.notes.get("rollouts")
    if (header.choice, expected) != (said.choice, said.rollouts):
        raise InputError(
            f"{folder}: a critic of other frames or another reward; repeat its flags, or train it "
            f"anew with: python 06_critic_masks.py train-{run} --new_model"
        )
    return critic


TEACHERS = {
    "critic": teach_critic,
    "local": teach_local,
    "vae": teach_vae,
    "masks": teach_masks,
    "ceiling": teach_ceiling,
}
OPTIONS = {  # flags that they take
    "critic": (),
    "local": (),
    "vae": ("kl_weight",),
    "masks": ("sparsity", "live"),
    "ceiling": (),
}
