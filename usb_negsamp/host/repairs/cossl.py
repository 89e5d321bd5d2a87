"""CoSSL on labels that are as many in each class, and beside the timer of ``step_timer``.

What is wrong: ``imb_algorithms/cossl`` joins the features that it makes for rarer classes, of which evenly drawn labels
have none; its update of the weights reads the events of the host's timer and waits for the GPU; it takes the largest
entry of a label, a number, for the label, so that all classes are mixed with the probability of the first; loaders of
whole batches have none where there are fewer samples. How it shows: ValueError (``torch.cat`` of nothing) before the
first step; AttributeError (``end_run``) in it, or two waits a step; StopIteration. How it is mended: there may be
nothing to join; the update reads no timer; the label is taken as it is; too few samples are refused before anything is
trained. When it may go: when the host does so.
"""

from __future__ import annotations

import ast
import functools
from typing import Any

import numpy as np
from semilearn.imb_algorithms.cossl import cossl
from semilearn.imb_algorithms.cossl import utils as warm_up

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.patching import replace
from usb_negsamp.host.rewriting import expression, rewritten

_JOINED = {
    "torch.cat(augment_features, dim=0)": "torch.cat([labeled_feature_stack[:0], *augment_features], dim=0)",
    "torch.cat(augment_targets, dim=0)": "torch.cat([torch.zeros(0, num_classes), *augment_targets], dim=0)",
}
_TIMED = ("algorithm.end_run.record()", "torch.cuda.synchronize()")


class _PerhapsNothing(ast.NodeTransformer):
    """Lets what is joined be nothing."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        joined = _JOINED.get(ast.unparse(node))
        return node if joined is None else expression(joined, node)


class _WithoutTimer(ast.NodeTransformer):
    """Leaves out what reads the timer's events: the hooks of timing and logging keep the same figures."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if ast.unparse(node) in _TIMED else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if ast.unparse(node.targets[0]).startswith("algorithm.log_dict[") else node


class _LabelItself(ast.NodeTransformer):
    """Writes ``label_x`` for ``label_x.argmax()``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return expression("label_x", node) if ast.unparse(node) == "label_x.argmax()" else node


def check_numbers(args: Any, counts: np.ndarray, num_unlabeled: int) -> None:
    """Refuse what leaves a loader of CoSSL without a batch.

    Args:
        args: of the run.
        counts: labeled images of each class, (K,).
        num_unlabeled: unlabeled images.

    Raises:
        ConfigError: the first that is wrong.
    """
    if not counts.all():
        raise ConfigError(
            f"imb_algorithm cossl: expected labeled images of every class, but class {int(counts.argmin())} has none"
        )
    balanced = len(counts) * int(counts.max())
    unlabeled = args.cossl_tfe_u_ratio * args.batch_size
    for key, size, number, what in (
        ("batch_size", args.batch_size, int(counts.sum()), "the labeled images"),
        ("cossl_tfe_u_ratio * batch_size", unlabeled, num_unlabeled, "the unlabeled images"),
        ("cossl_tfe_warm_bs", args.cossl_tfe_warm_bs, balanced, "as many features of each class as of the largest"),
    ):
        if size > number:
            raise ConfigError(f"{key}: expected at most {number} with cossl, {what}, but got {size}")


def apply() -> None:
    """Rewrite three functions of CoSSL, and check before its loaders are made."""
    replace(warm_up, "TFE", rewritten(warm_up.TFE, _PerhapsNothing()))
    update = cossl.CoSSLParamUpdateHook
    replace(update, "after_train_step", rewritten(update.after_train_step, _WithoutTimer()))
    replace(cossl.CoSSL, "train_step", rewritten(cossl.CoSSL.train_step, _LabelItself()))
    original = cossl.CoSSL.set_data_loader

    @functools.wraps(original)
    def set_data_loader(self: Any) -> Any:
        counts = np.bincount(self.dataset_dict["train_lb"].targets, minlength=self.num_classes)
        check_numbers(self.args, counts, len(self.dataset_dict["train_ulb"]))
        return original(self)

    replace(cossl.CoSSL, "set_data_loader", set_data_loader)
