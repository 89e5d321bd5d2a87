"""One session of a run: what it takes hold of and gives back, and signals that come before there is a state to save."""

from __future__ import annotations

import logging
import os
import signal
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.build import build_algorithm
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.training import run, session
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.process_group import process_group
from usb_negsamp.run.training.session import Session, choose_device

SECOND = Process(rank=1, local_rank=1, world_size=2)
Open = Callable[..., AbstractContextManager[Session]]


def test_a_session_gives_back_what_it_has_taken_and_writes_nothing(open_silent: Open, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGTERM)

    def end_by_an_error() -> None:
        with open_silent() as opened:
            assert opened.directory == tmp_path / "one"
            assert signal.getsignal(signal.SIGTERM) != handler
            assert torch.are_deterministic_algorithms_enabled()
            opened.log.logger.warning("a line that waits for its file")
            opened.tensorboard.update({"train/sup_loss": 1.0}, 1)
            raise ValueError("whatever ends it")

    with pytest.raises(ValueError, match="whatever"):
        end_by_an_error()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not torch.are_deterministic_algorithms_enabled()
    assert logging.getLogger("usb_negsamp.run").handlers == []
    assert list(tmp_path.iterdir()) == []


def test_a_signal_while_processes_join_is_not_lost(open_silent: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def slow_group(process: Process, device_type: str) -> Iterator[None]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield

    monkeypatch.setattr(session, "process_group", slow_group)
    with open_silent() as opened:
        assert opened.signals.signum == signal.SIGTERM


def test_only_the_first_process_keeps_others_out_of_the_folder(
    open_silent: Open, occupied: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "process_group", lambda process, device_type: nullcontext())
    with open_silent(SECOND) as opened, opened.alone_in_directory():
        assert not opened.directory.exists()
    with open_silent() as opened:
        with opened.alone_in_directory():
            assert opened.directory.is_dir()
        occupied(opened.directory)
        with pytest.raises(ConfigError, match="another run is at work in"), opened.alone_in_directory():
            pytest.fail("it is not alone")


def test_the_hosts_arguments_are_told_of_the_device_and_of_the_processes() -> None:
    args = Namespace(device="cpu", gpu=3, batch_size=8)
    assert choose_device(args, SECOND) == torch.device("cpu")
    assert (args.gpu, args.batch_size, args.rank, args.world_size, args.distributed) == (None, 4, 1, 2, True)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_build_ends_the_run_before_anything_is_written(
    signum: int, write_config: Callable[..., str], work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = build_algorithm

    def interrupted(*args: Any) -> Any:
        os.kill(os.getpid(), signum)
        return build(*args)

    monkeypatch.setattr(run, "build_algorithm", interrupted)
    assert main(["train", "--c", write_config()]) == 128 + signum
    assert not (work_dir / "runs").exists()


@pytest.mark.parametrize(("device_type", "asked"), [("cpu", 1), ("cuda", 0)])
def test_freed_memory_is_kept_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device_type: str, asked: int
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(session, "keep_freed_memory", lambda: calls.append(None))
    args = Namespace(save_dir=str(tmp_path), save_name="one", deterministic=False)
    with session.open_session(args, Process(), Console(active=False), device_type):
        assert len(calls) == asked


@pytest.mark.parametrize(("device_type", "backend"), [("cuda", "nccl"), ("cpu", "gloo")])
def test_the_group_is_told_the_gpu_of_its_process(
    device_type: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[Any] = []
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda kind, **more: joined.append((kind, more["device_id"]))
    )
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: joined.append("left"))
    with process_group(SECOND, device_type):
        pass
    assert joined == [(backend, torch.device("cuda", 1) if device_type == "cuda" else None), "left"]
