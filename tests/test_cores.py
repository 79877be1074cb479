"""The cores that a process may use: affinity, Slurm, control groups."""

import os

import pytest

from reverie.cores import usable_cores

HERE = len(os.sched_getaffinity(0))


@pytest.fixture
def limit(tmp_path):
    """Return a function that counts cores on a machine whose control groups hold these files."""

    def count(files=(), membership="0::/job/step\n", **environment):
        for name, text in dict(files).items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "membership").write_text(membership)
        return usable_cores(environment, tmp_path / "groups", tmp_path / "membership")

    return count


def test_without_limits_all_that_the_kernel_gives(limit):
    assert limit() == HERE
    assert limit({"job/step/cpu.max": "max 100000\n"}) == HERE
    assert limit({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}) == HERE


def test_affinity():
    """In a process of its own, which may be moved to one core."""
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        os._exit(usable_cores({}))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.parametrize("name", ["job/step/cpu.max", "job/cpu.max", "cpu.max"])
def test_the_group_or_one_around_it(limit, name):
    assert limit({name: "100000 100000\n"}) == 1
    assert limit({name: "20000 100000\n"}) == 1
    assert limit({name: "900000000 100000\n"}) == HERE


def test_groups_of_version_1(limit):
    files = {"cpu/docker/cpu.cfs_quota_us": "50000", "cpu/docker/cpu.cfs_period_us": "100000"}
    assert limit(files, "7:cpu,cpuacct:/docker\n3:memory:/docker\n") == 1


def test_slurm(limit):
    assert limit(SLURM_CPUS_PER_TASK="1", SLURM_CPUS_ON_NODE="64") == 1
    assert limit(SLURM_CPUS_ON_NODE="1") == 1
    assert limit(SLURM_CPUS_PER_TASK="64") == HERE
    assert limit(SLURM_CPUS_PER_TASK="many", SLURM_CPUS_ON_NODE="") == HERE
