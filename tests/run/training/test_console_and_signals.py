"""What is shown while a run goes on, and how it is stopped."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_negsamp.data.announcing import announced
from usb_negsamp.host.datasets import seeded_loading
from usb_negsamp.host.datasets.seeded_loading import leave_signals_to_parent
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.determinism import determinism, seed_everything
from usb_negsamp.run.training.interruption import Interrupted, InterruptionHook
from usb_negsamp.run.training.progress import ProgressHook
from usb_negsamp.run.training.run_log import run_log
from usb_negsamp.run.training.signals import catch_signals


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def numbers(it: int) -> dict[str, Any]:
    log = {"train/sup_loss": torch.tensor(1.5), "train/ns3l_loss": 0.25, "lr": 0.1}
    return {**log, "eval/top-1-acc": 0.5} if it == 2 else log


def test_off_a_terminal_there_is_a_line_every_num_log_iter(make_algorithm: type[Any]) -> None:
    stream = io.StringIO()
    make_algorithm().train(ProgressHook(Console(stream=stream)), numbers=numbers)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"2/6  33%  [\d.]+ it/s  ETA \d:\d\d:\d\d  sup 1\.5000  ns3l 0\.2500", lines[0])
    assert lines[1].endswith("eval acc 50.00%")
    assert "ETA 0:00:00" in lines[2]


def test_a_run_with_unseen_classes_shows_how_they_are_told_apart(make_algorithm: type[Any]) -> None:
    stream = io.StringIO()

    def evaluated(it: int) -> dict[str, Any]:
        return {"eval/top-1-acc": 0.5, "eval/open/auroc": 0.8125}

    make_algorithm().train(ProgressHook(Console(stream=stream)), numbers=evaluated)
    assert stream.getvalue().splitlines()[0].endswith("eval acc 50.00%  open auroc 0.812")


def test_on_a_terminal_there_is_a_bar_and_lines_do_not_tear_it(make_algorithm: type[Any]) -> None:
    stream = Terminal()
    console = Console(stream=stream)

    def with_a_line(it: int) -> dict[str, Any]:
        if it == 3:
            console.line("something happened")
        return numbers(it)

    make_algorithm().train(ProgressHook(console), numbers=with_a_line)
    shown = stream.getvalue()
    assert "6/6" in shown
    assert "sup 1.5000" in shown
    assert any(line.strip() == "something happened" for line in re.split(r"[\r\n]", shown))


def test_other_processes_show_nothing(make_algorithm: type[Any]) -> None:
    stream = io.StringIO()
    make_algorithm().train(ProgressHook(Console(active=False, stream=stream)), numbers=numbers)
    assert stream.getvalue() == ""


def test_numbers_are_read_from_the_device_only_when_they_are_shown(make_algorithm: type[Any]) -> None:
    class Counted:
        reads = 0
        size = 1

        def item(self) -> float:
            Counted.reads += 1
            return 1.0

    hook = ProgressHook(Console(stream=io.StringIO()))
    make_algorithm(num_train_iter=100, num_log_iter=50).train(hook, numbers=lambda it: {"train/sup_loss": Counted()})
    assert Counted.reads == 2


def test_the_log_waits_until_the_folder_is_there_and_takes_pythons_warnings(tmp_path: Path) -> None:
    stream = io.StringIO()
    shown = warnings.showwarning
    with run_log(Console(stream=stream)) as log:
        log.logger.info("before")
        log.logger.warning("look")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning("old", FutureWarning, "x.py", 1)
        assert list(tmp_path.iterdir()) == []
        log.open(tmp_path)
        log.logger.info("after")
    text = (tmp_path / "log.txt").read_text()
    assert [word in text for word in ("before", "look", "FutureWarning: old", "after")] == [True] * 4
    assert stream.getvalue() == "look\n"
    assert warnings.showwarning is shown
    assert logging.getLogger("usb_negsamp.run").handlers == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_after_the_step_and_ends_the_run(
    signum: int, make_algorithm: type[Any], open_silent: Callable[[], Any], tmp_path: Path
) -> None:
    saved: list[tuple[int, str, str]] = []
    before = signal.getsignal(signum)

    def signaled(it: int) -> dict[str, Any]:
        if it == 3:
            os.kill(os.getpid(), signum)
        return {}

    class Counting(InterruptionHook):
        def before_run(self, algorithm: Any) -> None:
            pass

    algorithm = make_algorithm()
    algorithm.save_dir, algorithm.save_name = str(tmp_path), "one"
    algorithm.save_model = lambda name, folder: saved.append((algorithm.it + 1, name, folder))
    with open_silent() as session, pytest.raises(Interrupted) as raised:
        algorithm.train(Counting(session), numbers=signaled)
    assert (raised.value.signum, raised.value.iterations_done, str(raised.value)) == (
        signum,
        4,
        signal.Signals(signum).name,
    )
    assert saved == [(4, "latest_model.pth", str(tmp_path / "one"))]
    assert signal.getsignal(signum) is before


def test_a_run_without_a_signal_saves_nothing_more(make_algorithm: type[Any], open_silent: Callable[[], Any]) -> None:
    algorithm = make_algorithm()
    algorithm.save_model = lambda name, folder: pytest.fail("saved")
    with open_silent() as session:
        algorithm.train(InterruptionHook(session))


def test_a_second_interrupt_kills_at_once() -> None:
    code = (
        "import os, signal\n"
        "from usb_negsamp.run.training.signals import catch_signals\n"
        "with catch_signals():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('not here', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "still here\n"
    assert done.returncode == -signal.SIGINT


@pytest.mark.parametrize(("sigterms", "code"), [(0, 0), (1, 0), (2, -signal.SIGTERM)])
def test_a_worker_leaves_the_keyboard_and_a_first_sigterm_to_its_parent(sigterms: int, code: int) -> None:
    with catch_signals() as flag:
        child = os.fork()
        if child == 0:
            leave_signals_to_parent(0)
            for signum in (signal.SIGINT, *[signal.SIGTERM] * sigterms):
                os.kill(os.getpid(), signum)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
        assert flag.signum == 0


def test_a_worker_ends_some_time_after_a_sigterm_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeded_loading, "SECONDS_AFTER_SIGTERM", 0.1)
    child = os.fork()
    if child == 0:
        leave_signals_to_parent(0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_a_sigterm_to_all_processes_of_a_run_saves_a_checkpoint(
    write_config: Callable[..., str], work_dir: Path
) -> None:
    """As SLURM sends it at a time limit, and ``timeout`` to its group: to the loaders' workers, too."""
    file = write_config(num_workers=1, num_train_iter=100_000, num_eval_iter=100_000, num_log_iter=1)
    command = [sys.executable, "-m", "usb_negsamp", "train", "--c", file]
    with (work_dir / "shown").open("w") as shown:
        process = subprocess.Popen(command, stdout=shown, stderr=shown, start_new_session=True)
        try:
            deadline = time.monotonic() + 240
            while "it/s" not in (work_dir / "shown").read_text() and time.monotonic() < deadline:
                assert process.poll() is None, (work_dir / "shown").read_text()
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGTERM)
            code = process.wait(120)
        finally:
            process.kill()
    text = (work_dir / "shown").read_text()
    assert code == 128 + signal.SIGTERM, text
    assert "Traceback" not in text
    assert (work_dir / "runs" / "one" / "latest_model.pth").is_file()


@pytest.mark.parametrize(
    ("wanted", "device", "exact"), [(None, "cpu", True), (None, "cuda", False), (False, "cpu", False)]
)
def test_kernels_are_either_exact_or_the_fastest_and_the_choice_ends_with_the_run(
    wanted: bool | None, device: str, exact: bool
) -> None:
    before = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    with determinism(wanted, device):
        assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (exact, not exact)
        assert torch.are_deterministic_algorithms_enabled() is exact
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_seed_decides_python_numpy_and_torch() -> None:
    import random

    import numpy as np

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    seed_everything(5)
    first = draw()
    seed_everything(5)
    assert draw() == first


def test_work_that_takes_long_is_shown_during_a_run_and_is_in_its_log(tmp_path: Path) -> None:
    stream = io.StringIO()
    with run_log(Console(stream=stream)) as log:
        with announced("decoding pictures", 3, first=0.01):
            while not stream.getvalue():
                pass
        log.open(tmp_path)
    assert stream.getvalue() == "usb-negsamp: decoding pictures: 0 of 3\n"
    assert "decoding pictures: 0 of 3" in (tmp_path / "log.txt").read_text()
    assert not logging.getLogger("usb_negsamp.data").handlers
