"""Sweeps on a real SLURM: finished, cut at the time limit, canceled, started again, taken over, refused."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from one_node import CannotStart, OneNode, one_node
from yaml_text import SMALL_RUN, yaml_text

pytestmark = pytest.mark.slurm

RUN = {**SMALL_RUN, "algorithm": "slow", "plugin": "slow.py:register", "validation_size": 60, "img_size": 16}
RUN.update(uratio=2, eval_batch_size=256, epoch=1, num_train_iter=12, num_eval_iter=4, num_log_iter=4, num_workers=0)
RUN.update(lr=0.01, use_tensorboard=False, curve=False)
SLOW = '''
"""The host's supervised algorithm, whose iterations take long from the fourth on until a file is there."""
import time
from pathlib import Path

from usb_negsamp.host import ALGORITHMS


def register():
    class Slow(ALGORITHMS["supervised"]):
        def train_step(self, x_lb, y_lb):
            if self.it >= 3 and not Path("fast").exists():
                time.sleep(0.5)
            return super().train_step(x_lb, y_lb)

    ALGORITHMS["slow"] = Slow
'''
OF_ITS_TIME = {"seconds", "start", "end", "save_name"}
"""Columns of a row that are of the time and the place of its run."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[OneNode]:
    pytest.importorskip("submitit")
    try:
        with one_node() as found:
            yield found
    except CannotStart as reason:
        pytest.skip(f"SLURM cannot start: {reason}")


Sweep = Callable[..., "subprocess.Popen[str]"]


def write_run(folder: Path) -> None:
    (folder / "run.yaml").write_text(yaml_text(RUN))
    (folder / "slow.py").write_text(SLOW)


@pytest.fixture
def sweep(cluster: OneNode, tmp_path: Path) -> Iterator[Sweep]:
    """Start ``usb-negsamp sweep`` of a slow run in the test's folder, and end it with the test."""
    write_run(tmp_path)
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, slurm: str | None = "time=5", within: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        queue = [] if slurm is None else ["--slurm", slurm]
        command = [*within, sys.executable, "-m", "usb_negsamp", "sweep", "--c", "run.yaml", *words, *queue]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, cwd=tmp_path, env=cluster.environment, text=True, **pipes)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    cluster.ask("scancel", f"--user={os.getuid()}")


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a sweep, and return what it printed."""
    output, _ = process.communicate(timeout=240)
    assert process.returncode == code, output
    return output


def rows(folder: Path) -> list[dict[str, str]]:
    """What the runs of a sweep found, without what is of their time and place."""
    with (folder / "results.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key not in OF_ITS_TIME} for row in csv.DictReader(file)]


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.2)


def says(path: Path, text: str) -> bool:
    return path.is_file() and text in path.read_text()


def new_jobs(cluster: OneNode, before: set[str]) -> list[str]:
    return sorted(set(cluster.jobs()) - before)


LONG = ("--seeds", "2", "--jobs", "2", "--num_train_iter", "200")


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The rows of the long runs, of a sweep on this machine."""
    folder = tmp_path_factory.mktemp("here")
    write_run(folder)
    (folder / "fast").touch()
    command = [sys.executable, "-m", "usb_negsamp", "sweep", "--c", "run.yaml", *LONG, "--save_name", "here"]
    subprocess.run(command, cwd=folder, check=True)
    return rows(folder / "runs/here")


def test_a_sweep_in_the_queue_finds_what_it_finds_here(
    cluster: OneNode, sweep: Sweep, tmp_path: Path, uncut: list[dict[str, str]]
) -> None:
    (tmp_path / "fast").touch()
    before = set(cluster.jobs())
    output = ended(sweep(*LONG, "--save_name", "there", slurm="time=5,partition=all"))
    assert "sweep of 2 runs: 2 finished, 0 failed" in output
    assert "sacct" not in output
    assert len(new_jobs(cluster, before)) == 2
    assert [row["seed"] for row in uncut] == ["0", "1"]
    assert rows(tmp_path / "runs/there") == uncut


def test_a_job_that_is_cut_at_its_time_limit_goes_on_to_the_results_of_one_that_is_not(
    cluster: OneNode, sweep: Sweep, tmp_path: Path, uncut: list[dict[str, str]]
) -> None:
    before = set(cluster.jobs())
    # Such a run needs 100 seconds, and is told to save between the 20th and the 50th.
    process = sweep("--seeds", "1", *LONG[4:], "--save_name", "cut", slurm="time=1,signal_delay_s=10")
    output = tmp_path / "runs/cut/seed=0/output.txt"
    wait_until(lambda: says(output, "SIGTERM; saved iteration"))
    (tmp_path / "fast").touch()
    assert "sweep of 1 run: 1 finished, 0 failed" in ended(process)
    assert says(output, ", from iteration ")
    assert len(new_jobs(cluster, before)) == 1
    assert rows(tmp_path / "runs/cut") == uncut[:1]


def test_jobs_that_are_canceled_are_named_and_the_same_command_goes_on(
    cluster: OneNode, sweep: Sweep, tmp_path: Path
) -> None:
    before = set(cluster.jobs())
    words = ("--grid", "lr=0.01,0.02", "--jobs", "2", "--num_train_iter", "100")
    process = sweep(*words, slurm="time=5,cpus_per_task=4")
    output = tmp_path / "runs/run_sweep/lr=0.01/output.txt"
    wait_until(lambda: says(output, "4/100"))
    wait_until(lambda: len(new_jobs(cluster, before)) == 2)
    at_work, waiting = sorted(new_jobs(cluster, before), key=int)
    assert cluster.jobs()[waiting] == "PENDING"
    cluster.ask("scancel", waiting)
    cluster.ask("scancel", at_work)
    said = ended(process, code=1)
    assert "sweep of 2 runs: 0 finished, 2 failed" in said
    assert "lr=0.01: SIGTERM; saved iteration" in said
    assert f"lr=0.02: job {waiting} of the cluster ended without a result (CANCELLED)" in said
    (tmp_path / "fast").touch()
    again = ended(sweep(*words))
    assert "2 runs, 1 to be resumed" in again
    assert "sweep of 2 runs: 2 finished, 0 failed" in again
    assert says(output, ", from iteration ")


def test_an_interrupted_sweep_cancels_its_job_and_goes_on_at_once(
    cluster: OneNode, sweep: Sweep, tmp_path: Path
) -> None:
    before = set(cluster.jobs())
    words = ("--grid", "lr=0.01", "--num_train_iter", "100")
    process = sweep(*words)
    output = tmp_path / "runs/run_sweep/lr=0.01/output.txt"
    wait_until(lambda: says(output, "4/100"))
    process.send_signal(signal.SIGINT)
    assert "0 of 1 runs have finished; the same command goes on with the other 1" in ended(process, code=130)
    (tmp_path / "fast").touch()
    assert "sweep of 1 run: 1 finished, 0 failed" in ended(sweep(*words))
    assert says(output, ", from iteration ")
    assert len(new_jobs(cluster, before)) == 2


def test_a_killed_sweep_finds_its_job_again(cluster: OneNode, sweep: Sweep, tmp_path: Path) -> None:
    before = set(cluster.jobs())
    words = ("--grid", "lr=0.01", "--num_train_iter", "100")
    process = sweep(*words)
    output = tmp_path / "runs/run_sweep/lr=0.01/output.txt"
    wait_until(lambda: says(output, "4/100"))
    process.kill()
    process.wait()
    following = sweep(*words)
    # It looks at the queue, and only then may the job end.
    time.sleep(15)
    (tmp_path / "fast").touch()
    assert "sweep of 1 run: 1 finished, 0 failed" in ended(following)
    assert len(new_jobs(cluster, before)) == 1
    assert not says(output, ", from iteration ")


def test_a_job_that_the_cluster_starts_again_is_waited_for(cluster: OneNode, sweep: Sweep, tmp_path: Path) -> None:
    before = set(cluster.jobs())
    process = sweep("--grid", "lr=0.01", "--num_train_iter", "100", "--overwrite")
    output = tmp_path / "runs/run_sweep/lr=0.01/output.txt"
    wait_until(lambda: says(output, "8/100"))
    [job] = new_jobs(cluster, before)
    (tmp_path / "fast").touch()
    cluster.ask("scontrol", "requeue", job)
    assert "sweep of 1 run: 1 finished, 0 failed" in ended(process)
    assert new_jobs(cluster, before) == [job]


def test_a_sweep_within_a_job_submits_jobs_of_their_own(cluster: OneNode, sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "fast").touch()
    # What is left of it in the environment would start each run twice.
    within = ("salloc", "--ntasks=2", "--time=10")
    output = ended(sweep("--grid", "lr=0.01", within=within))
    assert "sweep of 1 run: 1 finished, 0 failed" in output
    assert (tmp_path / "runs/run_sweep/lr=0.01/output.txt").read_text().count("slow on digits, 12 iterations") == 1


def test_what_the_cluster_refuses_is_one_line(sweep: Sweep) -> None:
    said = ended(sweep("--seeds", "1", slurm="time=5,partition=nowhere"), code=2).splitlines()
    assert "usb-negsamp: error: --slurm: sbatch: error: invalid partition specified: nowhere" in said[-1]
    assert not any("Traceback" in line for line in said)
