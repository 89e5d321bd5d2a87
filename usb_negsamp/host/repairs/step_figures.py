"""Figures of a step that stay on the GPU until they are logged.

What is wrong: the ``train_step`` of every algorithm in ``algorithms`` and ``imb_algorithms`` takes ``.item()`` of its
losses for ``log_dict``. How it shows: three to six waits for the GPU between the forward pass and the backward pass of
each step, of which one in ``num_log_iter`` is ever looked at. How it is mended: there the tensors themselves are kept,
without their graph; at the iterations that are logged they are read, all in one copy, before ``LoggingHook`` and those
that follow it look at them. When it may go: when the host's steps do so.
"""

from __future__ import annotations

import ast
import functools
from contextlib import suppress
from typing import Any

import torch
from semilearn.core import hooks as host_hooks
from semilearn.core.utils import ALGORITHMS, IMB_ALGORITHMS
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.expected.fit import DoesNotFit
from usb_negsamp.host.patching import replace
from usb_negsamp.host.rewriting import rewritten


class KeptFigures(ast.NodeTransformer):
    """Writes ``x.detach()`` for ``x.item()`` where a figure goes into ``log_dict``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Attribute) and node.func.attr == "process_log_dict":
            for figure in node.keywords:
                self._keep(figure.value)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        match node.targets:
            case [ast.Subscript(value=ast.Name(id="log_dict"))]:
                self._keep(node.value)
        return self.generic_visit(node)

    def _keep(self, figure: ast.expr) -> None:
        match figure:
            case ast.Call(func=ast.Attribute(attr="item"), args=[], keywords=[]):
                figure.func.attr = "detach"  # type: ignore[attr-defined]


def read_together(log_dict: dict[str, Any]) -> None:
    """Put numbers into ``log_dict`` for its tensors of one value: one wait for all of a kind of number."""
    kinds: dict[tuple[torch.dtype, torch.device], list[str]] = {}
    for name, value in log_dict.items():
        if isinstance(value, Tensor) and value.numel() == 1:
            kinds.setdefault((value.dtype, value.device), []).append(name)
    for names in kinds.values():
        figures = torch.stack([log_dict[name].detach().reshape(()) for name in names])
        log_dict.update(zip(names, figures.tolist(), strict=True))


def apply() -> None:
    """Rewrite the steps of the host's algorithms, and let ``LoggingHook`` read what they leave."""
    for registry in (ALGORITHMS, IMB_ALGORITHMS):
        for algorithm in [registry[name] for name in registry.keys()]:  # noqa: SIM118
            step = vars(algorithm).get("train_step")
            if step is None or not algorithm.__module__.startswith("semilearn."):
                continue
            with suppress(DoesNotFit):  # no figure is taken there
                replace(algorithm, "train_step", rewritten(step, KeptFigures()))

    original = host_hooks.LoggingHook.after_train_step

    @functools.wraps(original)
    def after_train_step(self: Any, algorithm: HostAlgorithm) -> None:
        if any(self.every_n_iters(algorithm, every) for every in (algorithm.num_log_iter, algorithm.num_eval_iter)):
            read_together(algorithm.log_dict)
        original(self, algorithm)

    replace(host_hooks.LoggingHook, "after_train_step", after_train_step)
