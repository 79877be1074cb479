"""The evaluations of several world models as one document.

# what was evaluated, side by side
python -m reverie.evaluate.results runs/doom/evaluation runs/doom/pretrained/evaluation \\
    --output docs/results.md
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from reverie.artifacts import read_json, write_text
from reverie.evaluate.options import RESULT
from reverie.reports.tables import markdown
from reverie.stage import conduct

REACH = "200"  # steps, of free-running dreams
MEND = "evaluate the run with: python -m reverie.evaluate"
HEAD = """# World models, evaluated

Written by `python -m reverie.evaluate.results`; [evaluation.md](evaluation.md) says what is
measured. Values have 95 % intervals over held-out episodes. Ends are those within {reach} steps, as
multiples of the game's. Frames are decoded from dreams along the recorded actions and compared by
PSNR in dB after 1, 15 and 100 steps; beside them stand the last frame copied, and the
reconstruction.
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.evaluate.results",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", type=Path, nargs="+", help="of evaluations")
    parser.add_argument("--output", type=Path, default=Path("results.md"))
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Write the document."""
    args = parse_args(argv)
    found = [read_json(folder / RESULT, MEND, "network", "verdict") for folder in args.folders]
    parts = [HEAD.format(reach=REACH)]
    for title, row in (("Summary", _summary), ("Frames", _frames)):
        parts += [f"## {title}\n", markdown([row(result) for result in found]) + "\n"]
    parts.append("## Can these dreams be trusted?\n")
    parts += [f"- `{result['network']}`: {result['verdict']['line']}." for result in found]
    write_text(args.output, "\n".join(parts) + "\n")
    print(f"{len(found)} evaluations in {args.output}")


def _summary(result: dict[str, Any]) -> dict[str, str]:
    nats, free = result["one_step"]["nats"], result["free_running"]
    correlation = result["ranking"]["spearman"]
    return {
        "network": f"`{result['network']}`",
        "game": result["game"],
        "nats per frame": _cell(nats["mixture"]),
        "one component": _cell(nats.get("one component")),
        "nothing changes": _cell(nats["next latent = this latent"]),
        "shuffled actions cost": _cell(result["one_step"]["shuffled_costs"]),
        "played actions picked of five": _cell(result["picks"]["share"]),
        "ends, held-out actions": _ends(free["held_out"]),
        "ends, controller acts": _ends(free.get("controller")),
        "ranks (Spearman)": _cell(correlation),
    }


def _frames(result: dict[str, Any]) -> dict[str, str]:
    row = {"network": f"`{result['network']}`"}
    for steps, found in result["frames"].items():
        for name in ("mixture", "one component", "last frame copied", "reconstruction"):
            if name in found and steps in ("1", "15", "100"):
                row[f"{name}, {steps}"] = f"{found[name]['psnr']['value']:.1f}"
    return row


def _ends(compared: dict | None) -> str:
    if compared is None or compared[REACH]["dreams"] is None:
        return "–"
    row = compared[REACH]
    return _cell({"value": row["dreams"], "interval": row["dreams_interval"]})


def _cell(found: dict | None) -> str:
    if found is None:
        return "–"
    low_high = found["interval"]
    return f"{found['value']:.2f}" + (
        f" [{low_high[0]:.2f} to {low_high[1]:.2f}]" if low_high else ""
    )


if __name__ == "__main__":
    sys.exit(main())
