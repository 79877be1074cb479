"""Rows of numbers as tables: Markdown for documents, which notebooks show as tables."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import Markdown


def markdown(rows: list[dict]) -> str:
    """Write rows with the same keys as a Markdown table."""
    names = list(rows[0])
    lines = [names, ["---"] + ["---:"] * (len(names) - 1)]
    lines += [[cell(row[name]) for name in names] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any) -> str:
    """Write one value: three digits of a share, none of a large number."""
    if value is None:
        return "–"
    if isinstance(value, float):
        digits = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 0
        return f"{value:.{digits}f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(item) for item in value)
    return str(value)


def markdown_table(rows: list[dict], note: str = "") -> "Markdown":
    """Return rows as a table for a notebook, with a note below such as the detector's accuracy."""
    from IPython.display import Markdown

    return Markdown("\n\n".join([markdown(rows), *([f"*{note}*"] if note else [])]))
