"""What is shown while a run goes on, and how it is stopped."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_negsamp.data.announcing import announced
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.determinism import determinism, seed_everything
from usb_negsamp.run.training.progress import ProgressHook
from usb_negsamp.run.training.run_log import run_log
from usb_negsamp.run.training.signals import Interrupted, InterruptionHook, watching


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
def test_a_signal_saves_after_the_step_and_ends_the_run(signum: int, make_algorithm: type[Any]) -> None:
    saved: list[int] = []
    before = signal.getsignal(signum)

    def signaled(it: int) -> dict[str, Any]:
        if it == 3:
            os.kill(os.getpid(), signum)
        return {}

    class Counting(InterruptionHook):
        def before_run(self, algorithm: Any) -> None:
            pass

    algorithm = make_algorithm()
    with watching() as flag:
        hook = Counting(flag, Process(), lambda algorithm: saved.append(algorithm.it + 1))
        with pytest.raises(Interrupted) as raised:
            algorithm.train(hook, numbers=signaled)
    assert (raised.value.signum, raised.value.iterations_done, str(raised.value)) == (
        signum,
        4,
        signal.Signals(signum).name,
    )
    assert saved == [4]
    assert signal.getsignal(signum) is before


def test_a_run_without_a_signal_saves_nothing_more(make_algorithm: type[Any]) -> None:
    with watching() as flag:
        make_algorithm().train(InterruptionHook(flag, Process(), lambda algorithm: pytest.fail("saved")))


def test_a_second_interrupt_kills_at_once() -> None:
    code = (
        "import os, signal\n"
        "from usb_negsamp.run.training.signals import watching\n"
        "with watching():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('not here', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "still here\n"
    assert done.returncode == -signal.SIGINT


def test_a_forked_worker_can_be_ended_and_does_not_answer_the_keyboard() -> None:
    with watching() as flag:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        assert flag.signum == 0


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
