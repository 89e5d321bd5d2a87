"""``open_reject`` and ``open_eval_images``: evaluation against unseen classes, wherever a run has an open-set split."""

from __future__ import annotations

import functools
from typing import Any

from semilearn.core import AlgorithmBase

from usb_negsamp.host.evaluation.open_set import HOOK_NAME, OpenSetEvaluationHook, check_rejection, open_set_of
from usb_negsamp.host.patching import replace


def apply() -> None:
    """Register the hook, between the evaluation and the logging, where the data say that classes are unseen."""
    set_hooks_of_host = AlgorithmBase.set_hooks

    @functools.wraps(set_hooks_of_host)
    def set_hooks(self: Any) -> None:
        set_hooks_of_host(self)
        data = open_set_of(self)
        if data is not None:
            check_rejection(self)
            self.register_hook(OpenSetEvaluationHook(data), HOOK_NAME, "NORMAL")

    replace(AlgorithmBase, "set_hooks", set_hooks)
