"""Submits runs as jobs, and watches them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.run.sweep.slurm.environment import outside_of_jobs
from usb_negsamp.run.sweep.slurm.job import TrainJob
from usb_negsamp.run.sweep.slurm.parameters import read_parameters
from usb_negsamp.run.sweep.slurm.queue import COMPLETING, ENDED, Queue
from usb_negsamp.run.sweep.slurm.submitit_there import submitit
from usb_negsamp.run.sweep.workers import OUTPUT, Handle

_JOBS = "jobs.json"
# Runs may be as many time limits long as they need: each goes on from the checkpoint of the one before.
_MOST_REQUEUES = 1000
# Seconds that the result of a job which has ended may take through a shared file system.
_LATE = 15.0


def check(parameters: Mapping[str, str]) -> None:
    """Raise :class:`usb_negsamp.ConfigError` where submitit is missing, or a parameter cannot be."""
    submitit()
    read_parameters(parameters)


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
        self.folder = folder
        self.pause = 2.0
        self.queue = Queue()
        try:
            self.executor = submitit().AutoExecutor(
                folder=folder, cluster=parameters.get("cluster", "slurm"), slurm_max_num_timeout=_MOST_REQUEUES
            )
            # A job has to be let back in at its time limit, also where the cluster does not do so by itself.
            self.executor.update_parameters(
                name="usb-negsamp",
                slurm_additional_parameters={"requeue": True},
                **read_parameters(parameters),
            )
        except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
            raise ConfigError(f"--slurm: {_in_a_line(error)}") from error
        self.dependency = parameters.get("dependency")

    def start(self, run: Run, extra: Sequence[str], slot: int) -> Handle:
        """Submit the run, or take over the job in which it is still at work.

        A job of an earlier sweep that is about to end, or whose run is to be made anew, is waited for by the cluster.

        Raises:
            ConfigError: the cluster does not take the job.
        """
        anew = "--overwrite" in extra
        earlier, state = self._job_at_work(run)
        if earlier is None or anew or state == COMPLETING:
            if earlier is not None and anew:
                earlier.cancel(check=False)
            job = self._submit(TrainJob(run, anew), None if earlier is None else f"afterany:{earlier.job_id}")
            self._remember(run, job.job_id)
        else:
            job = earlier
        return JobHandle(job, self._state_of(job), run.directory / OUTPUT)

    def _submit(self, task: TrainJob, after: str | None) -> Any:
        dependency = ",".join(part for part in (self.dependency, after) if part)
        self.executor.update_parameters(slurm_dependency=dependency or None)
        try:
            # What a sweep in a job has in its environment would be taken for options of the jobs that it submits.
            with outside_of_jobs():
                job = self.executor.submit(task)
        except (submitit().core.utils.FailedJobError, submitit().core.utils.FailedSubmissionError) as error:
            raise ConfigError(
                f"--slurm: {_in_a_line(error)}; jobs that are in the queue stay there, the same command takes them over"
            ) from error
        self.queue.look_anew()
        return job

    def _state_of(self, job: Any) -> Callable[[], str | None]:
        if self._is_slurm:
            return lambda: self.queue.state(job.job_id)
        return lambda: "COMPLETED" if job.done() else None

    def _job_at_work(self, run: Run) -> tuple[Any, str | None]:
        """Return the job in which the run is at work, and its state; Nones where there is none."""
        known = self._known().get(run.name)
        state = None if known is None or not self._is_slurm else self.queue.state(known)
        if known is None or state is None or state in ENDED:
            return None, None
        return submitit().SlurmJob(folder=self.folder, job_id=known), state

    @property
    def _is_slurm(self) -> bool:
        return bool(self.executor.cluster == "slurm")

    def _known(self) -> dict[str, str]:
        path = self.folder / _JOBS
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return known

    def _remember(self, run: Run, job_id: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / _JOBS, json.dumps({**self._known(), run.name: job_id}, indent=1) + "\n")


class JobHandle:
    """A submitted job.

    Args:
        job: submitit's.
        state: asks the cluster for its state; None where that is not known.
        output: the run's, which is told of a job that left no result.
    """

    def __init__(self, job: Any, state: Callable[[], str | None], output: Path) -> None:
        self.job, self.state, self.output = job, state, output
        self.stopped_by = 0
        self._ended: float | None = None

    def poll(self) -> int | None:
        """Return the exit code of the training, 1 for a job that broke, None while it waits or runs.

        A training that stopped is at its end only with its job: the cluster may start that again.
        """
        if self.stopped_by:
            # The cluster gives canceled jobs time to save; nobody needs to wait for them here.
            return 128 + self.stopped_by
        code = self._code()
        if code == 0:
            return code
        state = self.state()
        if state is None or state not in ENDED:
            self._ended = None
            return None
        self._ended = time.monotonic() if self._ended is None else self._ended
        if code is None and time.monotonic() - self._ended >= _LATE:
            code = 1
            self._say(f"job {self.job.job_id} of the cluster ended without a result ({state}): {self.job.paths.stderr}")
        return code

    def _code(self) -> int | None:
        if not self.job.paths.result_pickle.exists():
            return None
        return 1 if self.job.exception() is not None else int(self.job.result())

    def _say(self, line: str) -> None:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("a", encoding="utf-8") as output:
            output.write(line + "\n")

    def stop(self, signum: int) -> None:
        """Cancel the job: the cluster sends it SIGTERM, at which the run saves and leaves."""
        self.stopped_by = signum
        self.job.cancel(check=False)


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
