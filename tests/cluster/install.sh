#!/usr/bin/env bash
# Install what the cluster's tests need, or say why they cannot run.
set -euo pipefail

installed() {
    for name in munged slurmctld slurmd sbatch; do
        PATH=$PATH:/usr/sbin command -v "$name" > /dev/null || return 1
    done
}

stop() {
    echo "cluster-test: $1; 0 tests run" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || stop "Slurm's daemons need root"
installed && exit 0
command -v apt-get > /dev/null || stop "Slurm is not installed and there is no apt-get"
echo "== installing Slurm and munge"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
{ apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; } > "$log" 2>&1 \
    || { tail "$log" >&2; stop "Slurm could not be installed"; }
rm "$log"
installed || stop "slurm-wlm and munge are installed but their daemons are not there"
