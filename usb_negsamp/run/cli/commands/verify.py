"""The command ``usb-negsamp verify``."""

from __future__ import annotations

import argparse

from usb_negsamp.run.cli.commands.reproduce import SAVE_DIR_HELP
from usb_negsamp.run.cli.parser import Command, Once, Parser, whole_number

ABOUT = """\
Trains configurations of the package on digits, which need no download, as they are, and sets each test error beside
the interval that the configuration's header names: whether what is installed here computes what it should. All take
about a minute each on two free cores. The same command again goes on; what this version of the package and of PyTorch
has finished is not trained again."""

CLOSING = """\
An installation that works falls outside an interval in one of a thousand runs. Exit code: 0 every result is in its
interval, 1 one is outside or a run failed, 2 the request cannot be carried out, 128 + signal when interrupted."""


def _declare(parser: Parser) -> None:
    parser.add_argument(
        "configs",
        nargs="*",
        metavar="CONFIG",
        help="names of configurations, e.g. vat_ns3l_digits; default: all whose header has an interval",
    )
    parser.add_argument(
        "--jobs", type=whole_number(1), default=1, metavar="N", help="runs at a time (default 1); they share the cores"
    )
    parser.add_argument("--device", action=Once, choices=("auto", "cpu", "cuda"), help="auto (default), cpu or cuda")
    parser.add_argument("--overwrite", action="store_true", help="trains all again")
    parser.add_argument("--save_dir", action=Once, metavar="DIR", help=SAVE_DIR_HELP.format("verify_VERSIONS"))


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.sweep.verify import verify

    return verify(
        options.configs,
        jobs=options.jobs,
        device=options.device,
        overwrite=options.overwrite,
        save_dir=options.save_dir,
    )


VERIFY = Command(
    name="verify",
    summary="train the package's digits, and set the results beside the intervals of their headers",
    usage="[CONFIG ...] [--jobs N] [--device NAME] [--overwrite] [--save_dir DIR]",
    about=ABOUT,
    closing=CLOSING,
    declare=_declare,
    run=_run,
)
