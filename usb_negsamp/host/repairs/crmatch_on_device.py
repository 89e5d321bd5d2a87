"""CRMatch without waiting for the GPU.

What is wrong: ``algorithms/crmatch/crmatch.py`` makes the targets of its cosine loss on the host in each step and
copies them by ``.cuda(gpu)``. How it shows: a wait a step. How it is mended: they are made on the device. When it may
go: when the host makes them there.
"""

from __future__ import annotations

import ast

from semilearn.algorithms.crmatch.crmatch import CRMatch

from usb_negsamp.host.patching import replace
from usb_negsamp.host.rewriting import expression, rewritten

_MADE_ON_THE_HOST = (
    "torch.ones(logits_ds_s.size(0)).float().cuda(self.gpu)",
    "torch.ones(logits_ds_s.size(0)).float().to(self.device)",
)


class _MadeOnTheDevice(ast.NodeTransformer):
    """Writes ``torch.ones(n, device=...)`` for the copy of ``torch.ones(n).float()``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node) in _MADE_ON_THE_HOST:
            return expression("torch.ones(logits_ds_s.size(0), device=logits_ds_s.device)", node)
        return self.generic_visit(node)


def apply() -> None:
    """Rewrite the step."""
    replace(CRMatch, "train_step", rewritten(CRMatch.train_step, _MadeOnTheDevice()))
