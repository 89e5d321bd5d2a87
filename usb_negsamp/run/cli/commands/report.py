"""The command ``usb-negsamp report``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.parser import PROGRAM, Command, Once, Parser
from usb_negsamp.run.report.measures import MEASURES

USAGE = """\
RUN_OR_SWEEP ... [--by KEY,KEY] [--baseline NAME] [--measure NAME] [--also KEY,KEY]
                          [--markdown FILE] [--update FILE --table NAME]"""

ABOUT = """\
Prints tables computed from the rows of results.csv: mean ± standard deviation of the test error over label splits, n,
and the selection rule. A place is a run, a sweep, a folder of those, or a results.csv. Runs of different protocols
(data, labels, network, iterations, batches) get a table each."""


def _declare(parser: Parser) -> None:
    parser.add_argument("places", nargs="*", metavar="RUN_OR_SWEEP", help="what to make tables of")
    parser.add_argument(
        "--by",
        action=Once,
        metavar="KEY,KEY",
        help="the columns that name a line; default: algorithm, and what a sweep varied",
    )
    parser.add_argument(
        "--baseline",
        action=Once,
        metavar="NAME",
        help="adds each line's difference to this one, paired over the label splits, with its 95%% interval; NAME is a "
        "value of the first column, or KEY=VALUE,KEY=VALUE",
    )
    parser.add_argument(
        "--measure",
        action=Once,
        choices=tuple(measure.name for measure in MEASURES),
        metavar="NAME",
        help="best: the model that was best on validation; last: the last model; median: over the last "
        "num_last_evaluations evaluations; end: the network that SPL leaves, else the last model; default: best where "
        "every run has it, else last",
    )
    parser.add_argument(
        "--also",
        action=Once,
        metavar="KEY,KEY",
        help="further columns of numbers, e.g. open_auroc,pool_auroc,mismatch of runs on open-set splits, whose "
        "mismatch_ratio is a column for --by, and else tells tables apart",
    )
    parser.add_argument("--markdown", action=Once, type=Path, metavar="FILE", help="writes the tables there")
    parser.add_argument(
        "--update",
        action=Once,
        type=Path,
        metavar="FILE",
        help="with --table NAME: replaces what is between <!-- table NAME --> and <!-- /table --> in FILE",
    )
    parser.add_argument("--table", action=Once, metavar="NAME", help="which table of the FILE of --update")


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.report.report import Destination, report

    if not options.places:
        raise ConfigError(
            "report needs a run, a sweep, or a results.csv, e.g. usb-negsamp report saved_models/my_sweep"
        )
    if (options.update is None) != (options.table is None):
        raise ConfigError("--update FILE and --table NAME belong together")
    report(
        options.places,
        by=_columns("by", options.by),
        baseline=options.baseline,
        measure=options.measure,
        also=_columns("also", options.also) or [],
        to=Destination(
            options.markdown, options.update, options.table, shlex.join([PROGRAM, "report", *options.words])
        ),
    )
    return 0


def _columns(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    columns = [name.strip().replace("-", "_") for name in text.split(",")]
    if not all(columns) or len(set(columns)) < len(columns):
        raise ConfigError(f"--{option}: expected different columns, separated by commas, but got {text!r}")
    return columns


REPORT = Command(
    name="report",
    summary="tables of test errors, computed from results.csv",
    usage=USAGE,
    about=ABOUT,
    declare=_declare,
    run=_run,
)
