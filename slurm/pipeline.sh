#!/usr/bin/env bash
# Submit all stages of a run as a chain of Slurm jobs.
#
#   slurm/pipeline.sh GAME RUN [--profile FILE] [--dry_run] [flags of python -m reverie.jobs]
#
#   slurm/pipeline.sh doomrnn runs/doom --profile slurm/profiles/example.sh --dry_run
#   slurm/pipeline.sh doomrnn runs/doom --profile slurm/profiles/example.sh \
#       --seeds 0 1 2 --mixtures 1 5
#
#   slurm/pipeline.sh doomrnn runs/doom --profile slurm/profiles/example.sh --rounds 3
#
# `python -m reverie.jobs --help` tells what a chain is made of: --numbers, --seed, --seeds,
# --mixtures, --rounds. The profile says what a site wants, see slurm/profiles/example.sh. What each job
# printed lies in RUN/slurm/. The same command again submits everything once more, and jobs whose
# work is done end at once.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python}
SETUP=${SETUP:-}
REQUEUES=${REQUEUES:-20}
COMMON=()
declare -A RESOURCES=()

dry_run=''
chain_flags=()
while [ $# -gt 0 ]; do
    case $1 in
        --dry_run) dry_run=1 ;;
        --profile)
            # shellcheck source=slurm/profiles/example.sh
            [ -r "${2:-}" ] || { echo "error: --profile ${2:-}: no such file" >&2; exit 2; }
            source "$2"
            shift ;;
        *) chain_flags+=("$1") ;;
    esac
    shift
done
export SETUP REQUEUES

if [ -n "$SETUP" ]; then eval "$SETUP"; fi
chain=$("$PYTHON" -m reverie.jobs "${chain_flags[@]}") || exit $?
run=$(realpath -m "${chain_flags[1]}")
if [ -z "$dry_run" ]; then
    command -v sbatch > /dev/null || { echo "error: no sbatch here; try --dry_run" >&2; exit 2; }
    mkdir -p "$run/slurm"
fi

declare -A numbers=()
submit() {  # NAME DEPENDENCY < COMMANDS
    local name=$1 dependency=$2 file=$run/slurm/$1.commands commands count flags id stage before
    commands=$(cat)
    count=$(wc -l <<< "$commands")
    stage=${name#control_}  # rounds have a number at the end, and controls
    read -ra flags <<< "${RESOURCES[${stage%%-*}]:-}"
    flags=(--parsable --job-name="$name" "${COMMON[@]}" "${flags[@]}" --kill-on-invalid-dep=yes)
    if [ "$count" -gt 1 ]; then
        flags+=(--array="0-$((count - 1))" --output="$run/slurm/$name-%a.out")
    else
        flags+=(--output="$run/slurm/$name.out")
    fi
    if [ "$dependency" != none ]; then
        before=''
        for id in $(tr , ' ' <<< "${dependency#*:}"); do before+=":${numbers[$id]}"; done
        flags+=(--dependency="${dependency%%:*}$before")
    fi
    if [ -n "$dry_run" ]; then
        id="<$name>"
        printf '%q ' sbatch "${flags[@]}" slurm/stage.sbatch --commands "$file"
        printf '\n%s\n' "$commands" | sed '2,$s/^/    /'
    else
        printf '%s\n' "$commands" > "$file"
        id=$(sbatch "${flags[@]}" slurm/stage.sbatch --commands "$file")
        echo "$name: job $id, $count task(s)"
    fi
    numbers[$name]=${id%%;*}
}

while read -r name dependency; do
    submit "$name" "$dependency" \
        < <(awk -F '\t' -v name="$name" '$1 == name { print $3 }' <<< "$chain")
done < <(cut -f 1,2 <<< "$chain" | uniq)
