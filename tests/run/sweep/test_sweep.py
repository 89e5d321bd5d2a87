"""Sweeps: what they are asked, which runs that makes, and how they are worked off, stopped and taken up again."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from one_line import assert_one_line
from sweep_request import sweep_request

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.forks import server as fork_server
from usb_negsamp.run.records.results import COLUMNS, put_row
from usb_negsamp.run.sweep import sensitivity, workers
from usb_negsamp.run.sweep.grid import make_plan
from usb_negsamp.run.sweep.plan import Plan, Run
from usb_negsamp.run.sweep.run_state import last_row, resume_arguments
from usb_negsamp.run.sweep.sensitivity import PICTURE, cells_of, draw_cells

WriteConfig = Callable[..., str]

WRONG: list[tuple[list[str], str]] = [
    ([], "nothing to sweep: give --grid key=value,value"),
    (["--grid"], "--grid needs a value"),
    (["--grid", "lr"], "--grid: expected key=value,value, but got 'lr'"),
    (["--grid", "=1"], "--grid: expected key=value,value, but got '=1'"),
    (["--grid", "lr="], "--grid: lr has no values; expected lr=value,value"),
    (["--grid", "lr=1,,2"], "--grid: lr has an empty value in 'lr=1,,2'"),
    (["--grid", "lr=1", "lr=2"], "--grid: lr is given twice"),
    (["--grid", "save_name=a,b"], "--grid: save_name cannot be varied"),
    (["--grid", "lr=1,2", "--lr", "3"], "lr is given in the grid and as --lr"),
    (["--grid", "ns3l_treshold=0.01"], "unknown key 'ns3l_treshold'; did you mean 'ns3l_threshold'?"),
    (
        ["--grid", "ns3l_weight=1,much"],
        "--grid ns3l_weight=much: ns3l_weight: expected a number of at least 0, but got 'much'",
    ),
    (
        ["--grid", "ns3l_threshold=0.01,0.2"],
        "ns3l_threshold=0.2: ns3l_threshold: expected a number above 0",
    ),
    (["--grid", "lr=1,-2", "momentum=0.5"], "--grid lr=-2 momentum=0.5: lr: expected a number above 0, but got -2"),
    (["--grid", "lr=1,1.0"], "--grid: a combination is there twice"),
    (["--algorithms", "vat_ns3l,vat_ns3"], "unknown algorithm 'vat_ns3'; did you mean 'vat_ns3l'?"),
    (["--algorithms", "vat", "--grid", "algorithm=vat_ns3l"], "--grid: algorithm is given twice"),
    (["--seeds", "0"], "--seeds: expected a whole number of at least 1, but got 0"),
    (["--seeds", "some"], "--seeds: expected a whole number of at least 1, but got 'some'"),
    (["--seeds", "2", "--seed", "1", "--split_seed", "1"], "--seeds sets seed and split_seed, but both are given"),
    (["--seeds", "2", "--jobs", "0"], "jobs: expected a whole number of at least 1, but got 0"),
    (["--seeds", "2", "--load_path", "x.pth"], "--load_path belongs to a single run"),
    (["--seeds", "2", "--save_name", "a/b"], "save_name: expected the name of the sweep's folder, but got 'a/b'"),
    (["--seeds", "2", "--epochs", "3"], "unknown key 'epochs'; did you mean 'epoch'?"),
    (["--seeds", "2", "--slurm", "gpu"], "--slurm: expected name=value,name=value"),
]


@pytest.mark.parametrize(
    ("words", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_bad_grid_is_one_line_and_nothing_is_written(
    words: list[str], message: str, write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("usb-negsamp: error: ")
    assert message in lines[0]
    assert [path.name for path in work_dir.iterdir()] == ["run.yaml"]


@pytest.mark.parametrize(
    "words",
    [["sweep", "--help"], ["report", "--help"], ["sweep", "--seeds", "0"], ["sweep", "--c", "absent.yaml"]],
    ids=str,
)
def test_help_and_the_first_mistakes_load_nothing_heavy(words: list[str]) -> None:
    code = f"import sys; from usb_negsamp.run.cli.main import main; main({words!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "semilearn", "numpy", "scipy", "matplotlib"} & set(done.stdout.splitlines()[-1].split())


def test_an_error_of_the_file_itself_does_not_blame_the_grid(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(batch_size=0), "--grid", "lr=0.1,0.3"]) == 2
    assert capsys.readouterr().err == "usb-negsamp: error: batch_size: expected a whole number above 0, but got 0\n"


@pytest.mark.parametrize("obstacle", ["runs/run_sweep", "runs/run_sweep/results.csv", "runs/run_sweep/.lock"])
def test_what_lies_where_the_sweep_writes_is_one_line_and_left(
    obstacle: str, write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = work_dir / obstacle
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    assert_one_line(["sweep", "--c", write_config(), "--seeds", "2"], f"{obstacle} is a link that", work_dir, capsys)


def plan_of(write_config: WriteConfig, *words: str, **changes: Any) -> Plan:
    return make_plan(sweep_request(["--c", write_config(**changes), *words]))


def test_all_combinations_run_with_all_seeds_each_in_its_own_folder(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, "--grid", "ns3l-threshold=0.01,0.02", "ns3l_weight=0.3,1,3", "--seeds", "2")
    assert len(plan.runs) == 12
    assert plan.directory == Path("runs/run_sweep")
    first = plan.runs[0]
    assert first.name == "ns3l_threshold=0.01_ns3l_weight=0.3_seed=0"
    assert first.directory == Path("runs/run_sweep") / first.name
    assert first.point == {"ns3l_threshold": 0.01, "ns3l_weight": 0.3}
    assert {(run.config["seed"], run.config["split_seed"]) for run in plan.runs} == {(0, 0), (1, 1)}
    assert len({run.directory for run in plan.runs}) == 12
    assert plan.grid == {"ns3l_threshold": (0.01, 0.02), "ns3l_weight": (0.3, 1.0, 3.0)}


def test_what_a_run_is_told_is_what_was_checked(write_config: WriteConfig) -> None:
    from usb_negsamp.run.configuration import resolution as configuration

    for run in plan_of(write_config, "--grid", "lr=0.1,3e-3", "--seeds", "1", "--epoch", "1", "--curve").runs:
        assert configuration.resolve(configuration.read_sources(run.argv)).mapping == run.config


@pytest.mark.parametrize(
    ("fixed", "seeds", "folder"),
    [
        (["--seed", "7"], [(7, 0), (7, 1)], "split_seed=1"),
        (["--split_seed", "7"], [(0, 7), (1, 7)], "seed=1"),
        (["--grid", "split_seed=3"], [(0, 3), (1, 3)], "split_seed=3_seed=1"),
    ],
)
def test_a_seed_that_is_fixed_stays(
    fixed: list[str], seeds: list[tuple[int, int]], folder: str, write_config: WriteConfig
) -> None:
    plan = plan_of(write_config, "--seeds", "2", *fixed)
    assert [(run.config["seed"], run.config["split_seed"]) for run in plan.runs] == seeds
    assert plan.runs[1].name == folder


def test_without_seeds_the_files_own_seed_is_taken(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, "--algorithms", "vat,vat_ns3l", seed=5)
    assert [(run.name, run.config["seed"]) for run in plan.runs] == [("algorithm=vat", 5), ("algorithm=vat_ns3l", 5)]


class FakeHandle:
    def __init__(self, code: int | None) -> None:
        self.code = code
        self.signals: list[int] = []

    def poll(self) -> int | None:
        return self.code

    def stop(self, signum: int) -> None:
        self.signals.append(signum)
        self.code = 128 + signum


class FakeLauncher:
    """Finishes runs at once: the test error is 10% per unit of weight, plus the seed; weight 9 fails."""

    pause = 0.0

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.started: list[tuple[str, tuple[str, ...]]] = []
        self.then = then

    def start(self, run: Run, extra: Sequence[str], slot: int) -> FakeHandle:
        self.started.append((run.name, tuple(extra)))
        run.directory.mkdir(parents=True, exist_ok=True)
        if run.point.get("ns3l_weight") == 9:
            (run.directory / workers.OUTPUT).write_text("Traceback\n  x\nusb-negsamp: error: out of\n patience\n\n")
            return FakeHandle(1)
        leave_run(run, "finished")
        self.then()
        return FakeHandle(0)


def leave_run(run: Run, exit_reason: str | None, checkpoint: bool = True, row: bool = True) -> None:
    """Leave what a run leaves."""
    run.directory.mkdir(parents=True, exist_ok=True)
    content = {"config": run.config, "exit_reason": exit_reason}
    (run.directory / "manifest.json").write_text(json.dumps(content))
    if checkpoint:
        (run.directory / "latest_model.pth").write_bytes(b"")
    if row and exit_reason == "finished":
        error = 0.1 * run.point.get("ns3l_weight", 1) + 0.01 * run.config["seed"]
        values: dict[str, Any] = {name: run.config.get(name) for name in COLUMNS}
        values.update(selection="best on validation", eval_best_acc=1 - error / 2, test_acc_at_best=1 - error)
        values.update(test_acc_last=0.5, seconds=2.5, start=run.name)
        put_row(run.directory / "results.csv", values)


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> FakeLauncher:
    """Stands in for runs on this machine."""
    fake = FakeLauncher()
    monkeypatch.setattr(workers, "LocalLauncher", lambda jobs: fake)
    return fake


GRID = ["--grid", "ns3l_threshold=0.01,0.02", "ns3l_weight=1,2", "--seeds", "2"]


def test_a_sweep_leaves_a_row_for_each_run_and_the_heat_map(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), *GRID, "--jobs", "3"]) == 0
    with Path("runs/run_sweep/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert set(COLUMNS) | {"ns3l_threshold", "ns3l_weight", "swept"} == set(rows[0])
    assert {(row["ns3l_threshold"], row["ns3l_weight"], row["seed"]) for row in rows} == {
        (threshold, weight, seed) for threshold in ("0.01", "0.02") for weight in ("1.0", "2.0") for seed in "01"
    }
    assert rows[0]["swept"] == "ns3l_threshold ns3l_weight"
    assert Path("runs/run_sweep", PICTURE).read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert lines[0] == "usb-negsamp: 8 runs; 3 at a time, into runs/run_sweep"
    first = "1/8  ns3l_threshold=0.01_ns3l_weight=1_seed=0  test error 10.00% (best on validation)  0:00:02  ETA "
    assert lines[1].startswith(first)
    assert ", a run in 0:00:0" in lines[1]
    assert lines[-1].startswith("8/8 ")
    assert len(lines) == 9
    chosen = "ns3l_threshold=0.01 ns3l_weight=1 (lowest validation error, the first of 2 that tie)"
    assert f"{chosen}: test error 10.50 ± 0.71%" in shown.out


def test_finished_runs_are_not_run_again_and_a_larger_grid_keeps_the_rows(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config()
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1,2"]) == 0
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=2.0,3"]) == 0
    assert [name for name, _ in launcher.started] == ["ns3l_weight=1", "ns3l_weight=2", "ns3l_weight=3"]
    announced, ended = capsys.readouterr().err.splitlines()[-2:]
    assert "2 runs, 1 finished before; 1 at a time" in announced
    assert announced.endswith("; about 0:00:02 left, 0:00:02 a run")
    assert ended.startswith("2/2  ns3l_weight=3  ")
    with Path("runs/run_sweep/results.csv").open() as table:
        assert sorted(row["ns3l_weight"] for row in csv.DictReader(table)) == ["1.0", "2.0", "3.0"]
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1", "--overwrite"]) == 0
    assert launcher.started[-1] == ("ns3l_weight=1", ("--overwrite",))


def test_what_a_killed_sweep_was_writing_goes_with_the_next_one(
    write_config: WriteConfig, launcher: FakeLauncher
) -> None:
    torn = Path(f"runs/run_sweep/.results.csv.{2**22 + 1}.writing")
    torn.parent.mkdir(parents=True)
    torn.write_text("half")
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=1"]) == 0
    assert not torn.exists()


def test_a_run_begins_goes_on_or_begins_anew_by_what_is_left_of_it(write_config: WriteConfig) -> None:
    run = plan_of(write_config, "--grid", "ns3l_weight=1").runs[0]
    assert resume_arguments(run) == ()
    leave_run(run, "SIGINT")
    assert resume_arguments(run) == ("--resume",)
    leave_run(run, None, row=False)
    assert resume_arguments(run) == ("--resume",)
    leave_run(run, "finished", row=False)
    assert resume_arguments(run) == ("--overwrite",)
    (run.directory / "latest_model.pth").unlink()
    leave_run(run, "error: ValueError: x", checkpoint=False)
    assert resume_arguments(run) == ("--overwrite",)
    leave_run(run, "finished")
    assert resume_arguments(run) is None
    assert resume_arguments(run, anew=True) == ("--overwrite",)


def test_a_finished_run_of_another_configuration_is_not_taken_for_this_one(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config()
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1"]) == 0
    capsys.readouterr()
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1", "--lr", "0.5"]) == 2
    assert "ns3l_weight=1 holds a run with lr 0.03 (now 0.5); choose another folder" in capsys.readouterr().err


def test_a_sweep_goes_on_where_only_its_means_are_others(write_config: WriteConfig, launcher: FakeLauncher) -> None:
    file = write_config()
    words = ["sweep", "--c", file, "--grid", "ns3l_weight=1"]
    assert main(words) == 0
    started = len(launcher.started)
    assert main([*words, "--eval_batch_size", "32", "--num_workers", "0", "--device", "auto", "--curve", "false"]) == 0
    assert len(launcher.started) == started, "the finished run is kept"


@pytest.mark.parametrize(
    "change",
    [["--num_train_iter", "40"], ["--num_eval_iter", "5"], ["--pretrain_path", "x", "--use_pretrain", "false"]],
)
def test_a_sweep_of_another_length_or_start_is_another(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str], change: list[str]
) -> None:
    words = ["sweep", "--c", write_config(), "--grid", "ns3l_weight=1"]
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words, *change]) == 2
    assert f"holds a run with {change[0].removeprefix('--')} " in capsys.readouterr().err


def test_a_failed_run_is_reported_with_its_reason_and_the_others_go_on(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=9,1"]) == 1
    shown = capsys.readouterr()
    assert "1/2  ns3l_weight=9  failed: patience  ETA" in shown.err
    assert "sweep of 2 runs: 1 finished, 1 failed" in shown.out
    assert shown.out.splitlines()[-1] == "  failed      ns3l_weight=9: patience"


def test_a_signal_starts_no_further_run_and_the_finished_ones_keep_their_rows(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher.then = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=1,2,3"]) == 130
    assert [name for name, _ in launcher.started] == ["ns3l_weight=1"]
    assert "interrupted: 1 of 3 runs have finished; the same command goes on" in capsys.readouterr().err
    assert Path("runs/run_sweep/results.csv").exists()


def test_a_signal_is_passed_once_to_every_running_run(write_config: WriteConfig) -> None:
    handles: list[FakeHandle] = []

    class Endless(FakeLauncher):
        def start(self, run: Run, extra: Sequence[str], slot: int) -> FakeHandle:
            handles.append(FakeHandle(None))
            return handles[-1]

    runs = plan_of(write_config, "--grid", "ns3l_weight=1,2,3").runs
    ended: list[int] = []
    workers.work(
        [(run, ()) for run in runs],
        Endless(),
        jobs=2,
        ended=lambda run, code: ended.append(code),
        stop_signal=lambda: signal.SIGTERM if len(handles) == 2 else 0,
    )
    assert [handle.signals for handle in handles] == [[signal.SIGTERM], [signal.SIGTERM]]
    assert ended == [143, 143]


def test_a_run_starts_when_those_that_it_comes_after_have_ended(write_config: WriteConfig) -> None:
    first, second, third = plan_of(write_config, "--grid", "ns3l_weight=1,2,3").runs
    second = dataclasses.replace(second, after=frozenset({first.directory, Path("runs/of/another/sweep")}))
    happened: list[str] = []
    handles: dict[str, FakeHandle] = {}

    class OneAfterTheOther(FakeLauncher):
        def start(self, run: Run, extra: Sequence[str], slot: int) -> FakeHandle:
            happened.append(f"{run.name} starts")
            handles[run.name] = FakeHandle(None)
            return handles[run.name]

    def now() -> int:
        """End one run at each look, the last that started first."""
        going = [handle for handle in handles.values() if handle.code is None]
        for handle in going[-1:]:
            handle.code = 1
        return 0

    workers.work(
        [(run, ()) for run in (first, second, third)],
        OneAfterTheOther(),
        jobs=2,
        ended=lambda run, code: happened.append(f"{run.name} ends"),
        stop_signal=now,
    )
    assert [what.removeprefix("ns3l_weight=") for what in happened] == [
        *("1 starts", "3 starts", "3 ends", "1 ends", "2 starts", "2 ends"),
    ]


def test_labels_that_a_run_counts_itself_are_no_other_configuration(write_config: WriteConfig) -> None:
    [run] = plan_of(write_config, "--grid", "ns3l_weight=1").runs
    counting = dataclasses.replace(run, config={**run.config, "num_labels": None})
    leave_run(run, "finished")
    assert resume_arguments(counting) is None
    assert last_row(counting) is not None
    other = dataclasses.replace(run, config={**run.config, "num_labels": 50})
    with pytest.raises(ConfigError, match=r"holds a run with num_labels 40 \(now 50\)"):
        resume_arguments(other)


SLOW_TO_LEAVE = """
import signal, sys, time
came = []
signal.signal(signal.SIGINT, lambda *_: came.append(1))
print("ready", flush=True)
while not came:
    time.sleep(0.01)
