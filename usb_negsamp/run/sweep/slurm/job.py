"""A run as a job: what is done on the cluster's machine."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from usb_negsamp.run.forks.server import ProcessLike
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.run.sweep.run_state import resume_arguments
from usb_negsamp.run.sweep.slurm.submitit_there import submitit
from usb_negsamp.run.sweep.workers import start_training

_PAUSE = 0.1
_RESTARTS = "SLURM_RESTART_COUNT"


class TrainJob:
    """What a job does: train one run, from where it is. Called on the cluster's machine."""

    def __init__(self, run: Run, anew: bool = False) -> None:
        self.run, self.anew = run, anew
        self.directory = os.getcwd()
        self.process: ProcessLike | None = None

    def __call__(self) -> int:
        """Train, and return the exit code."""
        os.chdir(self.directory)
        # A job that the cluster stopped and started again has made its run anew by then.
        words = resume_arguments(self.run, self.anew and not int(os.environ.get(_RESTARTS, "0")))
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
        return submitit().helpers.DelayedSubmission(following)

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
