"""Every game through the five scripts on a small budget: reconstruction, prediction and play.

Keeps the results in `benchmarks/games.json` and writes the table of docs/games.md. It continues
where it was stopped, like the scripts that it runs.

# all games, some minutes each on two cores
python -m benchmarks.games

# one game
python -m benchmarks.games heist --folder runs/games
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from benchmarks.run import ROOT, insert, machine
from reverie.artifacts import write_json, write_text
from reverie.quickstart import run_stages
from reverie.rollouts.storage import episode_lengths, find_batches
from reverie.runs import SCORES, Pipeline, RunFolder, words

RESULTS = ROOT / "benchmarks" / "games.json"
PAGE = ROOT / "docs" / "games.md"
SEE = {"latent_size": 32, "epochs": 3}
DREAM = {
    "mixture": "per_dim",
    "units": 256,
    "sequence_length": 50,
    "skip_ahead": 10,
    "batch_size": 16,
    "learning_rate": 0.005,
    "epochs": 6,
}
EVOLVE = {
    "train_in": "dream",
    "features": "z",
    "temperature": 1.0,
    "population": 16,
    "rollouts": 8,
    "generations": 20,
    "sigma_init": 0.3,
    "eval_every": 20,
    "eval_episodes": 20,
}
LEVELS = {"time_steps": 200, "num_levels": 50}


def _pipeline(game: str, episodes: int, rules: dict, **record: str) -> Pipeline:
    record = {"total_episodes": episodes, "batch_size": 200, **record}
    return Pipeline(game, record, SEE, DREAM, EVOLVE, rules)


# How each is recorded, and what it is recorded and played with; the rest is the same for all.
PIPELINES = (
    _pipeline("carracing", 60, {"time_steps": 400}, policy="brownian"),
    _pipeline("heist", 120, LEVELS),
    _pipeline("chaser", 120, LEVELS),
    _pipeline("coinrun", 120, LEVELS),
    _pipeline("crafter", 80, {"time_steps": 300}),
    _pipeline("enduro", 24, {"time_steps": 1000}),
    _pipeline("CarRacing-v3", 60, {"time_steps": 400}, policy="brownian"),
)
GAMES = {pipeline.game: pipeline for pipeline in PIPELINES}
BUDGET = (
    f"`python -m benchmarks.games`: stage 2 with `{shlex.join(words(SEE))}`, stage 4 with "
    f"`{shlex.join(words(DREAM))}`, stage 5 with `{shlex.join(words(EVOLVE))}`. Scores are means ± "
    "standard deviations over 20 episodes of the game, random play holds its actions and meets the "
    "same seeds."
)
HEADER = (
    "| game | steps recorded | steps/s, beside a bare loop | squared error of a pixel | nats per "
    "dimension: mixture, one component, persistence baseline | random play | controller | minutes "
    "of one core |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
)


def result(game: str, folder: Path) -> dict:
    """Collect what the scripts wrote."""
    run = RunFolder(folder)
    vae, rnn, played = (
        json.loads((stage / SCORES).read_text()) for stage in (run.vae, run.rnn, run.search)
    )
    costs = json.loads(run.costs.read_text()).values()
    return {
        "machine": machine(),
        "steps": int(episode_lengths(find_batches(run.rollouts, game)).sum()),
        "mse": vae["mse"],
        "nats": [nats / rnn["latent_size"] for nats in rnn["nats_per_frame"].values()],
        "random": played["scores"]["held_random"],
        "controller": played["scores"]["game"],
        "minutes": sum(cost["processor_seconds"] for cost in costs) / 60,
    }


def table(results: dict[str, dict], rates: dict[str, dict]) -> str:
    """Return the results as Markdown.

    Args:
        results: what `result` gave, by game.
        rates: rows of the subject `playing`, by what they measured.
    """
    lines = list(HEADER)
    for game, found in results.items():
        rate = rates.get(f"recording {game}")
        speed = f"{rate['ours']:,.0f}, {rate['ratio']:.2g} of it" if rate else ""
        nats = ", ".join(f"{value:.2f}" for value in found["nats"])
        cells = [f"`{game}`", f"{found['steps']:,}", speed, f"{found['mse']:.4f}", nats]
        cells += [_score(found["random"]), _score(found["controller"]), f"{found['minutes']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    places = {
        f"{m['processor']}, {m['cores']} cores" for m in (r["machine"] for r in results.values())
    }
    return "\n".join([*lines, "", f"{BUDGET} Measured on {' and '.join(sorted(places))}."])


def _score(score: dict) -> str:
    return f"{score['mean']:.1f} ± {score['std']:.1f}"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("games", nargs="*", default=list(GAMES), help="all by default")
    parser.add_argument("--folder", type=Path, default=Path("runs/games"))
    args = parser.parse_args(argv)
    if unknown := set(args.games) - set(GAMES):
        parser.error(f"no budget for {', '.join(unknown)}; choose from {', '.join(GAMES)}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Take the games through the scripts one after the other, keeping each when it is done."""
    args = parse_args(argv)
    for game in args.games:
        folder = args.folder / game
        if code := run_stages(GAMES[game].stages(folder), RunFolder(folder).costs):
            return code
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results[game] = result(game, folder)
        write_json(RESULTS, {name: results[name] for name in GAMES if name in results})
        write_table()
    return 0


def write_table() -> None:
    """Write the table of docs/games.md from all results that are kept."""
    measured = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    rates = {row["what"]: row for row in measured.get("playing", {"rows": []})["rows"]}
    content = table(json.loads(RESULTS.read_text()), rates)
    write_text(PAGE, insert(PAGE.read_text(), content, "games"))


if __name__ == "__main__":
    sys.exit(main())
