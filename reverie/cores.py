"""How many processor cores this process may use, which may be fewer than the machine has."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")  # the first that is set counts
GROUPS = Path("/sys/fs/cgroup")


def usable_cores(
    environment: Mapping[str, str] = os.environ,
    groups: Path = GROUPS,
    membership: Path = Path("/proc/self/cgroup"),
) -> int:
    """Return how many cores this process may use, at least 1.

    The smallest of what the kernel lets it run on, what Slurm has given the job, and the share of
    processor time of its control group (version 1 or 2), as containers and services have it.

    Args:
        environment: variables, Slurm's among them.
        groups: where the control groups are mounted.
        membership: the file that says which group this process is in.
    """
    limits = [len(os.sched_getaffinity(0)), _slurm(environment), _group(groups, membership)]
    return max(1, min(limit for limit in limits if limit))


def _slurm(environment: Mapping[str, str]) -> int | None:
    """Return the cores of a Slurm job's task, None outside a job."""
    given = [environment[name] for name in SLURM if environment.get(name, "").isdigit()]
    return int(given[0]) if given else None


def _group(groups: Path, membership: Path) -> int | None:
    """Return the processor time, in whole cores, of the control groups that this process is in."""
    limits = []
    for folder in _folders(groups, membership):
        try:
            quota, period = _quota(folder)
        except (OSError, ValueError):
            continue  # no limit here
        if quota > 0:
            limits.append(math.ceil(quota / period))
    return min(limits, default=None)


def _folders(groups: Path, membership: Path) -> list[Path]:
    """Return the folders of the process's group and of all groups around it."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    found = [groups, groups / "cpu"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            inner = (groups / "cpu" if controllers else groups) / path.lstrip("/")
            found += [inner, *(p for p in inner.parents if groups in p.parents)]
    return found


def _quota(folder: Path) -> tuple[float, float]:
    """Return a group's quota and the period that it is for, in microseconds."""
    if (folder / "cpu.max").exists():
        quota, period = (folder / "cpu.max").read_text().split()
        return float("nan" if quota == "max" else quota), float(period)
    quota = (folder / "cpu.cfs_quota_us").read_text()
    return float(quota), float((folder / "cpu.cfs_period_us").read_text())
