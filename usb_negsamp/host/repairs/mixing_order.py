"""The order in which MixMatch and ReMixMatch mix a batch, sent to the GPU without a wait.

What is wrong: ``algorithms/utils/ops.py`` ``mixup_one_target`` draws the order on the host and copies it from memory
that is not pinned. How it shows: the host waits for the GPU in each step. How it is mended: the order is drawn, by the
same generator, into pinned memory, and its copy is not waited for. When it may go: when the host does so.
"""

from __future__ import annotations

import ast
import inspect

import torch
from semilearn.algorithms.utils import ops

from usb_negsamp.host.patching import replace_everywhere
from usb_negsamp.host.rewriting import expression, rewritten

DRAWN = "torch.randperm(x.size(0)).to(x.device)"
PINNED = "torch.randperm(x.size(0), pin_memory=x.is_cuda).to(x.device, non_blocking=True)"


class _Pinned(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        return expression(PINNED, node) if ast.unparse(node) == DRAWN else self.generic_visit(node)


def apply() -> None:
    """Rewrite ``mixup_one_target`` wherever it is used."""
    original = ops.mixup_one_target
    replace_everywhere(original, torch.no_grad()(rewritten(inspect.unwrap(original), _Pinned())))
