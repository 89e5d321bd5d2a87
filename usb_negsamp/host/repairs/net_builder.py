"""Which networks there are (V20).

What is wrong: ``core/utils/build.py`` ``get_net_builder`` returns None for an unknown torchvision name, takes any
attribute of ``semilearn.nets`` (``utils``, say) for a builder, and hands out torchvision's builders, which do not take
the ``pretrained_path`` that the host passes. How it shows: AttributeError without a suggestion; TypeError for every
``net_from_name``. How it is mended: our networks are looked up first, torchvision's are adapted, then the host's; an
unknown name is answered with the nearest. When it may go: when the host has a registry of networks.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import semilearn.nets
from semilearn.core.utils import build

from usb_negsamp.errors import unknown
from usb_negsamp.host.patching import replace_everywhere


def host_names() -> list[str]:
    """Names of the networks in ``semilearn.nets``: the host's, and those a user put there as its documentation asks."""
    public = {name: value for name, value in vars(semilearn.nets).items() if not name.startswith("_")}
    return sorted(name for name, value in public.items() if callable(value) and not inspect.ismodule(value))


def apply() -> None:
    """Replace ``get_net_builder``."""
    original = build.get_net_builder

    @functools.wraps(original)
    def get_net_builder(net_name: str, from_name: bool = False) -> Any:
        from usb_negsamp import nets

        builder = nets.find_builder(net_name)
        if builder is not None:
            return builder
        if from_name:
            from usb_negsamp.nets.torchvision_net import torchvision_builder

            return torchvision_builder(net_name)
        if net_name in host_names():
            return original(net_name, from_name)
        raise unknown("net", net_name, {*host_names(), *nets.NETS})

    replace_everywhere(original, get_net_builder)
