"""Choices that the host does not offer: one small module an option, all applied once, in this order, after the repairs.

An option changes the host only through :mod:`usb_negsamp.host.patching`, and at its default leaves every number of a
run as the host computes it. Options read their key from the run's arguments, so that they serve a checkout of the host
with its own launcher as well, where a key that nobody gave is absent.
"""

from __future__ import annotations

from usb_negsamp.host import patching
from usb_negsamp.key import Key

ORDER: tuple[str, ...] = (
    "channels_last",
    "amp_dtype",
    "accelerate_graph",
    "accelerate_views",
    "optimizer",
    "schedule",
    "consistency_ramp",
    "batch_norm_update",
    "vat_options",
    "official_mixmatch",
    "mixed_classes",
    "open_set_evaluation",
)


def apply_all() -> None:
    """Apply every option that has not been applied in this process."""
    patching.apply_each(__name__, ORDER)


def option_keys() -> tuple[Key, ...]:
    """The keys that options add to those of one algorithm of the host."""
    from usb_negsamp.host.options.official_mixmatch import MixMatchSettings
    from usb_negsamp.host.options.vat_options import VATSettings

    return (*VATSettings.all_keys(), *MixMatchSettings.all_keys())
