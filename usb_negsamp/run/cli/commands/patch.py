"""The command ``usb-negsamp patch``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.parser import Command, Parser

ABOUT = """\
Makes CHECKOUT, a checkout of the host's git main or of the tree of 0.3.2, load plugins and run on today's packages:
inserts lines into its train.py and eval.py, and places our configuration files in its config/. Then, in CHECKOUT:

  python train.py --c config/vat_ns3l_cifar10.yaml"""


def _declare(parser: Parser) -> None:
    parser.add_argument("checkout", nargs="?", type=Path, metavar="CHECKOUT", help="its folder")
    parser.add_argument(
        "--check",
        action="store_true",
        help="say what state CHECKOUT is in and change nothing; exit code 0 if it is patched completely, 1 if not",
    )
    parser.add_argument("--revert", action="store_true", help="take out all that was inserted and placed, to the byte")


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.checkout import patch

    if options.checkout is None or (options.check and options.revert):
        raise ConfigError("expected: usb-negsamp patch CHECKOUT [--check | --revert]")
    if options.check:
        return patch.check(options.checkout)
    patch.patch(options.checkout, revert=options.revert)
    return 0


PATCH = Command(
    name="patch",
    summary="make a checkout of the host load plugins and run on today's packages, and back",
    usage="CHECKOUT [--check | --revert]",
    about=ABOUT,
    declare=_declare,
    run=_run,
)
