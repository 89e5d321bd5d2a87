"""What is made of squeue's answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from usb_negsamp.run.sweep.slurm.queue import ENDED, GONE, Queue

SQUEUE = """#!/bin/sh
echo look >> {folder}/looks
cat {folder}/answer 2> /dev/null
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose ``answer`` a squeue prints; without that it fails."""
    program = tmp_path / "squeue"
    program.write_text(SQUEUE.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_one_look_answers_for_all_jobs_until_it_is_old(cluster: Path) -> None:
    (cluster / "answer").write_text("7 RUNNING\n8 PENDING\n9 TIMEOUT\n")
    queue = Queue()
    assert [queue.state(job) for job in ("7", "8", "9", "10")] == ["RUNNING", "PENDING", "TIMEOUT", GONE]
    assert (cluster / "looks").read_text() == "look\n"
    (cluster / "answer").write_text("7 COMPLETED\n10 PENDING\n")
    assert queue.state("7") == "RUNNING"
    queue.look_anew()
    assert queue.state("10") == "PENDING"
    assert queue.state("7") in ENDED


def test_a_cluster_that_does_not_answer_has_not_ended_the_job(cluster: Path) -> None:
    assert Queue().state("7") is None


def test_without_a_cluster_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Queue().state("7") is None
