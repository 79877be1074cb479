"""`make run`: the numbered scripts one after the other with small numbers, then a page to look at.

python -m reverie.quickstart --folder runs/doom --seed 0
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

from reverie.reports.page import write_report

ROOT = Path(__file__).resolve().parent.parent


def commands(folder: Path, seed: int) -> list[list[str]]:
    """Return the commands, which a person could type as well."""
    rollouts, vae, rnn = folder / "rollouts", folder / "vae", folder / "rnn"
    weights = vae / "final_full_vae_weights.h5"
    record = ["01_generate_data.py", "doomrnn", "--store_folder", rollouts]
    record += ["--total_episodes", 800, "--batch_size", 100, "--policy", "wandering"]
    see = ["02_train_vae.py", "--input_data_folder", rollouts, "--savefolder", vae]
    see += ["--latent_size", 32, "--max_batch", 1, "--epochs", 2]
    encode = ["03_generate_rnn_data.py", "--obs_folder", rollouts, "--savefolder", vae]
    encode += ["--loaded_vae_weights", weights]
    dream = [
        "04_train_rnn.py",
        "--upper_level_folder_name",
        folder,
        "--output_folder_name",
        rnn.name,
    ]
    dream += ["--training_data_file", vae / "rnn_format_data" / "rnn_training_data.npz"]
    dream += ["--mixture", "per_dim", "--units", 256, "--sequence_length", 100]
    dream += ["--skip_ahead", 100, "--batch_size", 16, "--learning_rate", 0.005, "--epochs", 7]
    evolve = ["05_train_controller.py", "doomrnn", "--train_in", "dream", "--temperature", 1.0]
    evolve += ["--population", 32, "--sigma_init", 0.3, "--generations", 15]
    evolve += ["--eval_every", 15, "--eval_episodes", 50]
    evolve += ["--vae_weights", weights, "--rnn_weights", rnn / "final_rnn_weights.h5"]
    evolve += ["--output_folder", folder / "controller"]
    for stage in (record, see, dream, evolve):
        stage += ["--seed", seed]
    return [[str(word) for word in stage] for stage in (record, see, encode, dream, evolve)]


def main(argv: list[str] | None = None) -> int:
    """Run what is not done yet; return the first exit code that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/doom"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    begin = time.perf_counter()
    for command in commands(args.folder, args.seed):
        print(f"\n== python {shlex.join(command)}", flush=True)
        start = time.perf_counter()
        code = subprocess.run([sys.executable, ROOT / command[0], *command[1:]]).returncode
        if code:
            return code
        print(f"== {time.perf_counter() - start:.0f} s", flush=True)
    page = args.folder / "report.html"
    write_report(page, args.folder / "vae", args.folder / "rnn", args.folder / "controller")
    print(f"\n== done in {(time.perf_counter() - begin) / 60:.1f} minutes; open {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
