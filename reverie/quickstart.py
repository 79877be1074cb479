"""`make run`: the numbered scripts one after the other with small numbers, then a page to look at.

python -m reverie.quickstart --folder runs/doom --seed 0
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

from reverie.report import write_report

ROOT = Path(__file__).resolve().parent.parent


def commands(folder: Path, seed: int) -> list[list[str]]:
    """Return the five commands, which a person could type as well."""
    rollouts, vae, rnn = folder / "rollouts", folder / "vae", folder / "rnn"
    weights = vae / "final_full_vae_weights.h5"
    latents = vae / "rnn_format_data" / "rnn_training_data.npz"
    stages = [
        f"01_generate_data.py doomrnn --total_episodes 1000 --batch_size 100 "
        f"--store_folder {shlex.quote(str(rollouts))}",
        f"02_train_vae.py --input_data_folder {shlex.quote(str(rollouts))} --max_batch 2 "
        f"--epochs 3 --latent_size 32 --savefolder {shlex.quote(str(vae))}",
        f"03_generate_rnn_data.py --obs_folder {shlex.quote(str(rollouts))} "
        f"--loaded_vae_weights {shlex.quote(str(weights))} --savefolder {shlex.quote(str(vae))}",
        f"04_train_rnn.py --training_data_file {shlex.quote(str(latents))} --mixture per_dim "
        f"--units 256 --sequence_length 100 --skip_ahead 100 --batch_size 64 --epochs 10 "
        f"--learning_rate 0.002 --upper_level_folder_name {shlex.quote(str(folder))} "
        f"--output_folder_name {rnn.name}",
        f"05_train_controller.py doomrnn --train_in dream --population 32 --generations 40 "
        f"--eval_every 20 --eval_episodes 100 --vae_weights {shlex.quote(str(weights))} "
        f"--rnn_weights {shlex.quote(str(rnn / 'final_rnn_weights.h5'))} "
        f"--output_folder {shlex.quote(str(folder / 'controller'))}",
    ]
    ends = [f"--seed {seed}" if "generate_rnn" not in stage else "" for stage in stages]
    return [shlex.split(f"{stage} {end}") for stage, end in zip(stages, ends)]


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
