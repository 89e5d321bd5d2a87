"""Ending a run where a signal came: after a step, with its state saved, all processes after the same one."""

from __future__ import annotations

import signal

import torch

from usb_negsamp.host import Hook
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.resume import save_now
from usb_negsamp.run.training.process_group import wait_for_all
from usb_negsamp.run.training.session import Session


class Interrupted(Exception):
    """The run was asked to stop, and its state is saved."""

    def __init__(self, signum: int, iterations_done: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.iterations_done = iterations_done


class InterruptionHook(Hook):
    """Ends the run after the step in which a signal came. Registered last: the step's other hooks are done.

    Several processes must leave after the same step, so there they ask each other, every ``num_log_iter`` steps.

    Args:
        session: of the run.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        """Save and raise :class:`Interrupted` if a signal came."""
        if self.session.process.distributed and not self.every_n_iters(algorithm, algorithm.num_log_iter):
            return
        leave_if_asked(self.session, algorithm, algorithm.it + 1)


def leave_if_asked(session: Session, algorithm: HostAlgorithm, iterations_done: int) -> None:
    """Save the state of ``algorithm`` and leave if a signal came. Every process must call it at the same point.

    Raises:
        Interrupted: a signal came.
    """
    signum = agreed_signal(session, algorithm)
    if signum:
        if session.process.is_main:
            save_now(algorithm)
        # The first process to leave makes torchrun end the others, so nobody leaves while one still writes.
        wait_for_all(session.process)
        raise Interrupted(signum, iterations_done)


def agreed_signal(session: Session, algorithm: HostAlgorithm) -> int:
    """Return the signal that came to any of the processes, or 0. Every process must call it at the same point."""
    if not session.process.distributed:
        return session.signals.signum
    value = torch.tensor(session.signals.signum, device=next(algorithm.model.parameters()).device)
    torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
    return int(value.item())
