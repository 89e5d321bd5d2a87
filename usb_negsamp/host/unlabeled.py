"""Whether an algorithm of the host looks at unlabeled images at all."""

from __future__ import annotations

import inspect
from typing import Any

from usb_negsamp.host.wrapping.wrapper import UnlabeledLoop, Wrapper

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def reads_unlabeled(name: str, algorithm: type[Any]) -> bool:
    """Return whether what ``algorithm`` trains may depend on the unlabeled images; True where that cannot be told.

    Args:
        name: under which it is registered: ``fullysupervised`` takes the unlabeled images as labeled ones, by the very
            class of ``supervised``.
        algorithm: the registered class.
    """
    if name == "fullysupervised" or issubclass(algorithm, (Wrapper, UnlabeledLoop)):
        return True
    if any(hasattr(algorithm, stage) for stage in ("warmup", "finetune")):
        return True
    step: Any = algorithm.train_step
    parameters = inspect.signature(step).parameters.values()
    return any("ulb" in parameter.name or parameter.kind in _ANY for parameter in parameters)
