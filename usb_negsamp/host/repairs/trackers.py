"""Runs that Aim and Weights & Biases follow.

What is wrong: ``core/hooks/aim.py`` stores all of ``args`` as the run's parameters, where a data loader of this package
or of a third party may have left what Aim has no form for, and leaves its run open; ``core/hooks/wandb.py`` and it let
whatever the tracker raises through. How it shows: ``use_aim: True`` ends in ``TypeError: Unhandled non-native value``,
and a tracker without a key, or without a network, in a traceback of its own. How it is mended: Aim gets the arguments
that are numbers, texts, or lists of these; its run is closed; a tracker that cannot start is one line, before the first
step. When it may go: when the host picks what it stores.
"""

from __future__ import annotations

import functools
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from semilearn.core.hooks import AimHook, WANDBHook

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.patching import replace

_PLAIN = (bool, int, float, str, type(None))


def plain_arguments(args: Namespace) -> Namespace:
    """The arguments that are numbers, texts or none, or lists of these.

    >>> plain_arguments(Namespace(lr=0.1, seen=[1, "cat"], record=object()))
    Namespace(lr=0.1, seen=[1, 'cat'])
    """

    def is_plain(value: Any) -> bool:
        return isinstance(value, _PLAIN) or (isinstance(value, (list, tuple)) and all(map(is_plain, value)))

    return Namespace(**{name: value for name, value in vars(args).items() if is_plain(value)})


@contextmanager
def _with_plain_arguments(algorithm: Any) -> Iterator[None]:
    args, algorithm.args = algorithm.args, plain_arguments(algorithm.args)
    try:
        yield
    finally:
        algorithm.args = args


def starting(key: str, start: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """``start``, the ``before_run`` of the hook that ``key`` asks for; a tracker that cannot start is one line."""

    @functools.wraps(start)
    def before_run(self: Any, algorithm: Any) -> None:
        try:
            with _with_plain_arguments(algorithm):
                start(self, algorithm)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"{key}: expected a tracker that can start, but it says {reason}") from error

    return before_run


def _close(self: Any, algorithm: Any) -> None:
    """Write what is left, and let other processes open the run."""
    self.run.close()


def apply() -> None:
    """Replace ``before_run`` of both hooks, and add ``after_run`` to Aim's."""
    replace(AimHook, "before_run", starting("use_aim", AimHook.before_run))
    replace(AimHook, "after_run", _close)
    replace(WANDBHook, "before_run", starting("use_wandb", WANDBHook.before_run))
