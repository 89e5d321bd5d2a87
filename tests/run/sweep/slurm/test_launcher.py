"""Jobs of a sweep, watched and submitted, without a cluster. On one: ``test_on_one_node.py``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sweep_request import sweep_request

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.sweep.grid import make_plan
from usb_negsamp.run.sweep.slurm import launcher
from usb_negsamp.run.sweep.slurm.launcher import JobHandle, SlurmLauncher
from usb_negsamp.run.sweep.slurm.queue import Queue
from usb_negsamp.run.sweep.workers import OUTPUT

WriteConfig = Callable[..., str]

TINY: dict[str, Any] = {"algorithm": "supervised", "validation_size": 60, "img_size": 16, "uratio": 2}
TINY.update(eval_batch_size=256, epoch=1, num_train_iter=6, num_eval_iter=3, num_log_iter=3, num_workers=0, lr=0.01)
TINY.update(use_tensorboard=False)


def test_submitits_local_executor_trains_a_run(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("submitit")
    words = ["sweep", "--c", write_config(**TINY), "--grid", "lr=0.01", "--slurm", "cluster=local,time=5"]
    assert main(words) == 0, capsys.readouterr()
    assert json.loads(Path("runs/run_sweep/slurm/jobs.json").read_text()).keys() == {"lr=0.01"}
    assert Path("runs/run_sweep/lr=0.01/model_best.pth").exists()
    assert Path("runs/run_sweep/results.csv").exists()


class FakeJob:
    """Submitit's, as far as it is watched."""

    def __init__(self, folder: Path, number: str = "7") -> None:
        self.job_id, self.canceled = number, False
        self.paths = SimpleNamespace(result_pickle=folder / f"{number}_result", stderr=folder / f"{number}_log.err")

    def leave(self, code: int) -> None:
        self.paths.result_pickle.write_text(str(code))

    def exception(self) -> None:
        return None

    def result(self) -> int:
        return int(self.paths.result_pickle.read_text())

    def cancel(self, check: bool) -> None:
        self.canceled = True


@pytest.mark.parametrize(
    ("state", "code", "seen"),
    [
        ("PENDING", None, None),
        ("RUNNING", None, None),
        (None, None, None),
        ("COMPLETING", 0, 0),
        (None, 0, 0),
        # The cluster may start again what was stopped.
        ("COMPLETING", 143, None),
        ("PENDING", 143, None),
        ("CANCELLED", 143, 143),
        ("GONE", 143, 143),
        ("A STATE OF LATER", None, None),
    ],
)
def test_a_job_has_ended_when_its_run_has_finished_or_the_cluster_says_so(
    state: str | None, code: int | None, seen: int | None, tmp_path: Path
) -> None:
    job = FakeJob(tmp_path)
    if code is not None:
        job.leave(code)
    assert JobHandle(job, lambda: state, tmp_path / OUTPUT).poll() == seen


def test_a_result_may_come_late_and_where_it_does_not_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    job = FakeJob(tmp_path)
    handle = JobHandle(job, lambda: "OUT_OF_MEMORY", tmp_path / "run" / OUTPUT)
    assert handle.poll() is None
    now[0] += 10
    assert handle.poll() is None
    now[0] += 10
    assert handle.poll() == 1
    said = (tmp_path / "run" / OUTPUT).read_text()
    assert said == f"job 7 of the cluster ended without a result (OUT_OF_MEMORY): {tmp_path}/7_log.err\n"


class FakeExecutor:
    """Submitit's: keeps what it was told, and numbers its jobs from 8."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.cluster = folder, "slurm"
        self.parameters: dict[str, Any] = {}
        self.dependencies: list[str | None] = []

    def update_parameters(self, **parameters: Any) -> None:
        self.parameters.update(parameters)

    def submit(self, task: Any) -> FakeJob:
        self.dependencies.append(self.parameters["slurm_dependency"])
        return FakeJob(self.folder, str(7 + len(self.dependencies)))


@pytest.mark.parametrize(
    ("state", "extra", "given", "dependencies", "canceled"),
    [
        ("RUNNING", (), {}, [], []),
        ("PENDING", (), {}, [], []),
        ("COMPLETING", (), {}, ["afterany:7"], []),
        ("RUNNING", ("--overwrite",), {}, ["afterany:7"], ["7"]),
        ("FAILED", (), {}, [None], []),
        ("GONE", (), {"dependency": "singleton"}, ["singleton"], []),
        ("COMPLETING", (), {"dependency": "singleton"}, ["singleton,afterany:7"], []),
    ],
)
def test_a_job_of_an_earlier_sweep_is_taken_over_or_waited_for(
    state: str, extra: tuple[str, ...], given: Mapping[str, str], dependencies: list[str | None], canceled: list[str],
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    earlier: list[FakeJob] = []

    def found(folder: Path, job_id: str) -> FakeJob:
        earlier.append(FakeJob(folder, job_id))
        return earlier[-1]

    errors = SimpleNamespace(FailedJobError=OSError, FailedSubmissionError=OSError)
    fake = SimpleNamespace(AutoExecutor=FakeExecutor, SlurmJob=found, core=SimpleNamespace(utils=errors))
    monkeypatch.setattr(launcher, "submitit", lambda: fake)
    monkeypatch.setattr(Queue, "state", lambda self, job: state)
    run = make_plan(sweep_request(["--c", write_config(), "--grid", "ns3l_weight=1"])).runs[0]
    folder = Path("runs/run_sweep/slurm")
    folder.mkdir(parents=True)
    (folder / "jobs.json").write_text(json.dumps({run.name: "7"}))
    submitter = SlurmLauncher(folder, {"time": "5", **given})
    submitter.start(run, extra, 0)
    executor: Any = submitter.executor
    assert executor.dependencies == dependencies
    assert [job.job_id for job in earlier if job.canceled] == canceled
    at_work = "8" if dependencies else "7"
    assert json.loads((folder / "jobs.json").read_text()) == {run.name: at_work}
