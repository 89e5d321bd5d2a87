"""Evaluation that stands missing classes, and a test figure that is the best model's (V18, B2, B3, B13).

What is wrong: ``core/algorithmbase.py`` ``evaluate`` needs ``self.ema`` (None before training) and, on git main, calls
top-5 accuracy without the class list. ``core/hooks/evaluation.py`` loads the best checkpoint into the live training
state but evaluates with the last average of the weights, and never saves a best model while the accuracy is zero. How
it shows: ValueError on two classes or on an evaluation set that lacks one; ``test/best_acc`` is the last model's; a
run that starts at zero accuracy dies at its end; ``finetune()`` starts from a mixture of states. How it is mended:
metrics over the K classes with labels outside 0..K-1 left out; the first evaluation counts as the best so far; the
best checkpoint's averaged weights are evaluated in place and the live state put back. ``results_dict`` has the last
model's figures too. When it may go: when the host evaluates a copy.
"""

from __future__ import annotations

from semilearn.core import AlgorithmBase
from semilearn.core import hooks as host_hooks

from usb_negsamp.host.evaluation.hook import EvaluationHook
from usb_negsamp.host.evaluation.networks import evaluate
from usb_negsamp.host.patching import replace, replace_everywhere


def apply() -> None:
    """Replace ``AlgorithmBase.evaluate`` and ``EvaluationHook``."""
    replace(AlgorithmBase, "evaluate", evaluate)
    replace_everywhere(host_hooks.EvaluationHook, EvaluationHook)
