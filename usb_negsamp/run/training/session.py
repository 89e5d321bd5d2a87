"""One session of one run: its processes, where it shows and writes, and the signals that may end it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from usb_negsamp.host import device
from usb_negsamp.host.freed_memory import keep_freed_memory
from usb_negsamp.run.configuration.processes import Process, configure_distributed
from usb_negsamp.run.records.directory import exclusive, run_directory
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.determinism import determinism
from usb_negsamp.run.training.process_group import process_group
from usb_negsamp.run.training.run_log import RunLog, run_log
from usb_negsamp.run.training.signals import Flag, catch_signals
from usb_negsamp.run.training.tensorboard import TensorBoardLog


@dataclass(frozen=True)
class Session:
    """What every part of a run may need while it goes on.

    Attributes:
        process: which process of how many this is; the first one writes.
        directory: the run's folder.
        console: what a person sees.
        log: log.txt, not yet opened.
        tensorboard: TensorBoard's events, not yet opened.
        signals: the signal that came, if any. Several processes catch them from :meth:`catching_signals` on.
    """

    process: Process
    directory: Path
    console: Console
    log: RunLog
    tensorboard: TensorBoardLog
    signals: Flag

    def alone_in_directory(self) -> AbstractContextManager[None]:
        """Keep a second run that would write the same files out of the folder, which is made if it is not there.

        Raises:
            ConfigError: another run is at work in it.
        """
        if not self.process.is_main:
            return nullcontext()
        self.directory.mkdir(parents=True, exist_ok=True)
        return exclusive(self.directory, "run")

    def catching_signals(self) -> AbstractContextManager[Flag | None]:
        """Catch signals of several processes in the block; of a single one they are caught already.

        While processes wait for each other to begin, there is nothing to save, and one that fails alone must not leave
        the others standing: a signal, torchrun's too, ends them at once.
        """
        return catch_signals(self.signals) if self.process.distributed else nullcontext()


def choose_device(args: Namespace, process: Process) -> torch.device:
    """Select the device that ``args`` ask for, and tell the host's code of it and of the processes there are.

    Raises:
        ConfigError: there is no such device.
    """
    chosen = device.select(args.device)
    configure_distributed(args, process, chosen.type)
    return chosen


@contextmanager
def open_session(args: Namespace, process: Process, console: Console, device_type: str) -> Iterator[Session]:
    """Catch signals, join other processes, choose kernels, keep memory and a log for the length of the block.

    Args:
        args: of the run.
        process: which process of how many this is.
        console: what a person sees.
        device_type: ``"cpu"`` or ``"cuda"``.
    """
    if device_type == "cpu":
        keep_freed_memory()
    signals = Flag()
    with (
        nullcontext() if process.distributed else catch_signals(signals),
        process_group(process, device_type),
        determinism(args.deterministic, device_type),
        run_log(console) as log,
    ):
        yield Session(process, run_directory(args), console, log, TensorBoardLog(), signals)
