"""Run the notebooks from top to bottom on what `make run` wrote; `make notebooks` does it.

    python -m reverie.reports.notebooks --run runs/doom --output_folder runs/doom/notebooks

With `--output_folder notebooks` the outputs are stored in the repository.
"""

import argparse
import ast
import sys
from pathlib import Path

from reverie.artifacts import InputError, atomic_path
from reverie.runs import NOTEBOOKS, RUN_FOLDER
from reverie.stage import conduct

DEFAULT_RUN = f"../{RUN_FOLDER}"  # as the notebooks see it


def parameters(notebook: Path, run: Path) -> dict:
    """Return the parameters of a notebook that name the default run, moved to another one."""
    if (notebook.parent / DEFAULT_RUN).resolve() == run.resolve():
        return {}
    values = _paths(notebook)
    moved = {name: _moved(value, run) for name, value in values.items()}
    return {name: value for name, value in moved.items() if value != values[name]}


def absent(notebook: Path) -> list[str]:
    """Return the paths that a notebook reads if none is there and none is of the default run."""
    values = _paths(notebook).values()
    paths = [path for value in values for path in (value if isinstance(value, list) else [value])]
    known = any(p.startswith(DEFAULT_RUN) or (notebook.parent / p).exists() for p in paths)
    return [] if known else paths


def _paths(notebook: Path) -> dict[str, str | list[str]]:
    """Return the parameters of a notebook that are paths."""
    import papermill

    found = papermill.inspect_notebook(notebook)
    return {
        name: ast.literal_eval(found[name]["default"]) for name in found if "/" in str(found[name])
    }


def _moved(value: str | list, run: Path) -> str | list:
    if isinstance(value, list):
        return [_moved(item, run) for item in value]
    return value.replace(DEFAULT_RUN, str(run.resolve()))


def execute(notebook: Path, output: Path, values: dict) -> None:
    """Run a notebook in its folder and write it with its outputs, without times and paths.

    Args:
        notebook: what to run.
        output: the notebook with its outputs.
        values: parameters other than those in the notebook.

    Raises:
        InputError: a cell failed; the message says which notebook and why.
    """
    import nbformat
    import papermill

    with atomic_path(output, ".ipynb") as temporary:
        try:
            done = papermill.execute_notebook(
                notebook,
                temporary,
                values,
                cwd=notebook.parent,
                progress_bar=False,
                log_output=False,
            )
        except papermill.PapermillExecutionError as error:
            raise InputError(f"{notebook}: {error.ename}: {error.evalue}") from error
        for part in (done, *done.cells):
            part.metadata.pop("papermill", None)
            part.metadata.pop("execution", None)
        nbformat.write(done, temporary)


def find_notebooks(folder: Path) -> list[Path]:
    """Return the notebooks of a folder in order.

    Raises:
        InputError: there are none, or what runs them is not installed.
    """
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise InputError(f"{folder}: no notebooks there; install Reverie again, or name --folder")
    try:
        import papermill  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{error.name} is not installed; run: make notebooks, or: pip install papermill "
            "ipykernel"
        ) from error
    return found


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m reverie.reports.notebooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS, help="the notebooks to run")
    parser.add_argument("--run", type=Path, default=RUN_FOLDER, help="what make run wrote")
    parser.add_argument("--output_folder", type=Path, default=RUN_FOLDER / "notebooks")
    return parser.parse_args(argv)


@conduct
def main(argv: list[str] | None = None) -> None:
    """Run all notebooks in order."""
    args = parse_args(argv)
    written = []
    for notebook in find_notebooks(args.folder):
        if missing := absent(notebook):
            print(f"== {notebook.name}: left out, {', '.join(missing)} is not there")
            continue
        print(f"== {notebook.name}", flush=True)
        written.append(args.output_folder / notebook.name)
        execute(notebook, written[-1], parameters(notebook, args.run))
    if not written:
        raise InputError(f"{args.folder}: nothing of what its notebooks read is there; make run")
    print(f"{len(written)} notebooks with their outputs in {args.output_folder}")


if __name__ == "__main__":
    sys.exit(main())
