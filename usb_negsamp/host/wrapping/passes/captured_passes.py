"""Passes of a network that are launched at once: there and back as CUDA graphs, captured where a shape comes first.

A graph replays the very kernels that were captured, on the same memory. So each captured pass keeps its input, outputs
and gradients, and is free for the next pass only when its backward has run or its outputs have been let go; two passes
of one shape before a backward, as in VAT or MixMatch, are two captured passes. What is not as it was at the capture
(another place of the weights, a hook or a mask put on, statistics frozen) is another capture or a pass as written.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils._pytree import tree_flatten, tree_unflatten

WARM_UPS = 3
"""Passes before a capture, in which libraries choose their kernels and make what they keep."""

Work = Callable[[], Sequence[Tensor | None]]


class Recording(Protocol):
    """Work that can be repeated on the same memory."""

    tensors: Sequence[Tensor | None]
    """What the work returned; a replay fills the same ones."""

    def replay(self) -> None:
        """Do the work again."""


class GraphRecording:
    """Work on a GPU as a CUDA graph.

    Args:
        work: launches kernels alone, without a wait for the device.
        pool: memory that recordings share which are always replayed in the order of their making.
    """

    def __init__(self, work: Work, pool: Any) -> None:
        self.graph = torch.cuda.CUDAGraph()
        # The thread that pins memory for the loader goes on meanwhile.
        with torch.cuda.graph(self.graph, pool=pool, capture_error_mode="thread_local"):
            self.tensors = work()

    def replay(self) -> None:
        """Launch the graph."""
        self.graph.replay()


class CudaGraphs:
    """How work is recorded on a GPU."""

    def pool(self) -> Any:
        """Memory for the recordings of one pass."""
        return torch.cuda.graph_pool_handle()

    def record(self, work: Work, pool: Any) -> Recording:
        """Capture ``work``."""
        return GraphRecording(work, pool)

    def aside(self) -> AbstractContextManager[Any]:
        """A stream of its own for what runs before a capture."""
        torch.cuda.synchronize()
        return torch.cuda.stream(torch.cuda.Stream())  # type: ignore[no-untyped-call]


class _Token:
    """Lives as long as the graph of autograd through one use of a captured pass."""


class CapturedPass:
    """One pass of a network there and back, for inputs of one shape.

    Args:
        forward: the network's, from images to a flat list of tensors.
        parameters: that take a gradient.
        buffers: that a pass may change, and the warm-up must not.
        images: an input, which is copied.
        recorder: how work is recorded.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Sequence[Tensor]],
        parameters: Sequence[Tensor],
        buffers: Sequence[Tensor],
        images: Tensor,
        recorder: Any,
    ) -> None:
        self.parameters = tuple(parameters)
        self.images = images.detach().clone(memory_format=torch.preserve_format)
        self._in_use: weakref.ref[_Token] | None = None

        def there() -> Sequence[Tensor]:
            with torch.enable_grad():
                return forward(self.images)

        def back() -> Sequence[Tensor | None]:
            tensors = _those_there(self.there.tensors)
            outputs = [tensors[place] for place in self.with_gradient]
            return torch.autograd.grad(outputs, self.parameters, self.gradients, retain_graph=True, allow_unused=True)

        kept = [buffer.clone() for buffer in buffers]
        with _generator_as_it_is(images.device):
            with recorder.aside():
                for _ in range(WARM_UPS):
                    outputs = there()
                    differentiable = [output for output in outputs if output.requires_grad]
                    torch.autograd.grad(
                        differentiable,
                        self.parameters,
                        [torch.zeros_like(output) for output in differentiable],
                        allow_unused=True,
                    )
            pool = recorder.pool()
            self.there: Recording = recorder.record(there, pool)
            outputs = _those_there(self.there.tensors)
            self.with_gradient = [place for place, output in enumerate(outputs) if output.requires_grad]
            self.gradients = [torch.zeros_like(outputs[place]) for place in self.with_gradient]
            self.back: Recording = recorder.record(back, pool)
        for buffer, before in zip(buffers, kept, strict=True):
            # By its data: a pass that waits for its backward must not take this for a change of what it has kept.
            buffer.data.copy_(before)

    @property
    def is_free(self) -> bool:
        """Whether no backward through its last use is to come."""
        return self._in_use is None or self._in_use() is None

    def release(self) -> None:
        """Let the next pass use it."""
        self._in_use = None

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """The network's outputs, as fresh tensors."""
        token = _Token()
        self._in_use = weakref.ref(token)
        outputs: tuple[Tensor, ...] = _Replay.apply(  # type: ignore[no-untyped-call]
            self, token, images, *self.parameters
        )
        return outputs


