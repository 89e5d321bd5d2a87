"""What a sweep within a job passes on to those that it submits."""

from __future__ import annotations

import os

import pytest

from usb_negsamp.run.sweep.slurm.environment import outside_of_jobs

NAMES = ("SLURM_CONF", "SLURM_JOB_ID", "SLURM_NTASKS", "SUBMITIT_FOLDER", "SBATCH_PARTITION")


@pytest.mark.parametrize(
    ("job", "passed_on"), [(None, {*NAMES} - {"SLURM_JOB_ID"}), ("7", {"SLURM_CONF", "SBATCH_PARTITION"})]
)
def test_what_is_of_the_job_is_taken_out_and_put_back(
    job: str | None, passed_on: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "2")
    if job is None:
        monkeypatch.delenv("SLURM_JOB_ID")
    before = dict(os.environ)
    with outside_of_jobs():
        assert {name for name in NAMES if name in os.environ} == passed_on
    assert dict(os.environ) == before
