"""The environment without what a job of the cluster has in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_OF_JOBS = ("SLURM_", "SLURMD_", "SRUN_", "SUBMITIT_")
_KEPT = ("SLURM_CONF", "SUBMITIT_PREEMPT_SIGNAL")
_MARK = "SLURM_JOB_ID"


@contextmanager
def outside_of_jobs() -> Iterator[None]:
    """Within, nothing in the environment is of the job that this process is in, if it is in one."""
    in_a_job = _MARK in os.environ
    names = [name for name in os.environ if in_a_job and name.startswith(_OF_JOBS) and name not in _KEPT]
    taken = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(taken)
