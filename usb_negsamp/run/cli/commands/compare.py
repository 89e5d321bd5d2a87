"""The command ``usb-negsamp compare``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.commands.report import declare_from_files, declare_latex, declare_measure
from usb_negsamp.run.cli.parser import Command, Once, Parser, true_or_false

ABOUT = """\
Prints what differs in the configurations of runs (of the keys that affect the result), how each run stands and its
figures, and where at least two have finished, a table of their test errors: the difference to the first run's line,
paired over the label splits, with its 95% interval. Draws the curves over each other. Runs need not have finished."""


def _declare(parser: Parser) -> None:
    parser.add_argument(
        "places", nargs="*", type=Path, metavar="RUN", help="folders of runs, or sweeps and folders of runs"
    )
    parser.add_argument(
        "--out",
        action=Once,
        type=Path,
        metavar="FILE",
        help="where the curves go: a picture, .png (default compare.png in the working directory), or a page as "
        "that of report, .html",
    )
    declare_measure(parser)
    parser.add_argument(
        "--every_key",
        nargs="?",
        type=true_or_false,
        const=True,
        default=False,
        metavar="true | false",
        help="compares keys, too, that affect only by what means a run computes, or where its files lie",
    )
    declare_latex(parser)
    declare_from_files(parser)


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.report.compare import PICTURE, compare
    from usb_negsamp.run.training.console import Console

    if not options.places:
        raise ConfigError(
            "compare needs the folders of runs, e.g. saved_models/vat_digits saved_models/vat_ns3l_digits"
        )
    out = options.out or Path(PICTURE)
    compare(
        options.places,
        out,
        measure=options.measure,
        every_key=options.every_key,
        as_latex=options.latex,
        with_network=not options.from_files,
    )
    Console().line(f"usb-negsamp: wrote {out}")
    return 0


COMPARE = Command(
    name="compare",
    summary="what differs between runs, their figures, and their curves over each other",
    usage="RUN RUN ... [--out FILE] [--measure NAME] [--every_key] [--latex] [--from_files]",
    about=ABOUT,
    declare=_declare,
    run=_run,
)