class _Replay(torch.autograd.Function):
    """Replays a captured pass, and its backward where autograd comes back."""

    @staticmethod
    def forward(ctx: Any, captured: CapturedPass, token: _Token, images: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        ctx.captured, ctx.token = captured, token
        captured.images.copy_(images)
        captured.there.replay()
        outputs = tuple(output.detach().clone() for output in _those_there(captured.there.tensors))
        ctx.mark_non_differentiable(
            *(output for place, output in enumerate(outputs) if place not in captured.with_gradient)
        )
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        captured: CapturedPass = ctx.captured
        for static, place in zip(captured.gradients, captured.with_gradient, strict=True):
            static.copy_(gradients[place])
        captured.back.replay()
        found = captured.back.tensors
        # Copies: what becomes a parameter's ``grad`` must outlive the next replay.
        copies = [None if gradient is None else torch.empty_like(gradient) for gradient in found]
        torch._foreach_copy_(_those_there(copies), _those_there(found))
        captured.release()
        return (None, None, None, *copies)


def _those_there(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def _generator_as_it_is(device: torch.device) -> AbstractContextManager[Any]:
    """Inside the block draws are the block's own."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


class CapturedForward:
    """The ``forward`` of a network whose training passes with a gradient are replayed, and others run as written.

    As written run passes in evaluation or without gradients, of an input that takes a gradient (VAT's probe), and those
    of a network inside which a hook, a mask or a forward of an instance's own stands.

    Args:
        network: returns tensors, in a dictionary.
        recorder: how work is recorded.
    """

    def __init__(self, network: nn.Module, recorder: Any) -> None:
        self.network, self.recorder = network, recorder
        self.passes: dict[Any, list[tuple[CapturedPass, Any]]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> CapturedForward:
        return CapturedForward(memo[id(self.network)], self.recorder)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Return the network's outputs."""
        if options or len(inputs) != 1 or not self._can_be_replayed(inputs[0]):
            return self._as_written(*inputs, **options)
        images: Tensor = inputs[0]
        captured, shape_of_outputs = self._free_pass(images)
        return tree_unflatten(list(captured(images)), shape_of_outputs)

    def _as_written(self, *inputs: Any, **options: Any) -> Any:
        return type(self.network).forward(self.network, *inputs, **options)

    def _can_be_replayed(self, images: Any) -> bool:
        return (
            isinstance(images, Tensor)
            and not images.requires_grad
            and self.network.training
            and torch.is_grad_enabled()
            and is_plain(self.network)
        )

    def _free_pass(self, images: Tensor) -> tuple[CapturedPass, Any]:
        kind = images.device.type
        precision = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        key = (images.shape, images.stride(), images.dtype, precision, structure_of(self.network))
        passes = self.passes.setdefault(key, [])
        for captured, shape_of_outputs in passes:
            if captured.is_free:
                return captured, shape_of_outputs
        shapes: list[Any] = []

        def forward(images: Tensor) -> Sequence[Tensor]:
            # A graph casts the weights anew in each replay; copies that were kept would be those of the capture.
            with torch.autocast(kind, dtype=precision, enabled=precision is not None, cache_enabled=False):
                tensors, shape = tree_flatten(self._as_written(images))
            shapes.append(shape)
            return tensors

        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        captured = CapturedPass(forward, parameters, list(self.network.buffers()), images, self.recorder)
        passes.append((captured, shapes[-1]))
        return passes[-1]


def structure_of(network: nn.Module) -> tuple[Any, ...]:
    """What decides which kernels a pass launches, beside its input: layers, their modes, and where the tensors are."""
    layers = tuple(
        (type(layer), layer.training, getattr(layer, "track_running_stats", None), getattr(layer, "momentum", None))
        for layer in network.modules()
    )
    places = (tensor.data_ptr() for tensors in (network.parameters(), network.buffers()) for tensor in tensors)
    return (*layers, *places)


def is_plain(network: nn.Module) -> bool:
    """Whether no layer inside has a hook, a parametrization or a forward of its own, which Python has to run."""
    return not any(
        layer._forward_hooks
        or layer._forward_pre_hooks
        or "parametrizations" in layer._modules
        or "forward" in vars(layer)
        for layer in network.modules()
        if layer is not network
    )
