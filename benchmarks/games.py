"""Every game through the five scripts on a small budget: how well it is seen, dreamt and played.

Keeps what came out in `benchmarks/games.json` and writes the table of README.md. It continues where
it was stopped, like the scripts that it runs.

# all games, some minutes each on two cores
python -m benchmarks.games

# one game
python -m benchmarks.games heist --folder runs/games
"""

import argparse
import json
import resource
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.run import README, ROOT, insert, machine
from reverie.artifacts import write_json, write_text
from reverie.rollouts.storage import episode_lengths, find_batches

RESULTS = ROOT / "benchmarks" / "games.json"
# How each is recorded, and what it is recorded and played with; the rest is the same for all.
GAMES = {
    "carracing": ("--total_episodes 60 --policy brownian", "--time_steps 400"),
    "heist": ("--total_episodes 120", "--time_steps 200 --num_levels 50"),
    "chaser": ("--total_episodes 120", "--time_steps 200 --num_levels 50"),
    "coinrun": ("--total_episodes 120", "--time_steps 200 --num_levels 50"),
    "crafter": ("--total_episodes 80", "--time_steps 300"),
    "enduro": ("--total_episodes 24", "--time_steps 1000"),
    "CarRacing-v3": ("--total_episodes 60 --policy brownian", "--time_steps 400"),
}
SEE = "--latent_size 32 --epochs 3"
DREAM = (
    "--mixture per_dim --units 256 --sequence_length 50 --skip_ahead 10 --batch_size 16 "
    "--learning_rate 0.005 --epochs 6"
)
EVOLVE = (
    "--features z --temperature 1 --population 16 --rollouts 8 --generations 20 --sigma_init 0.3 "
    "--eval_every 20 --eval_episodes 20"
)
BUDGET = (
    f"`python -m benchmarks.games`: stage 2 with `{SEE}`, stage 4 with `{DREAM}`, stage 5, in the "
    f"dream, with `{EVOLVE}`. Scores are means ± standard deviations over 20 episodes of the game, "
    "random play holds its actions and meets the same seeds."
)
HEADER = (
    "| game | steps recorded | steps/s, beside a bare loop | squared error of a pixel | nats per "
    "dimension: mixture, one component, this latent again | random play | controller | minutes "
    "of one core |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
)


def commands(game: str, folder: Path) -> list[list[str]]:
    """Return the five commands, which a person could type as well."""
    record, rules = map(shlex.split, GAMES[game])
    vae, latents = folder / "vae", folder / "vae" / "rnn_format_data" / "rnn_training_data.npz"
    weights, rnn = vae / "final_full_vae_weights.h5", folder / "rnn"
    stages = [
        ["01_generate_data.py", game, *record, *rules, "--store_folder", folder / "rollouts"],
        [
            *["02_train_vae.py", "--environment_name", game, *shlex.split(SEE)],
            *["--input_data_folder", folder / "rollouts", "--savefolder", vae],
        ],
        [
            *["03_generate_rnn_data.py", "--obs_folder", folder / "rollouts"],
            *["--loaded_vae_weights", weights, "--savefolder", vae],
        ],
        [
            *["04_train_rnn.py", "--training_data_file", latents, *shlex.split(DREAM)],
            *["--upper_level_folder_name", folder, "--output_folder_name", rnn.name],
        ],
        [
            *["05_train_controller.py", game, *rules, *shlex.split(EVOLVE)],
            *["--vae_weights", weights, "--rnn_weights", rnn / "final_rnn_weights.h5"],
            *["--output_folder", folder / "controller"],
        ],
    ]
    return [[str(word) for word in stage] for stage in stages]


def run(game: str, folder: Path) -> None:
    """Run what is not done yet, keeping the processor time that each script took."""
    note = folder / "seconds.json"
    taken = json.loads(note.read_text()) if note.exists() else {}
    for command in commands(game, folder):
        if command[0] in taken:
            continue
        print(f"\n== python {shlex.join(command)}", flush=True)
        start = processor_seconds()
        subprocess.run([sys.executable, ROOT / command[0], *command[1:]], check=True)
        taken[command[0]] = processor_seconds() - start
        folder.mkdir(parents=True, exist_ok=True)
        write_json(note, taken)


def processor_seconds() -> float:
    """Return what all finished scripts have taken, their workers included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def result(game: str, folder: Path) -> dict:
    """Collect what the scripts wrote."""
    vae, rnn, played = (
        json.loads((folder / stage / "scores.json").read_text())
        for stage in ("vae", "rnn", "controller")
    )
    return {
        "machine": machine(),
        "steps": int(episode_lengths(find_batches(folder / "rollouts", game)).sum()),
        "mse": vae["mse"],
        "nats": [nats / rnn["latent_size"] for nats in rnn["nats_per_frame"].values()],
        "random": played["scores"]["held_random"],
        "controller": played["scores"]["game"],
        "minutes": sum(json.loads((folder / "seconds.json").read_text()).values()) / 60,
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


def main(argv: list[str] | None = None) -> int:
    """Take the games through the scripts one after the other, keeping each when it is done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("games", nargs="*", default=list(GAMES), help="all by default")
    parser.add_argument("--folder", type=Path, default=Path("runs/games"))
    args = parser.parse_args(argv)
    if unknown := set(args.games) - set(GAMES):
        parser.error(f"no budget for {', '.join(unknown)}; choose from {', '.join(GAMES)}")
    for game in args.games:
        run(game, args.folder / game)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results[game] = result(game, args.folder / game)
        write_json(RESULTS, {name: results[name] for name in GAMES if name in results})
        write_table()
    return 0


def write_table() -> None:
    """Write the table of README.md from all results that are kept."""
    measured = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    rates = {row["what"]: row for row in measured.get("playing", {"rows": []})["rows"]}
    content = table(json.loads(RESULTS.read_text()), rates)
    write_text(README, insert(README.read_text(), content, "games"))


if __name__ == "__main__":
    sys.exit(main())
