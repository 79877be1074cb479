"""Measure, keep the figures in `benchmarks/results.json` and write the table of docs/speed.md.

# everything, about ten minutes on two cores; leave the machine alone meanwhile
python -m benchmarks.run

# two subjects; the figures of the others stay
python -m benchmarks.run recording dreams

# try the benchmarks out: tiny sizes, nothing is kept
python -m benchmarks.run --quick
"""

import argparse
import importlib
import json
import platform
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

from reverie.artifacts import write_json, write_text
from reverie.cores import usable_cores

SUBJECTS = (
    "recording",
    "driving",
    "playing",
    "vae_training",
    "encoding",
    "choosing",
    "rnn_training",
    "pytorch",
    "dreams",
    "decision",
    "encoders",
    "page",
    "screen",
    "memory",
)
PACKAGES = ("tensorflow", "keras", "numpy", "h5py", "vizdoom", "torch")
ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "speed.md"
HEADER = (
    "| what | ours | reference | unit | ours / reference | reference is |",
    "|---|---:|---:|---|---:|---|",
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subjects", nargs="*", help=f"all by default: {', '.join(SUBJECTS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing is kept")
    args = parser.parse_args(argv)
    if unknown := set(args.subjects) - set(SUBJECTS):
        parser.error(f"no benchmark {', '.join(unknown)}; choose from {', '.join(SUBJECTS)}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Measure the subjects one after the other, keeping each as soon as it is measured."""
    args = parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="reverie_benchmarks_") as folder:
        for subject in args.subjects or SUBJECTS:
            start = time.perf_counter()
            rows = _measure_apart(subject, Path(folder), args.quick)
            print(f"== {subject}, {time.perf_counter() - start:.0f} s")
            print("\n".join([*HEADER, *map(_line, rows)]), flush=True)
            if not args.quick:
                keep(subject, rows)
    return 0


def measure(subject: str, folder: Path, quick: bool) -> list[dict]:
    """Measure one subject in this process."""
    from benchmarks.workplace import Workplace

    module = importlib.import_module(f"benchmarks.{subject}")
    return [asdict(row) for row in module.measure(Workplace(folder, quick))]


def _measure_apart(subject: str, folder: Path, quick: bool) -> list[dict]:
    """Measure in a fresh process: the threads and the memory of one subject burden no other."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, subject, folder, quick).result()


def keep(subject: str, rows: list[dict]) -> None:
    """Merge the rows of a subject into the results and write the table of the docs."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[subject] = {"machine": machine(), "rows": rows}
    results = {name: results[name] for name in SUBJECTS if name in results}
    write_json(RESULTS, results)
    write_text(PAGE, insert(PAGE.read_text(), tables(results)))


def machine() -> dict:
    """Return on what the figures were measured."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {"processor": _processor(), "cores": usable_cores(), "packages": versions}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def tables(results: dict) -> str:
    """Return the figures as Markdown, a table for each machine they were measured on."""
    machines: list[dict] = []
    for result in results.values():
        if result["machine"] not in machines:
            machines.append(result["machine"])
    parts = []
    for place in machines:
        rows = [row for r in results.values() if r["machine"] == place for row in r["rows"]]
        versions = ", ".join(f"{name} {version}" for name, version in place["packages"].items())
        parts.append("\n".join([*HEADER, *map(_line, rows)]))
        parts.append(f"Measured on {place['processor']}, {place['cores']} cores, with {versions}.")
    return "\n\n".join(parts)


def _line(row: dict) -> str:
    figures = [_figure(row[name]) for name in ("ours", "reference")]
    cells = [row["what"], *figures, row["unit"], f"{row['ratio']:.3g}", row["note"]]
    return f"| {' | '.join(cells)} |"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def insert(text: str, content: str, name: str = "benchmarks") -> str:
    """Put content between the markers of this name in a text, at its end where it has none."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if begin not in text or end not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    before, rest = text.split(begin, 1)
    _, after = rest.split(end, 1)
    return f"{before}{begin}\n{content}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
