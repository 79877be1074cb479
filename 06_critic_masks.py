"""Stage 6: masks of what is rewarding in a frame, from a critic, scored against the ground truth.

Reads the rollouts of stage 1 and writes, below `<savefolder>/`, a critic of whole frames, one of
small regions, a VAE that is conditioned on values, mask networks that are guided by the critic,
`scores.json`, `table.md` and pictures. The same command again continues; `--new_model` starts
afresh. `all` is the training of each (`train-ceiling` is the supervised upper bound, trained on
exact masks), then `evaluate` and `inject`.

    # play that meets trees, and a few minutes' try
    python 01_generate_data.py crafter --policy gatherer --total_episodes 30 --batch_size 10 \\
        --time_steps 250 --store_folder tiny/
    python 06_critic_masks.py all --input_data_folder tiny/ --savefolder tiny/masks \\
        --crafter-epochs 10 --vae_epochs 5 --mask_epochs 5

    # the full study, one seed
    python 06_critic_masks.py all --crafter-windowsize 20 --crafter-dataset-size 50000 \\
        --crafter-epochs 400

    # one seed of five on a cluster, and their table
    python 06_critic_masks.py all --seed $SLURM_ARRAY_TASK_ID --savefolder run_$SLURM_ARRAY_TASK_ID
    python 06_critic_masks.py table --runs run_0 run_1 run_2 run_3 run_4

    # masks of a picture; by the networks in pretrained/ as long as none are trained
    python 06_critic_masks.py masks --image FRAME.png --output strip.png
"""

import argparse
import sys
from pathlib import Path

from reverie import flags
from reverie.backend import start_backend
from reverie.headers import RolloutsHeader, open_header
from reverie.masks.labelled_frames import Choice, LabelledFrames, open_labelled_frames
from reverie.rollouts.storage import find_batches, recorded_game
from reverie.runs import MASKS_FOLDER, ROLLOUTS_FOLDER
from reverie.stage import conduct

TRAININGS = ("train-critic", "train-local", "train-vae", "train-masks", "train-ceiling")
COMMANDS = (*TRAININGS, "evaluate", "inject", "masks", "table", "all")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags; those that begin with `crafter` hold for every game."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole, several = flags.positive_int, flags.int_from(2)
    parser.add_argument("command", choices=COMMANDS)
    add = parser.add_argument_group("data").add_argument
    add("--input_data_folder", type=Path, default=ROLLOUTS_FOLDER)
    add("--environment_name", default="crafter", help="the game that was recorded")
    add("--savefolder", type=Path, help=f"default: {MASKS_FOLDER}")
    add("--reward", default="wood", help="what to explain, e.g. sapling or cow")
    add("--crafter-windowsize", type=whole, default=20, help="steps before a reward that are near")
    add("--crafter-dataset-size", type=several, default=50_000, help="frames to train on, at most")
    discount = flags.float_from(0.0, 1.0, above=True)
    add("--discount", type=discount, default=1.0, help="value of a frame, for each step to wait")
    add("--judged_frames", type=several, default=2000, help="of test and of validation worlds")
    add("--inventory", action="store_true", help="keep the strip below the map")
    add = parser.add_argument_group("training").add_argument
    add("--crafter-epochs", type=whole, default=400, help="of each critic, at most")
    add("--vae_epochs", type=whole, default=30, help="of the critic-VAE")
    add("--mask_epochs", type=whole, default=15, help="of the mask networks")
    add("--patience", type=whole, default=10, help="epochs of a critic without improvement")
    add("--batch_size", type=flags.int_from(4), default=64)
    add("--learning_rate", type=flags.learning_rate, default=1e-3)
    price = flags.non_negative_float
    add("--kl_weight", type=price, default=0.05, help="of the critic-VAE's divergence")
    add("--sparsity", type=price, default=0.5, help="price of marking a whole frame")
    add("--devices", type=whole, help="to split batches over; default: all there are")
    add("--live", action="store_true", help="train the critic on with the mask network")
    add("--seed", type=flags.seed, default=0)
    add("--new_model", action="store_true", help="start afresh")
    add = parser.add_argument_group("masks and table").add_argument
    add("--image", type=Path, help="a frame as it is recorded")
    add("--episode", type=flags.non_negative_int, help="number of a recorded episode")
    add("--output", type=Path, help="the strip (masks.png) or film (masks.mp4)")
    add("--runs", type=Path, nargs="+", default=[], help="folders of several runs")
    return flags.parsed(parser, argv)


def train(command: str, args: argparse.Namespace, labelled: LabelledFrames) -> None:
    """Train one network."""
    start_backend()
    from reverie.masks import tasks

    options = flags.filled(tasks.MaskOptions, args, critic_epochs=args.crafter_epochs)
    run = command.removeprefix("train-")
    rest = args.new_model, vars(args), args.devices
    tasks.train(run, args.savefolder, labelled, options, *rest)


def finish(command: str, args: argparse.Namespace, labelled: LabelledFrames) -> None:
    """Score the masks, or edit frames."""
    from reverie.masks.edits import inject
    from reverie.masks.evaluation import evaluate, table

    if command == "evaluate":
        cell = labelled.choice.made_by.cell_size(labelled.choice.frame_shape)
        print(table([evaluate(args.savefolder, labelled, cell)]), end="")
        print(f"scores, table and gallery in {args.savefolder}")
    else:
        for name, numbers in inject(args.savefolder, labelled).items():
            print(f"{name}: {numbers}")


@conduct
def main(argv: list[str] | None = None) -> None:
    """Do what the command says, on frames that are chosen once and kept in `moments.h5`."""
    args = parse_args(argv)
    if args.command == "masks":
        from reverie.masks.show import networks_folder, show

        folder = networks_folder(args.savefolder, MASKS_FOLDER, args.environment_name)
        recorded = args.input_data_folder, args.environment_name
        output = show(folder, args.image, args.episode, args.output, *recorded)
        return print(f"masks by the networks in {folder}: {output}")
    args.savefolder = args.savefolder or MASKS_FOLDER
    if args.command == "table":
        from reverie.masks.evaluation import compare

        return print(compare(args.runs or [args.savefolder]), end="")
    labelled = choose(args)
    names = (*TRAININGS, "evaluate", "inject") if args.command == "all" else (args.command,)
    if args.command == "all" and not labelled.has_truth:
        names = tuple(name for name in names if name not in ("train-ceiling", "evaluate"))
        print("these rollouts hold no truth: there will be masks, but no scores")
    for name in names:
        (train if name in TRAININGS else finish)(name, args, labelled)


def choose(args: argparse.Namespace) -> LabelledFrames:
    """Return the frames to work on."""
    paths = find_batches(args.input_data_folder, args.environment_name)
    recorded_game(paths)  # refuses frames that this version would make differently
    window = (args.crafter_windowsize, args.crafter_dataset_size, args.discount)
    header = open_header(paths[0], RolloutsHeader)
    rest = (args.judged_frames, args.inventory, args.seed, header.frame_shape)
    env_kwargs = header.options.get("env_kwargs", {})
    choice = Choice(args.environment_name, args.reward, *window, *rest, env_kwargs)
    return open_labelled_frames(args.savefolder / "moments.h5", paths, choice)


if __name__ == "__main__":
    sys.exit(main())