time.sleep(0.2)
print("saved", flush=True)
sys.exit(130)
"""


def test_a_child_is_in_a_session_of_its_own_and_saves_when_told(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server, "is_possible", lambda: False)
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda words, **options: popen([sys.executable, "-c", SLOW_TO_LEAVE], **options)
    )
    run = plan_of(write_config, "--grid", "ns3l_weight=1").runs[0]
    handle = workers.LocalLauncher(1).start(run, (), 0)
    assert isinstance(handle, workers.LocalHandle)
    assert os.getsid(handle.process.pid) == handle.process.pid
    while workers.last_words(run.directory) != "ready":
        time.sleep(0.01)
    handle.stop(signal.SIGINT)
    assert handle.process.wait(10) == 130
    assert workers.last_words(run.directory) == "saved"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's death on Linux alone")
def test_runs_do_not_outlive_a_killed_sweep(tmp_path: Path) -> None:
    parent = f"""
import subprocess, sys, time
from usb_negsamp.run.sweep.workers import _leave_when_told
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], preexec_fn=_leave_when_told)
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent])
    pid = ""
    while not pid:
        assert process.poll() is None, "the sweep ended by itself"
        time.sleep(0.02)
        pid = (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""
    process.kill()
    process.wait()
    for _ in range(200):
        if not _is_alive(int(pid)):
            return
        time.sleep(0.02)
    pytest.fail("the run went on")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_cores_and_the_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch, write_config: WriteConfig) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 16)
    assert [workers.threads_each(jobs, {}) for jobs in (1, 3, 16, 40)] == [16, 5, 1, 1]
    assert workers.threads_each(4, {"OMP_NUM_THREADS": "2"}) == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    environments: list[dict[str, str]] = []
    monkeypatch.setattr(workers, "start_training", lambda run, extra, env, **means: environments.append(env))
    run = plan_of(write_config, "--grid", "ns3l_weight=1").runs[0]
    for slot in range(3):
        workers.LocalLauncher(4).start(run, (), slot)
    assert [env["CUDA_VISIBLE_DEVICES"] for env in environments] == ["4", "6", "4"]
    assert {env["OMP_NUM_THREADS"] for env in environments} == {"4"}


