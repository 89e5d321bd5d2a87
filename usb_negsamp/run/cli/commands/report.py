"""The command ``usb-negsamp report``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.parser import PROGRAM, Command, Once, Parser, true_or_false
from usb_negsamp.run.report.measures import MEASURES

USAGE = """\
RUN_OR_SWEEP ... [--by KEY,KEY] [--baseline NAME] [--measure NAME] [--also KEY,KEY]
                          [--markdown FILE] [--update FILE --table NAME] [--latex] [--out FILE] [--page false]
                          [--from_files]"""

ABOUT = """\
Prints tables computed from the rows of results.csv: mean ± standard deviation of the test error over label splits, n,
and the selection rule. A place is a run, a sweep, a folder of those, or a results.csv. Runs of different protocols
(data, labels, network, iterations, batches) get a table each.

Where a place is the folder of a run, finished or not, a page of HTML is written, too, in one file that needs no
network: curves, confusion matrix, negatives, calibration, unseen classes, features, examples, the manifest, the command
that runs it again. It is RUN/report.html, or report.html in the working directory for several places. With --out FILE
the runs of sweeps and folders are on it, too. A file that is no such page is never replaced."""


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
    declare_measure(parser)
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
    declare_latex(parser)
    parser.add_argument("--out", action=Once, type=Path, metavar="FILE", help="writes the page there")
    parser.add_argument(
        "--page",
        type=true_or_false,
        default=True,
        metavar="true | false",
        help="whether to write the page (default true)",
    )
    declare_from_files(parser)


def declare_measure(parser: Parser) -> None:
    """Declare by which rule the test error is taken."""
    parser.add_argument(
        "--measure",
        action=Once,
        choices=tuple(measure.name for measure in MEASURES),
        metavar="NAME",
        help="best: the model that was best on validation; last: the last model; median: over the last "
        "num_last_evaluations evaluations; end: the network that SPL leaves, else the last model; default: best where "
        "every run has it, else last",
    )


def declare_latex(parser: Parser) -> None:
    """Declare in which form tables are printed."""
    parser.add_argument(
        "--latex",
        nargs="?",
        type=true_or_false,
        const=True,
        default=False,
        metavar="true | false",
        help="prints the tables of test errors as LaTeX, for the package booktabs",
    )


def declare_from_files(parser: Parser) -> None:
    """Declare whether data and networks are read for a page."""
    parser.add_argument(
        "--from_files",
        nargs="?",
        type=true_or_false,
        const=True,
        default=False,
        metavar="true | false",
        help="the page says only what the runs' files say: data and networks, which may take a while, are not read",
    )


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.report.report import Destination, report
    from usb_negsamp.run.training.console import Console

    if not options.places:
        raise ConfigError(
            "report needs a run, a sweep, or a results.csv, e.g. usb-negsamp report saved_models/my_sweep"
        )
    if (options.update is None) != (options.table is None):
        raise ConfigError("--update FILE and --table NAME belong together")
    console = Console()
    runs, path = _page(options)
    # Runs that have not finished have a page, but no row.
    without = [] if path is None else [place for place in options.places if _is_unfinished(Path(place))]
    for place in without:
        console.line(f"usb-negsamp: {place} has not finished: it stands in no table")
    places = [place for place in options.places if place not in without]
    if places:
        report(
            places,
            by=_columns("by", options.by),
            baseline=options.baseline,
            measure=options.measure,
            also=_columns("also", options.also) or [],
            to=Destination(
                options.markdown, options.update, options.table, shlex.join([PROGRAM, "report", *options.words])
            ),
            as_latex=options.latex,
        )
    if path is not None:
        from usb_negsamp.run.report.page.write import write_page

        write_page(runs, path, with_network=not options.from_files)
        console.line(f"usb-negsamp: wrote {path}")
    return 0


def _page(options: argparse.Namespace) -> tuple[list[Path], Path | None]:
    """The runs of the page, and its file; no file where none is to be written."""
    from usb_negsamp.run.report.page.facts import is_run, runs_in
    from usb_negsamp.run.report.page.write import destination

    places = [Path(place) for place in options.places]
    if not options.page:
        if options.out is not None:
            raise ConfigError("--out FILE is where the page goes, which --page false does not write")
        return [], None
    runs = [run for place in places for run in (runs_in(place) if options.out else [place] if is_run(place) else [])]
    if not runs:
        if options.out is not None:
            raise ConfigError(f"{', '.join(options.places)}: expected the folder of a run for the page, but found none")
        return [], None
    return runs, destination(places, options.out)


def _is_unfinished(place: Path) -> bool:
    """Whether a place holds runs, but no row of any."""
    from usb_negsamp.run.records.results import has_rows
    from usb_negsamp.run.report.page.facts import runs_in

    return bool(runs_in(place)) and not has_rows(place)


def _columns(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    columns = [name.strip().replace("-", "_") for name in text.split(",")]
    if not all(columns) or len(set(columns)) < len(columns):
        raise ConfigError(f"--{option}: expected different columns, separated by commas, but got {text!r}")
    return columns


REPORT = Command(
    name="report",
    summary="tables of test errors, and a page of what happened in runs",
    usage=USAGE,
    about=ABOUT,
    declare=_declare,
    run=_run,
)
