"""Runs of a sweep on a SLURM cluster, through submitit (optional)."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.fork_server import ProcessLike
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.run.sweep.run_state import resume_arguments
from usb_negsamp.run.sweep.workers import Handle, start_training

# Parameters that submitit has for every cluster; it wants the others prefixed with the cluster's name.
_SHARED = {"mem_gb": float, "nodes": int, "cpus_per_task": int, "gpus_per_node": int, "timeout_min": int}
_ALIVE = frozenset({"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "COMPLETING", "REQUEUED"})
_JOBS = "jobs.json"
_PAUSE = 0.1
# Runs may be as many time limits long as they need: each goes on from the checkpoint of the one before.
_MOST_REQUEUES = 1000


def check(parameters: Mapping[str, str]) -> None:
    """Raise :class:`usb_negsamp.ConfigError` where submitit is missing, or a parameter cannot be."""
    _submitit()
    read_parameters(parameters)


def read_parameters(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters for submitit's executor.

    Raises:
        ConfigError: no time limit, or a value that cannot be.

    >>> read_parameters({"partition": "gpu", "time": "2:30:00", "gpus_per_node": "1"})
    {'gpus_per_node': 1, 'timeout_min': 150, 'slurm_partition': 'gpu'}
    """
    given = dict(parameters)
    given.pop("cluster", None)
    if "time" in given:
        given["timeout_min"] = str(_minutes(given.pop("time")))
    if "timeout_min" not in given:
        raise ConfigError("--slurm needs time=MINUTES: the cluster ends a run there, which then goes on in a new job")
    shared: dict[str, Any] = {}
    for name, kind in _SHARED.items():
        if name in given:
            try:
                shared[name] = kind(given.pop(name))
            except ValueError as error:
                raise ConfigError(f"--slurm: {name}: expected a number, but got {parameters[name]!r}") from error
    if shared.get("nodes", 1) != 1:
        raise ConfigError("--slurm: nodes: expected 1, because a run of a sweep is one process")
    own = {f"slurm_{name}": int(text) if text.isdigit() else text for name, text in given.items()}
    return {**shared, **own}


def _minutes(text: str) -> int:
    """Read a time limit as SLURM does: minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s.

    >>> [_minutes(text) for text in ("90", "90:30", "1:30:00", "1-12", "0-1:30")]
    [90, 91, 90, 2160, 90]
    """
    days, dash, clock = text.rpartition("-")
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text):
        raise ConfigError(f"--slurm: time: expected minutes, h:mm:ss or d-hh:mm:ss, but got {text!r}")
    parts = [int(part) for part in clock.split(":")]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    total = int(days or 0) * 1440 + hours * 60 + minutes + (1 if seconds else 0)
    if total < 1:
        raise ConfigError(f"--slurm: time: expected at least one minute, but got {text!r}")
    return total


class SlurmLauncher:
    """Submits runs as jobs, and finds again those that an earlier, killed sweep submitted."""

    def __init__(self, folder: Path, parameters: Mapping[str, str]) -> None:
        """Prepare the executor.

        Args:
            folder: where submitit keeps its files.
            parameters: of the cluster; ``cluster=local`` runs the jobs on this machine, to try it out.

        Raises:
            ConfigError: submitit or the cluster refuses the parameters.
        """
        submitit = _submitit()
        self.folder = folder
        self.pause = 2.0
        try:
            self.executor = submitit.AutoExecutor(
                folder=folder, cluster=parameters.get("cluster", "slurm"), slurm_max_num_timeout=_MOST_REQUEUES
            )
            self.executor.update_parameters(name="usb-negsamp", **read_parameters(parameters))
        except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
            raise ConfigError(f"--slurm: {' '.join(str(error).split())[:300]}") from error

    def start(self, run: Run, extra: Sequence[str], slot: int) -> Handle:
        """Submit the run, or take over the job in which it is still at work."""
        job = self._job_at_work(run)
        if job is None:
            job = self.executor.submit(TrainJob(run, anew="--overwrite" in extra))
            self._remember(run, job.job_id)
        return JobHandle(job)

    def _job_at_work(self, run: Run) -> Any:
        known = self._known().get(run.name)
        if known is None or self.executor.cluster != "slurm":
            return None
        job = _submitit().SlurmJob(folder=self.folder, job_id=known)
        return job if job.get_info(mode="force").get("State", "").split(" ")[0] in _ALIVE else None

    def _known(self) -> dict[str, str]:
        path = self.folder / _JOBS
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return known

    def _remember(self, run: Run, job_id: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / _JOBS, json.dumps({**self._known(), run.name: job_id}, indent=1) + "\n")


class JobHandle:
    """A submitted job."""

    def __init__(self, job: Any) -> None:
        self.job = job
        self.stopped_by = 0

    def poll(self) -> int | None:
        """Return the exit code of the training, 1 for a job that broke, None while it waits or runs."""
        if self.stopped_by:
            # The cluster gives canceled jobs time to save; nobody needs to wait for them here.
            return 128 + self.stopped_by
        if not self.job.done():
            return None
        return 1 if self.job.exception() is not None else int(self.job.result())

    def stop(self, signum: int) -> None:
        """Cancel the job: the cluster sends it SIGTERM, at which the run saves and leaves."""
        self.stopped_by = signum
        self.job.cancel(check=False)


class TrainJob:
    """What a job does: train one run, from where it is. Called on the cluster's machine."""

    def __init__(self, run: Run, anew: bool = False) -> None:
        self.run, self.anew = run, anew
        self.directory = os.getcwd()
        self.process: ProcessLike | None = None

    def __call__(self) -> int:
        """Train, and return the exit code."""
        os.chdir(self.directory)
        words = resume_arguments(self.run, self.anew)
        if words is None:
            return 0
        self.process = start_training(self.run, words, os.environ, new_session=False)
        try:
            while (code := self.process.poll()) is None:
                time.sleep(_PAUSE)
            return code
        finally:
            self._end()

    def checkpoint(self) -> Any:
        """The time limit is near: save, leave, and go on in a job to come. Called by submitit, in a signal handler."""
        self._end()
        following = TrainJob(self.run)
        following.directory = self.directory
        return _submitit().helpers.DelayedSubmission(following)

    def _end(self) -> None:
        """Have the run save and leave. In a signal handler Popen's own methods may wait for a lock held below."""
        process = self.process
        if process is None or process.returncode is not None or _has_ended(process.pid):
            return
        os.kill(process.pid, signal.SIGTERM)
        while not _has_ended(process.pid):
            time.sleep(_PAUSE)


def _has_ended(child: int) -> bool:
    """Return whether a child has ended, and leave its exit code for Popen to collect."""
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ConfigError("--slurm needs submitit: pip install usb-negsamp[slurm]") from error
    return submitit
