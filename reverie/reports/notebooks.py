"""Run the notebooks from top to bottom on what `make run` wrote; `make notebooks` does it.

    python -m reverie.reports.notebooks --run runs/doom --output_folder runs/doom/notebooks

With `--output_folder notebooks` the outputs are stored in the repository.
"""

import argparse
import ast
import sys
from pathlib import Path

from reverie.artifacts import InputError, atomic_path
from reverie.stage import conduct

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
DEFAULT_RUN = "../runs/doom"  # as the notebooks see it


def parameters(notebook: Path, run: Path) -> dict:
    """Return the parameters of a notebook that name the default run, moved to another one."""
    if (FOLDER / DEFAULT_RUN).resolve() == run.resolve():
        return {}
    values = _paths(notebook)
    moved = {name: _moved(value, run) for name, value in values.items()}
    return {name: value for name, value in moved.items() if value != values[name]}


def absent(notebook: Path) -> list[str]:
    """Return the paths that a notebook reads if none is there and none is of the default run."""
    values = _paths(notebook).values()
    paths = [path for value in values for path in (value if isinstance(value, list) else [value])]
    known = any(p.startswith(DEFAULT_RUN) or (FOLDER / p).exists() for p in paths)
    return [] if known else paths


def _paths(notebook: Path) -> dict[str, str | list[str]]:
    """Return the parameters of a notebook that are paths."""
    import papermill

    told = papermill.inspect_notebook(notebook)
    return {
        name: ast.literal_eval(told[name]["default"]) for name in told if "/" in str(told[name])
    }


def _moved(value: str | list, run: Path) -> str | list:
    if isinstance(value, list):
        return [_moved(item, run) for item in value]
    return value.replace(DEFAULT_RUN, str(run.resolve()))


def execute(notebook: Path, output: Path, told: dict) -> None:
    """Run a notebook in its folder and write it with its outputs, without times and paths.

    Raises:
        InputError: a cell failed; the message says which notebook and why.
    """
    import nbformat
    import papermill

    with atomic_path(output, ".ipynb") as temporary:
        try:
            done = papermill.execute_notebook(
                notebook, temporary, told, cwd=FOLDER, progress_bar=False, log_output=False
            )
        except papermill.PapermillExecutionError as error:
            raise InputError(f"{notebook}: {error.ename}: {error.evalue}") from error
        for part in (done, *done.cells):
            part.metadata.pop("papermill", None)
            part.metadata.pop("execution", None)
        nbformat.write(done, temporary)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run all notebooks in order."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.reports.notebooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, default=Path("runs/doom"), help="what make run wrote")
    parser.add_argument("--output_folder", type=Path, default=Path("runs/doom/notebooks"))
    args = parser.parse_args(argv)
    for notebook in sorted(FOLDER.glob("*.ipynb")):
        if missing := absent(notebook):
            print(f"== {notebook.name}: left out, {', '.join(missing)} is not there")
            continue
        print(f"== {notebook.name}", flush=True)
        execute(notebook, args.output_folder / notebook.name, parameters(notebook, args.run))
    print(f"notebooks with their outputs in {args.output_folder}")


if __name__ == "__main__":
    sys.exit(main())