def test_where_no_server_can_be_had_runs_import_for_themselves(
    monkeypatch: pytest.MonkeyPatch, write_config: WriteConfig
) -> None:
    def refuse(threads: int) -> None:
        raise ChildProcessError("the fork server ended with code 1")

    servers: list[Any] = []
    monkeypatch.setattr(fork_server, "is_possible", lambda: True)
    monkeypatch.setattr(fork_server, "shared_server", refuse)
    monkeypatch.setattr(workers, "start_training", lambda *run, server, **means: servers.append(server))
    workers.LocalLauncher(1).start(plan_of(write_config, "--grid", "ns3l_weight=1").runs[0], (), 0)
    assert servers == [None]


def test_two_sweeps_cannot_work_in_one_folder(
    write_config: WriteConfig,
    launcher: FakeLauncher,
    occupied: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("runs/run_sweep").mkdir(parents=True)
    occupied(Path("runs/run_sweep"))
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=1"]) == 2
    assert "another sweep is at work in runs/run_sweep" in capsys.readouterr().err
    assert launcher.started == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--grid", "lr=0.1,0.2", "ns3l_weight=1,2", "momentum=0.1,0.2"], "3 keys vary (lr, ns3l_weight, momentum)"),
        (["--algorithms", "vat_ns3l,fixmatch_ns3l"], "algorithm: not all values are numbers"),
        (["--seeds", "2"], "no key of the grid varies"),
    ],
)
def test_where_there_is_no_picture_a_line_says_why(
    words: list[str], line: str, write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), *words]) == 0
    assert f"  no picture  {line}" in capsys.readouterr().out
    assert not Path("runs/run_sweep", PICTURE).exists()


