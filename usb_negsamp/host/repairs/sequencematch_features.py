"""SequenceMatch of the host's main branch (table of algorithms).

What is wrong: ``algorithms/sequencematch/sequencematch.py`` returns ``feat_dict``, which it never sets. How it shows:
NameError in the first step. How it is mended: the module has an empty ``feat_dict``; imbalance algorithms that read
features say that there are none. When it may go: when the host collects the features, or does not return them.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from usb_negsamp.host.patching import add


def sequencematch() -> ModuleType | None:
    """The module of SequenceMatch, where this host has one."""
    try:
        return importlib.import_module("semilearn.algorithms.sequencematch.sequencematch")
    except ImportError:
        return None


def apply() -> None:
    """Give the module the name that it reads."""
    module = sequencematch()
    if module is not None and "feat_dict" in module.SequenceMatch.train_step.__code__.co_names:
        add(module, "feat_dict", {})
