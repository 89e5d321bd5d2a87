"""Networks with the host's contract (see :mod:`usb_negsamp.nets.contract`), and how a name leads to one.

timm and torchvision are imported only when a name asks for them.
"""

from __future__ import annotations

from collections.abc import Callable

from usb_negsamp.nets.cnn3 import cnn3
from usb_negsamp.nets.cnn13 import cnn13
from usb_negsamp.nets.contract import ContractNet
from usb_negsamp.nets.fast_cnn import fast_cnn
from usb_negsamp.nets.heads import Heads, with_heads
from usb_negsamp.nets.small_cnn import small_cnn

__all__ = ["NETS", "ContractNet", "Heads", "cnn3", "cnn13", "fast_cnn", "find_builder", "small_cnn", "with_heads"]

NETS: dict[str, Callable[..., ContractNet]] = {
    "cnn3": cnn3,
    "cnn13": cnn13,
    "small_cnn": small_cnn,
    "fast_cnn": fast_cnn,
}
"""Our networks by name; each builder takes ``pretrained``, ``pretrained_path``, ``num_classes``, as the host's do."""


def find_builder(name: str) -> Callable[..., ContractNet] | None:
    """Return the builder for ``name``: one of :data:`NETS`, ``timm:NAME`` or ``torchvision:NAME``; None for any other.

    Raises:
        ConfigError: timm or torchvision has no model ``NAME``; the message names the nearest one.
    """
    family, colon, model = name.partition(":")
    if colon and family == "timm":
        from usb_negsamp.nets.timm_net import timm_builder

        return timm_builder(model)
    if colon and family == "torchvision":
        from usb_negsamp.nets.torchvision_net import torchvision_builder

        return torchvision_builder(model)
    return NETS.get(name)