def test_one_varied_number_makes_a_line_also_where_a_run_is_missing(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=9,1,2", "--seeds", "2"]) == 1
    assert Path("runs/run_sweep", PICTURE).stat().st_size > 5000
    capsys.readouterr()


def test_the_cells_hold_the_mean_over_seeds_and_know_the_best(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, *GRID)
    rows = [
        (run, {"selection": "best on validation", "test_acc_at_best": str(accuracy), "eval_best_acc": str(chosen)})
        for run, accuracy, chosen in zip(
            plan.runs, [0.5, 0.7, 0.8, 0.9, 0.7, 0.7, 0.1, 0.2], [0.9, 0.9] + [0.5] * 6, strict=True
        )
    ]
    cells = cells_of(plan, rows)
    found = cells.errors[(0.01, 2.0)]
    assert found.mean == pytest.approx(15.0)
    assert found.std == pytest.approx(7.0711, abs=1e-4)
    assert cells.best == ((0.01, 2.0),)
    assert cells.chosen == ((0.01, 1.0),)
    assert cells.at(0.02, 1.0) == (0.02, 1.0)


@pytest.mark.parametrize("grid", [["ns3l_threshold=0.01,0.02", "ns3l_weight=1,2"], ["ns3l_weight=1,2,3,4"]])
def test_points_that_tie_are_all_marked_and_the_picture_says_n(
    grid: list[str], write_config: WriteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(sensitivity, "write_picture", lambda figure, path, dpi: figures.append(figure))
    plan = plan_of(write_config, "--grid", *grid, "--seeds", "2")
    # The same two errors in another order: their means may differ in the last bit.
    accuracies = [0.9, 0.7, 0.7, 0.9, 0.1, 0.2, 0.3]
    rows = [
        (run, {"selection": "best on validation", "test_acc_at_best": str(found), "eval_best_acc": "0.5"})
        for run, found in zip(plan.runs, accuracies, strict=False)
    ]
    cells = cells_of(plan, rows)
    assert [len(cells.best), len(cells.chosen)] == [2, 4]
    chosen = next(line for line in cells.lines() if line.startswith("  chosen"))
    assert "(lowest validation error, the first of 4 that tie)" in chosen
    draw_cells(cells, tmp_path / PICTURE)
    [figure] = figures
    axes = figure.axes[0]
    assert axes.get_title().endswith("mean ± standard deviation, n = 1 to 2 runs each")
    texts = [text.get_text() for text in axes.texts]
    assert sum("n = 1" in text for text in texts) == 1
    if len(grid) == 2:
        assert len(axes.patches) == 2
        assert sum("★" in text for text in texts) == 4
        assert "red frame: lowest test error (2 tie); ★ lowest validation error (4 tie)" in axes.get_xlabel()
    else:
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["lowest test error (2 tie)", "lowest validation error (4 tie)"]


TINY = {"algorithm": "supervised", "validation_size": 60, "img_size": 16, "uratio": 2, "eval_batch_size": 256}
TINY.update(epoch=1, num_train_iter=6, num_eval_iter=3, num_log_iter=3, num_workers=0, lr=0.01, use_tensorboard=False)


def test_a_real_sweep_of_two_runs_from_the_command_line(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "--c", write_config(**TINY), "--seeds", "2", "--jobs", "2", "--save_name", "real"]
    assert main(words) == 0, capsys.readouterr()
    with Path("runs/real/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["split_seed"]) for row in rows] == [("0", "0"), ("1", "1")]
    assert rows[0]["split_digest"] != rows[1]["split_digest"]
    assert "1 threads" in rows[0]["device"]
    capsys.readouterr()
    assert main(words) == 0
    assert "2 runs, 2 finished before" in capsys.readouterr().err
    assert main(["report", "runs/real"]) == 0
    assert "| supervised | " in capsys.readouterr().out
