#!/usr/bin/env bash
# Run a stage's command beside a Ray cluster on all nodes of its Slurm job.
#
#   sbatch --nodes=4 --ntasks-per-node=1 --cpus-per-task=16 slurm/stage.sbatch \
#       slurm/ray.sh python 05_train_controller.py GAME --train_in game --engine ray --workers 16 ...
#
# The job's first node runs the head and the command, and plays as well. Signals reach the command,
# and its exit code is that of the job, so that it is saved and queued again like any other. The
# cluster ends with the command. Ray listens on a port that follows from the job's number and keeps
# its files in a folder of the job's own: jobs of others on the same nodes have theirs.
set -uo pipefail

PATIENCE=300  # seconds until all nodes must have joined
nodes=${SLURM_JOB_NUM_NODES:?run this in a Slurm job, see the head of the file}
cores=${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}
port=$((20000 + SLURM_JOB_ID % 20000))

command -v ray > /dev/null || { echo "error: no ray here; run: make ray" >&2; exit 2; }
host=$(python -c 'import ray; print(ray.util.get_node_ip_address())')  # many name themselves 127.0.1.1
address=$host:$port
export RAY_USAGE_STATS_ENABLED=0
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN  # the same on all nodes of the job, and unknown to others
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
processes=()
stage=''
interrupted=''
pass_on() {
    interrupted=$1
    [ -z "$stage" ] || kill -s "$1" "$stage" 2> /dev/null
}
trap 'pass_on USR1' USR1
trap 'pass_on TERM' TERM
trap '[ ${#processes[@]} -eq 0 ] || { kill "${processes[@]}"; wait "${processes[@]}"; } 2> /dev/null' EXIT

ray start --head --block --node-ip-address="$host" --port="$port" --num-cpus="$cores" \
    --include-dashboard=false --ray-client-server-port=$((port + 20000)) --temp-dir="/tmp/ray-$SLURM_JOB_ID" \
    > /dev/null &
processes+=($!)
joined() {
    ray status --address="$address" 2> /dev/null | grep -c ' node_'
}
wait_for() {  # COUNT nodes
    until [ "$(joined)" -ge "$1" ]; do
        [ -z "$interrupted" ] || exit 75  # EXIT_REQUEUE in reverie/stage.py
        if [ "$SECONDS" -gt "$PATIENCE" ]; then
            echo "error: after $PATIENCE s Ray has $(joined) of $nodes nodes" >&2
            exit 1
        fi
        sleep 1
    done
}
wait_for 1  # nodes that look for a head before it is there give up
if [ "$nodes" -gt 1 ]; then
    others=$((nodes - 1))
    srun --overlap --relative=1 --nodes="$others" --ntasks="$others" --cpus-per-task="$cores" \
        ray start --block --address="$address" --num-cpus="$cores" > /dev/null &
    processes+=($!)
fi
wait_for "$nodes"

RAY_ADDRESS=$address "$@" &
stage=$!
[ -z "$interrupted" ] || pass_on "$interrupted"
while
    interrupted=''
    wait "$stage"
    code=$?
    [ -n "$interrupted" ]
do :; done
exit "$code"
