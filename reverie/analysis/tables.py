"""Numbers as tables: Markdown for the documents, which notebooks show as tables."""

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


def markdown_table(rows: list[dict]) -> "Markdown":
    """Return rows as a table for a notebook."""
    from IPython.display import Markdown

    return Markdown(markdown(rows))


def specialisation_rows(found: dict) -> list[dict]:
    """Return a row a label: shares, interval, corrected p, NMI, and the biased test beside them."""
    return [
        {
            "label": name,
            "frames": row["frames"],
            "main component": row.get("main"),
            "share inside": row.get("share"),
            "elsewhere": row.get("elsewhere"),
            "difference": row.get("effect"),
            "95 % interval": row.get("interval"),
            "p, corrected": row.get("p_corrected"),
            "NMI": row.get("nmi"),
            "NMI by chance": row.get("nmi_null"),
            "NMI p, corrected": row.get("nmi_p_corrected"),
            "biased p of the earlier test": found["earlier"].get(name, {}).get("biased_p"),
        }
        for family in ("situations", "events")
        for name, row in found[family].items()
    ]


def specialisation_table(found: dict) -> "Markdown":
    """Show what `studies.specialisation` found."""
    return markdown_table(specialisation_rows(found))


def committed_table(study: dict) -> "Markdown":
    """Show the medians of `studies.committed_study`, a row a component."""
    rows = [
        {"component": str(k)} | dict(zip(study["labels"], map(float, medians)))
        for k, medians in enumerate(study["median"])
    ]
    return markdown_table(rows)


def accuracy_table(accuracy: dict) -> "Markdown":
    """Show how good the detector is, a row a label."""
    columns = ("prevalence", "precision", "recall", "accuracy")
    rows = [{"label": n} | {c: row.get(c) for c in columns} for n, row in accuracy.items()]
    return markdown_table(rows)


def rates_table(sources: dict[str, dict]) -> "Markdown":
    """Show rates per 1,000 frames, a row a label and a column a source."""
    names = next(iter(sources.values()))
    rows = [{"label": n} | {s: r[n]["per_1000"] for s, r in sources.items()} for n in names]
    return markdown_table(rows)


def precision_table(found: dict) -> "Markdown":
    """Show what `creativity.precision` found."""
    return markdown_table([{"per 1,000 frames": name} | row for name, row in found.items()])


def promises_table(promised: dict, given: dict) -> "Markdown":
    """Show the scores that dreams promise, and below them the one that the game gives."""
    columns = ("mean", "interval", "std", "median", "at_limit")
    rows = [
        {"where": f"dream at {t}"} | {c: row[c] for c in columns} for t, row in promised.items()
    ]
    return markdown_table([*rows, {"where": "game"} | {c: given[c] for c in columns}])
