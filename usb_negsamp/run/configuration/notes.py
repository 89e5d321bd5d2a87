"""Lines on keys that are right but do nothing where the user may think that they do."""

from __future__ import annotations

from collections.abc import Collection

APART = ("vat", "pimodel", "pseudolabel", "meanteacher")
"""Algorithms of the host whose step passes labeled and unlabeled images through the network apart, whatever use_cat."""


def notes_on(algorithm: str, given: Collection[str]) -> list[str]:
    """Return the notes on the keys that are ``given`` for a run of ``algorithm``.

    >>> notes_on("vat_ns3l", ["use_cat"])[0][:37]
    'use_cat has no effect in vat_ns3l: th'
    >>> notes_on("fixmatch_ns3l", ["use_cat"]), notes_on("vat", [])
    ([], [])
    """
    from usb_negsamp.algorithms import WRAPPERS
    from usb_negsamp.run.configuration.presets import split_name

    base, _ = split_name(algorithm, WRAPPERS)
    if "use_cat" in given and base in APART:
        return [
            f"use_cat has no effect in {algorithm}: the host's {base} passes labeled and unlabeled images through the "
            "network apart, where the code of Oliver et al. (2018) passes them as one batch"
        ]
    return []
