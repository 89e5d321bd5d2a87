"""A hook that takes the place of another (B5).

What is wrong: ``core/algorithmbase.py`` ``register_hook`` keeps both hooks of a name, and the one of lower priority
wins. How it shows: a hook registered again with a higher priority is silently ignored; CReST's LoggingHook, which reads
an attribute that does not exist, has never run. How it is mended: the last hook of a name stays, where the first one
was if their priorities agree; CReST's logging says its generation and logs as its base class does. When it may go: when
the host removes the old hook.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from typing import Any

from semilearn.core import AlgorithmBase
from semilearn.core.hooks import LoggingHook
from semilearn.imb_algorithms.crest import crest
from semilearn.imb_algorithms.crest.utils import CReSTLoggingHook

from usb_negsamp.host.patching import replace


def keep_last(hooks: list[Any], last: Any) -> list[Any]:
    """Return ``hooks`` without the others of the name of ``last``, which takes their place if the priorities agree."""
    others = [hook for hook in hooks if hook.name == last.name and hook is not last]
    equal = [hook for hook in others if hook.priority == last.priority]
    kept = []
    for hook in hooks:
        if equal and hook is equal[0]:
            kept.append(last)
        elif hook not in others and not (equal and hook is last):
            kept.append(hook)
    return kept


def apply() -> None:
    """Wrap ``AlgorithmBase.register_hook``; replace the method of CReST's LoggingHook that cannot run."""
    original = AlgorithmBase.register_hook

    @functools.wraps(original)
    def register_hook(self: Any, hook: Any, name: str | None = None, priority: Any = "NORMAL") -> None:
        original(self, hook, name, priority)
        self._hooks = keep_last(self._hooks, hook)
        self.hooks_dict = OrderedDict((registered.name, registered) for registered in self._hooks)

    replace(AlgorithmBase, "register_hook", register_hook)

    def after_train_step(self: Any, algorithm: crest.CReST) -> None:
        if self.every_n_iters(algorithm, algorithm.num_eval_iter) and algorithm.rank == 0:
            algorithm.print_fn(f"generation {algorithm.gen + 1} of {algorithm.num_gens}")
        LoggingHook.after_train_step(self, algorithm)

    if "tb_dict" in CReSTLoggingHook.after_train_step.__code__.co_names:
        replace(CReSTLoggingHook, "after_train_step", after_train_step)
