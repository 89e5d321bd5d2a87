"""What each of two coupled networks gives: its logits of a view, by its own weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.host.tape import Pass, Tape, View
from usb_negsamp.host.wrapping import Wrapper


class MemberTape(Tape):
    """A tape that knows which passes were made with averaged weights, i.e. were a teacher's."""

    def __init__(self, algorithm: Any) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._own: list[Pass] = []

    def start(self) -> None:
        super().start()
        self._own.clear()

    def stop(self) -> None:
        super().stop()
        self._own.clear()

    def _record(self, module: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        before = len(self.passes)
        super()._record(module, inputs, output)
        averaged = self._algorithm.ema is not None and bool(self._algorithm.ema.backup)
        if not averaged:
            self._own.extend(self.passes[before:])

    def own_rows(self, view: View, name: str, *, with_grad: bool) -> Tensor | None:
        """As :meth:`rows`, from the passes of the network's own weights alone."""
        everything, self.passes = self.passes, self._own
        try:
            return self.rows(view, f"{name} by own weights", with_grad=with_grad)
        finally:
            self.passes = everything


class Member(Wrapper):
    """One of two networks."""

    tape: Tape

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        super().__init__(args, *rest, **kwargs)
        tape = MemberTape(self)
        tape.read_heads = self.tape.read_heads
        self.tape = tape

    def own_logits(self, view: str, *, with_grad: bool) -> Tensor:
        """Logits (N, K) of the batch's ``view`` by the network's own weights.

        From the base's passes, or from one more, which leaves running statistics alone. Without ``with_grad`` they
        carry no gradient.
        """
        assert isinstance(self.tape, MemberTape)
        rows = self.tape.own_rows(self.batch[view], view, with_grad=with_grad)
        with torch.set_grad_enabled(with_grad):
            logits = self.logits_of_extra_pass(view) if rows is None else rows
        return logits if with_grad else logits.detach()
