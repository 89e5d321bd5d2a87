"""The logits that a training step of the host has computed anyway.

The host's algorithms keep the logits of the unlabeled views to themselves. The tape listens to the outermost forward
pass of the model and finds the rows of a view by identity of the input, or at their offset in a joined input. No pass
is added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm

View = Tensor | dict[str, Tensor]
Heads = list[Tensor] | tuple[Tensor, ...]


class Pass(NamedTuple):
    """One forward pass of a step: its input, its logits (N, K) or those of each head, and whether it has gradients."""

    input: View
    logits: Tensor | Heads
    with_grad: bool


class _Replayed:
    """An algorithm whose model has just returned ``logits``."""

    def __init__(self, algorithm: HostAlgorithm, logits: Heads) -> None:
        self._algorithm, self._logits = algorithm, logits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._algorithm, name)

    def model(self, view: View) -> dict[str, Heads]:
        return {"logits": self._logits}


def evaluated_logits(algorithm: HostAlgorithm, view: View, logits: Tensor | Heads) -> Tensor:
    """The logits (N, K) that ``algorithm`` evaluates with, of a pass of its model on ``view``.

    Several heads (the host's MultiMatch) are made one by the algorithm's own ``get_logits``, with their gradients.

    Raises:
        ConfigError: there are several heads, and the algorithm does not say which logits it evaluates with.
    """
    if isinstance(logits, Tensor):
        return logits
    get_logits = getattr(type(algorithm), "get_logits", None)
    one = None if get_logits is None else get_logits(_Replayed(algorithm, logits), {"x_lb": view}, "logits")
    if not (isinstance(one, Tensor) and one.dim() == 2):
        raise ConfigError(
            f"the network returns the logits of {len(logits)} heads: expected {type(algorithm).__name__} to have a "
            "method get_logits(data, out_key) that makes them the logits (N, K) it evaluates with, as the host's "
            "MultiMatch has, but it has none"
        )
    return one


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


class LogitsTape:
    """Records the passes of a model between :meth:`start` and :meth:`stop`.

    The offset of a view in a joined input is found once by content, and kept while the shapes and the rank of the pass
    stay the same.

    Args:
        is_teacher: whether a pass that is made now is one with averaged weights, a teacher's. Those are left out: what
            is asked for here is what the network makes of a view itself.

    Attributes:
        read_heads: makes the logits of several heads those of one, given the view and the heads.
    """

    def __init__(self, is_teacher: Callable[[], bool] = lambda: False) -> None:
        self._is_teacher = is_teacher
        self.read_heads: Callable[[View, Heads], Tensor] | None = None
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
        if not self._recording or not inputs or not isinstance(output, dict) or self._is_teacher():
            return
        logits: Any = output.get("logits")
        heads = logits if isinstance(logits, (list, tuple)) else (logits,)
        if heads and all(isinstance(head, Tensor) and head.dim() == 2 for head in heads):
            with_grad = torch.is_grad_enabled() and any(head.requires_grad for head in heads)
            self.passes.append(Pass(inputs[0], logits, with_grad))

    def _logits(self, recorded: Pass) -> Tensor:
        """Logits (M, K) of a pass. Heads are made one where they are asked for: a weight of 0 asks for nothing."""
        if isinstance(recorded.logits, Tensor):
            return recorded.logits
        if self.read_heads is None:
            raise ConfigError(
                f"expected logits of one head, or a rule that makes them one, but got {len(recorded.logits)} heads"
            )
        return self.read_heads(recorded.input, recorded.logits)

    def rows(self, view: View, name: str, *, with_grad: bool) -> Tensor | None:
        """Logits (N, K) of ``view`` in a pass of this step, or None where no pass carried it.

        Args:
            view: the tensor (or the host's dictionary of token tensors) that the train step was given.
            name: its key in the batch, under which the offset is kept.
            with_grad: whether the logits must carry a gradient.

        Raises:
            ConfigError: the pass has the logits of several heads, and nothing makes them one.
        """
        passes = [p for p in self.passes if p.with_grad or not with_grad]
        for recorded in passes:
            if recorded.input is view:
                return self._logits(recorded)
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
                return self._logits(recorded)[offset : offset + len(view)]
        return None
