"""Results of evaluations as tables."""

from reverie.reports.tables import markdown

Table = dict  # what `evaluation.json` holds


def evaluation_table(results: Table) -> str:
    """Write all numbers of one evaluation."""
    first = [
        {"error": name, "network": _small(value), "mean frame": _small(mean)}
        for (name, value), mean in zip(results["mse"].items(), results["mse_mean_frame"].values())
    ]
    parts = [
        f"{results['architecture']}, {results['game']}: {results['parameters']:,} parameters, "
        f"{results['code_size']} numbers a frame; {results['held_out_frames']} frames of "
        f"{results['held_out_episodes']} held-out episodes",
        markdown(first),
    ]
    if "probes" in results:
        rows = _recall(results["recall"]), _probes(results["probes"])
        parts += [markdown(each) for each in rows if each]
    return "\n\n".join(parts)


def _recall(recall: Table) -> list[dict]:
    names = recall["frame"]
    return [
        {"recall": name} | {view: written(recall[view][name]) for view in recall}
        for name in names
        if names[name]
    ]


def _probes(probes: Table) -> list[dict]:
    tells = {
        "in_view": "in view (balanced accuracy)",
        "where": "place (R²)",
        "player": "place (R²)",
    }
    rows = []
    for part, names in probes["code"].items():
        for name in names:
            title = "player's place (R²)" if part == "player" else f"{name} {tells[part]}"
            if any(probes[view][part][name] for view in probes):
                values = {view: written(probes[view][part][name]) for view in probes}
                rows.append({"probe": title} | values)
    return rows


def written(score: Table | None) -> str:
    """Write a score and its interval."""
    if score is None:
        return "–"
    low, high = score["interval"]
    return f"{score['value']:.3f} ({low:.3f} to {high:.3f})"


def _small(value: float | None) -> str:
    return "–" if value is None else f"{value:.5f}"


def comparison(evaluations: dict[str, Table]) -> str:
    """Write one row for each of several evaluations of one game.

    Args:
        evaluations: by what the row is called.
    """
    return markdown([_row(name, results) for name, results in evaluations.items()])


def _row(name: str, results: Table) -> dict:
    row = {"network": name}
    row |= {f"error, {group}": _small(value) for group, value in results["mse"].items()}
    if "probes" in results:
        row |= {
            "recall": worst(results["recall"]["reconstruction"]),
            "in view": worst(results["probes"]["code"]["in_view"]),
            "in view, pixels": worst(results["probes"]["pixels"]["in_view"]),
            "in view, random": worst(results["probes"]["random"]["in_view"]),
        }
    return row | {"parameters": f"{results['parameters']:,}", "code": results["code_size"]}


def worst(scores: Table) -> str:
    """Write mean and minimum over kinds of objects, with the name of the worst."""
    known = {name: score["value"] for name, score in scores.items() if score is not None}
    if not known:
        return "–"
    least = min(known, key=known.get)
    return f"{sum(known.values()) / len(known):.3f}, {least} {known[least]:.3f}"
