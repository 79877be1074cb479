"""What the analyses found as tables for notebooks."""

from typing import TYPE_CHECKING

from reverie.reports.tables import markdown_table

if TYPE_CHECKING:
    from IPython.display import Markdown


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


def specialisation_table(found: dict, note: str = "") -> "Markdown":
    """Show what `studies.specialisation` found."""
    return markdown_table(specialisation_rows(found), note)


def committed_table(study: dict, note: str = "") -> "Markdown":
    """Show the medians of `studies.committed_study`, a row a component."""
    rows = [
        {"component": str(k)} | dict(zip(study["labels"], map(float, medians)))
        for k, medians in enumerate(study["median"])
    ]
    return markdown_table(rows, note)


def accuracy_table(accuracy: dict) -> "Markdown":
    """Show how good the detector is, a row a label."""
    columns = ("prevalence", "precision", "recall", "accuracy")
    rows = [{"label": n} | {c: row.get(c) for c in columns} for n, row in accuracy.items()]
    return markdown_table(rows)


def rates_table(sources: dict[str, dict], note: str = "") -> "Markdown":
    """Show rates per 1,000 frames, a row a label and a column a source."""
    names = next(iter(sources.values()))
    rows = [{"label": n} | {s: r[n]["per_1000"] for s, r in sources.items()} for n in names]
    return markdown_table(rows, note)


def precision_table(found: dict, note: str = "") -> "Markdown":
    """Show what `creativity.precision` found."""
    return markdown_table([{"per 1,000 frames": name} | row for name, row in found.items()], note)


def creativity_rows(networks: dict[str, dict]) -> list[dict]:
    """Return a row a network and temperature: what its dreams and one-step predictions hold.

    Args:
        networks: results by name, as `analysis.json` has them.
    """
    ordered = sorted(networks.values(), key=lambda result: result["components"])
    return [
        {"components": str(result["components"]), "temperature": temperature}
        | _creativity_columns(found)
        for result in ordered
        for temperature, found in result["creativity"].items()
    ]


def _creativity_columns(found: dict) -> dict:
    row = {"dream length": found["lengths"]["mean"], "never ended": found["lengths"]["never_ended"]}
    for name in ("explosion starts", "creativity"):
        rate = found["rates"][name]
        row |= {f"{name}, per dream": rate["per_dream"], f"{name}, per 1,000": rate["per_1000"]}
    for name in ("fireballs", "monsters", "explosion"):
        wrong = found["precision"][name]
        row[f"{name} imagined / missed"] = f"{wrong['imagined']:.1f} / {wrong['missed']:.1f}"
    return row


def dream_scores_table(dreams: dict, game: dict) -> "Markdown":
    """Show the scores in dreams by temperature, and below them the one in the game."""
    columns = ("mean", "interval", "std", "median", "at_limit")
    rows = [{"where": f"dream at {t}"} | {c: row[c] for c in columns} for t, row in dreams.items()]
    return markdown_table([*rows, {"where": "game"} | {c: game[c] for c in columns}])
