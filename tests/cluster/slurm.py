"""A real Slurm cluster of a few nodes on this machine, in a folder and on ports of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 300.0  # seconds until something is surely wrong

CONFIGURATION = """\
ClusterName=reverie
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
MinJobAge=3600
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=1000\n"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        taken = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until something holds; say what was waited for if it never does."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}"
        time.sleep(0.05)


class Cluster:
    """A controller and some nodes; `environment` makes Slurm's commands speak to it.

    Args:
        folder: for everything that the daemons write.
        nodes: names of the nodes.
    """

    def __init__(self, folder: Path, nodes: tuple[str, ...]) -> None:
        self.folder, self.nodes = folder, nodes
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
        }
        self.daemons: dict[str, subprocess.Popen] = {}
        controller, *ports = free_ports(1 + len(nodes))
        text = CONFIGURATION.format(folder=folder, port=controller)
        host = socket.gethostname().split(".")[0]
        for name, port in zip(nodes, ports):
            text += NODE.format(name=name, host=host, port=port)
            (folder / f"spool-{name}").mkdir()
        (folder / "state").mkdir()
        (folder / "slurm.conf").write_text(text)

    def start(self) -> None:
        """Start all daemons and wait until every node is ready for jobs."""
        self._start_munge()
        self._start("slurmctld", "slurmctld", "-D")
        for name in self.nodes:
            self.start_node(name)
        wait_until(lambda: self.node_states() == {"idle"}, "idle nodes")

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        place.mkdir(mode=0o755)
        key = place / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {"key-file": key, "socket": place / "socket", "pid-file": place / "pid"}
        files |= {"log-file": place / "log", "seed-file": place / "seed"}
        self._start("munged", "munged", "-F", *(f"--{name}={path}" for name, path in files.items()))
        wait_until((place / "socket").exists, "munged")

    def start_node(self, name: str) -> None:
        """Start the daemon of a node."""
        self._start(name, "slurmd", "-D", "-N", name)

    def _start(self, name: str, *words: str) -> None:
        with open(self.folder / f"{name}.out", "a") as output:
            self.daemons[name] = subprocess.Popen(
                words, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def node_states(self) -> set[str]:
        """Return the states in which nodes are."""
        return set(self.ask("sinfo", "--noheader", "--Node", "--format=%T").split())

    def ask(self, *words: object, check: bool = True) -> str:
        """Run one of Slurm's commands and return what it prints."""
        result = subprocess.run(
            [str(word) for word in words], env=self.environment, capture_output=True, text=True
        )
        assert result.returncode == 0 or not check, f"{words}: {result.stderr}"
        return result.stdout

    def submit(self, *words: object) -> str:
        """Submit a job; return its number."""
        return self.ask("sbatch", "--parsable", *words).strip()

    def job(self, number: str) -> dict[str, str]:
        """Return what the controller knows of a job: JobState, Restarts, ExitCode, ..."""
        words = self.ask("scontrol", "show", "--oneliner", "job", number).splitlines()[0].split()
        return dict(word.partition("=")[::2] for word in words)

    def states(self, number: str) -> list[str]:
        """Return the states of a job, or of every task of an array."""
        lines = self.ask("scontrol", "show", "--oneliner", "job", number).splitlines()
        return [line.split("JobState=")[1].split()[0] for line in lines if "JobState=" in line]

    def wait_for_restart(self, number: str, count: int) -> None:
        """Wait until a job has been queued again so many times in all."""
        wait_until(lambda: int(self.job(number)["Restarts"]) >= count, f"restart {count}: {number}")

    def lose_node(self, name: str) -> None:
        """Kill a node's daemon and everything that it runs, and tell the controller."""
        self.daemons.pop(name).kill()
        for pid in self._processes_of(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.ask("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=lost")

    def _processes_of(self, name: str) -> Iterator[int]:
        """Yield the processes of jobs on a node: their environment names it and our cluster."""
        ours = {f"SLURMD_NODENAME={name}", f"SLURM_CONF={self.folder / 'slurm.conf'}"}
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if ours <= set(path.read_bytes().decode(errors="replace").split("\0")):
                    yield int(path.parent.name)

    def stop(self) -> None:
        """Cancel what still runs, and end the daemons that were started here."""
        if "slurmctld" in self.daemons:
            self.ask("scancel", "--state=PENDING", "--user=root", check=False)
            self.ask("scancel", "--user=root", check=False)
            with contextlib.suppress(AssertionError):
                wait_until(lambda: not self.ask("squeue", "--noheader", check=False), "jobs", 40)
        for process in reversed(list(self.daemons.values())):
            process.terminate()
        for process in self.daemons.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def logs(self) -> str:
        """Return the ends of what all daemons have said."""
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.out")
        )


@contextlib.contextmanager
def running_cluster(nodes: tuple[str, ...]) -> Iterator[Cluster]:
    """Run a cluster inside the block; its folder has a short name, which sockets need."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, nodes)
    try:
        cluster.start()
        yield cluster
    except BaseException:
        print(cluster.logs())
        raise
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
