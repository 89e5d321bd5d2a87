"""A SLURM of one node, of its own folder, key, ports and processes: nothing of the system's is read or changed."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
"""Where its programs are: Debian has the daemons where only root looks."""
CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
CredType=cred/munge
# A job that is started again waits for so many seconds.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
# Who is to be let in again has to ask for it.
JobRequeue=0
KillWait=20
OverTimeLimit=0
ReturnToService=2
# The node is believed to have its processors, however many the machine has.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=60 State=UP
"""


class CannotStart(Exception):
    """Why there is no SLURM here."""


class OneNode:
    """A SLURM that runs.

    Attributes:
        environment: of the programs that are to ask this one.
        version: as ``sinfo`` says it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.version = self.ask("sinfo", "--version")

    def ask(self, *command: str) -> str:
        """Return what a program of SLURM prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def jobs(self) -> dict[str, str]:
        """States of all jobs that it remembers, by their numbers."""
        lines = self.ask("squeue", "--noheader", "--states=all", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)


def missing_programs() -> list[str]:
    """Names of what is not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


@contextmanager
def one_node() -> Iterator[OneNode]:
    """Start it, and end all of it, with its jobs.

    Raises:
        CannotStart: programs are missing, or one of them ends at once.
    """
    if missing_programs():
        raise CannotStart(f"not installed: {', '.join(missing_programs())}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        for name in ("state", "spool"):
            (folder / name).mkdir()
        _write_configuration(folder)
        stack.callback(_end_what_is_left, folder)
        _start(stack, folder, environment, "munged", *_munge(folder))
        _until(lambda: (folder / "munge.socket").exists(), "munged opens no socket", folder)
        _start(stack, folder, environment, "slurmctld", "-D", "-i")
        _start(stack, folder, environment, "slurmd", "-D")
        state = ["sinfo", "--noheader", "--format=%T"]
        _until(lambda: _says(state, environment) == "idle", "the node does not come up", folder)
        cluster = OneNode(environment)
        stack.callback(_cancel_all, cluster)
        yield cluster


def _write_configuration(folder: Path) -> None:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        ports = (first.getsockname()[1], second.getsockname()[1])
    host = socket.gethostname().partition(".")[0]
    text = CONFIGURATION.format(
        folder=folder, host=host, user=getpass.getuser(), controller_port=ports[0], node_port=ports[1]
    )
    (folder / "slurm.conf").write_text(text)
    # Else the system's, where it has one, would be looked for.
    (folder / "plugstack.conf").write_text("")
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_bytes(secrets.token_bytes(64))


def _munge(folder: Path) -> list[str]:
    places = {"socket": "munge.socket", "key-file": "key", "pid-file": "munged.pid", "seed-file": "seed"}
    # The folder is not where munged expects its files.
    return ["--foreground", "--force", "--num-threads=1", *(f"--{name}={folder / at}" for name, at in places.items())]


def _start(stack: ExitStack, folder: Path, environment: Mapping[str, str], name: str, *words: str) -> None:
    program = shutil.which(name, path=PATH)
    assert program is not None
    log = stack.enter_context((folder / f"{name}.log").open("wb"))
    process = subprocess.Popen(
        [program, *words], env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    stack.callback(_stop, process)
    time.sleep(0.3)
    if process.poll() is not None:
        raise CannotStart(f"{name} ends at once: {_last_line(folder / f'{name}.log')}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until(done: Callable[[], bool], otherwise: str, folder: Path) -> None:
    for _ in range(150):
        if done():
            return
        time.sleep(0.2)
    logs = "; ".join(f"{path.name}: {_last_line(path)}" for path in sorted(folder.glob("*.log")))
    raise CannotStart(f"{otherwise} ({logs})")


def _says(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def _last_line(log: Path) -> str:
    return next((line for line in reversed(log.read_text(errors="replace").splitlines()) if line.strip()), "")


def _cancel_all(cluster: OneNode) -> None:
    cluster.ask("scancel", f"--user={getpass.getuser()}")
    deadline = time.monotonic() + 30
    while cluster.ask("squeue", "--noheader", "--format=%i") and time.monotonic() < deadline:
        time.sleep(0.2)


def _end_what_is_left(folder: Path) -> None:
    """Kill what still has this SLURM's configuration in its environment: a job and its keeper that did not listen."""
    mark = f"SLURM_CONF={folder / 'slurm.conf'}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if int(path.parent.name) != os.getpid() and mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except OSError:
            continue
