"""Networks of stage 6 to share, halved to float16, with their thresholds.

    python -m reverie.masks.export --run critic_masks_folder --folder pretrained/crafter_masks

They remember how they were trained and what they scored; `06_critic_masks.py masks` uses them
where nothing is trained.
"""

import argparse
import shutil
import sys
from pathlib import Path

from reverie.artifacts import InputError, atomic_path
from reverie.masks.methods import LEARNED
from reverie.masks.networks import weights_path
from reverie.masks.show import RUNS
from reverie.networks import STAGE_6
from reverie.reports.export import export_weights
from reverie.runs import MASKS_FOLDER, SCORES
from reverie.stage import conduct


def export(run: Path, folder: Path) -> list[Path]:
    """Write the networks whose masks are shown in float16, and `scores.json` beside them.

    Args:
        run: what stage 6 wrote.
        folder: where they go, under the same names.

    Raises:
        InputError: a network is missing or damaged, or the run is not evaluated.
    """
    scores = run / SCORES
    if not scores.is_file():
        raise InputError(f"{scores}: not there; run 06_critic_masks.py evaluate first")
    written = []
    for name in RUNS:
        _, network, _ = LEARNED[name]
        written.append(weights_path(folder / name))
        mend = f"{STAGE_6} train-{name}"
        export_weights(weights_path(run / name), network, written[-1], mend=mend)
    written.append(folder / scores.name)
    with atomic_path(written[-1]) as temporary:
        shutil.copyfile(scores, temporary)
    return written


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.masks.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, default=MASKS_FOLDER)
    parser.add_argument("--folder", type=Path, default=Path("pretrained/crafter_masks"))
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Parse the flags and export."""
    args = parse_args(argv)
    for path in export(args.run, args.folder):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
