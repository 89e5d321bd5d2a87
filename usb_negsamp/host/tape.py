"""The logits that a training step of the host has computed anyway.

The host's algorithms keep the logits of the unlabeled views to themselves. The tape listens to the outermost forward
pass of the model and finds the rows of a view by identity of the input, or at their offset in a joined input. No pass
is added.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

View = Tensor | dict[str, Tensor]


class Pass(NamedTuple):
    """One forward pass of a step: its input, its logits (N, K), and whether gradients were recorded."""

    input: View
    logits: Tensor
    with_grad: bool


def find_rows(joined: Tensor, view: Tensor) -> int | None:
    """First row of ``joined`` (M, ...) from which the N rows of ``view`` (N, ...) follow in order, or None.

    >>> find_rows(torch.tensor([[1.], [2.], [3.], [2.]]), torch.tensor([[2.], [3.]]))
    1
    """
    if joined.shape[1:] != view.shape[1:] or len(joined) < len(view) or joined.dtype != view.dtype:
        return None
    candidates = (joined.flatten(1) == view[:1].flatten(1)).all(1).nonzero().flatten().tolist()
    for start in candidates:
        if start + len(view) <= len(joined) and torch.equal(joined[start : start + len(view)], view):
            return int(start)
    return None


class Tape:
    """Records the passes of a model between :meth:`start` and :meth:`stop`.

    The offset of a view in a joined input is found once by content, and kept while the shapes and the rank of the pass
    stay the same.
    """

    def __init__(self) -> None:
        self.passes: list[Pass] = []
        self._recording = False
        self._model: nn.Module | None = None
        self._handle: Any = None
        self._offsets: dict[tuple[Any, ...], int | None] = {}

    def attach(self, model: nn.Module) -> None:
        """Listen to ``model``, the outermost module (the parallel wrapper where there is one)."""
        if model is self._model:
            return
        if self._handle is not None:
            self._handle.remove()
        self._model = model
        self._handle = model.register_forward_hook(self._record)

    def start(self) -> None:
        """Begin a step with an empty tape."""
        self.passes.clear()
        self._recording = True

    def stop(self) -> None:
        """End the step and let go of its graph."""
        self.passes.clear()
        self._recording = False

    def _record(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not self._recording or not inputs or not isinstance(output, dict):
            return
        logits = output.get("logits")
        if isinstance(logits, Tensor) and logits.dim() == 2:
            self.passes.append(Pass(inputs[0], logits, torch.is_grad_enabled() and logits.requires_grad))

    def rows(self, view: View, name: str, *, with_grad: bool) -> Tensor | None:
        """Logits (N, K) of ``view`` in a pass of this step, or None where no pass carried it.

        Args:
            view: the tensor (or the host's dictionary of token tensors) that the train step was given.
            name: its key in the batch, under which the offset is kept.
            with_grad: whether the logits must carry a gradient.
        """
        passes = [p for p in self.passes if p.with_grad or not with_grad]
        for recorded in passes:
            if recorded.input is view:
                return recorded.logits
        if not isinstance(view, Tensor):
            return None
        for rank, recorded in enumerate(passes):
            if not isinstance(recorded.input, Tensor) or len(recorded.input) <= len(view):
                continue
            key = (name, with_grad, rank, recorded.input.shape, view.shape)
            if key not in self._offsets:
                self._offsets[key] = find_rows(recorded.input, view)
            offset = self._offsets[key]
            if offset is not None:
                return recorded.logits[offset : offset + len(view)]
        return None
