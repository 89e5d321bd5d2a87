"""Our configuration keys as the host's argument definitions."""

from __future__ import annotations

from semilearn.algorithms.utils import SSL_Argument, str2bool

from usb_negsamp.key import Key


def host_argument(key: Key) -> SSL_Argument:
    """The host's definition of ``key``, as an algorithm's ``get_argument()`` returns it."""
    return SSL_Argument(f"--{key.name}", str2bool if key.type is bool else key.type, key.default, key.meaning)
