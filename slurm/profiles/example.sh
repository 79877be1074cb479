# What one site wants; copy this file, fill it in, and name it with --profile. Bash reads it.

# Shell commands that make `python` the right one, on the login node and in every job.
SETUP='module load python/3.11; source .venv/bin/activate'

# sbatch flags of every job.
COMMON=(--account=my_project --time=12:00:00)

# sbatch flags of each job, the same in all rounds: partition, processors, memory and GPU. Games run on processors alone.
RESOURCES=(
    [record]='--partition=cpu --cpus-per-task=16 --mem=16G'
    [vae]='--partition=gpu --gres=gpu:1 --cpus-per-task=8 --mem=32G'
    [encode]='--partition=gpu --gres=gpu:1 --cpus-per-task=8 --mem=16G'
    [join]='--partition=cpu --cpus-per-task=1 --mem=8G'
    [rnn]='--partition=gpu --gres=gpu:1 --cpus-per-task=8 --mem=32G'
    [controller]='--partition=gpu --gres=gpu:1 --cpus-per-task=16 --mem=32G'
    [round]='--partition=cpu --cpus-per-task=2 --mem=8G'
    [analysis]='--partition=cpu --cpus-per-task=8 --mem=32G'
)

# How often a job may be queued again after a time limit.
REQUEUES=20
