"""What a patched checkout's ``train.py`` asks of us: our keys as its flags, and the values of a preset."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from usb_negsamp.run.configuration.keys import OWN_KEYS
from usb_negsamp.run.configuration.presets import apply_preset

LAUNCHER_ONLY = ("plugin", "device", "curve", "deterministic")
"""Keys of ours that only ``usb-negsamp train`` carries out."""


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add our keys to the host's parser."""
    from usb_negsamp.host import str2bool

    for key in OWN_KEYS:
        if key.name not in LAUNCHER_ONLY:
            kind = str2bool if key.type is bool else key.type
            parser.add_argument(f"--{key.name}", type=kind, default=key.default, help=key.meaning.replace("%", "%%"))


def fill_preset(args: argparse.Namespace, read_given: Callable[[argparse.Namespace, str], None]) -> None:
    """Give the keys that neither the file nor the command line gives the values of the preset, if there is one.

    Args:
        args: what the host's code reads; changed in place.
        read_given: sets what the file (its name is the second argument) and the command line give.

    Raises:
        ConfigError: no such preset, or none for this algorithm.
    """
    given = argparse.Namespace()
    read_given(given, args.c)
    vars(args).update(apply_preset(args.algorithm, vars(args), vars(given), vars(args)))
