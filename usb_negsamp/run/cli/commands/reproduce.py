"""The command ``usb-negsamp reproduce``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.commands.sweep import declare_runs, runs_of
from usb_negsamp.run.cli.parser import Command, Once, Parser, true_or_false
from usb_negsamp.run.sweep.papers.scales import SCALES

ABOUT = """\
Trains every configuration of a table or figure of a paper, with N seeds each, and prints the paper's figure beside the
measured one, and what each method adds on the same splits. Or a study: methods beside each other on data sets and
settings of a file's own, with a table for each. `usb-negsamp list tables` and `usb-negsamp list studies` show what is
there. The same command again goes on: finished runs are kept, interrupted ones resumed."""

CLOSING = """\
  --key value           any key of train, for all runs; where one makes them others than the paper's, as dataset does,
                        the rows stand under a heading of their own, without the paper's figures

A paper's table is weeks of GPU time; the configurations' headers say what is known of it. At the other scales the rows
stand under a heading that says what is changed, without the paper's figures, in a folder of their own."""

SAVE_DIR_HELP = "where the folder {} comes to be (default ./saved_models), with its results.csv and table"


def _declare(parser: Parser) -> None:
    parser.add_argument(
        "table",
        nargs="?",
        metavar="TABLE",
        help="e.g. ns3l/table1, dnll/table5 or spl/table3; one configuration, e.g. ns3l/table1_cifar10_vat_ns3l; or a "
        "study, e.g. open_set, or its file",
    )
    parser.add_argument(
        "--only",
        action=Once,
        metavar="WORD,WORD",
        help="only the configurations of these names, or with these words between the underscores of their names, e.g. "
        "cifar10,svhn_vat; of a study, the runs with these names or keys, e.g. data=usps,method=VAT,method=FixMatch",
    )
    parser.add_argument(
        "--scale",
        action=Once,
        choices=tuple(SCALES),
        help="full (default): the runs of the paper; short: its data and networks, at most 10,000 iterations a run; "
        "smoke: digits and a small network, in minutes; a study has its own size, and full is its paper's table",
    )
    parser.add_argument(
        "--dry_run",
        nargs="?",
        type=true_or_false,
        const=True,
        default=False,
        metavar="true | false",
        help="prints the commands, one a run, and trains nothing",
    )
    declare_runs(parser, f"default {', '.join(f'{scale.seeds} ({name})' for name, scale in SCALES.items())}")
    parser.add_argument(
        "--save_dir",
        metavar="DIR",
        help=SAVE_DIR_HELP.format("of the table"),
    )


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.sweep.papers.reproduce import SAVE_DIR, reproduce
    from usb_negsamp.run.sweep.studies.reproduce_study import reproduce_study
    from usb_negsamp.run.sweep.studies.study_file import find_study, read_study

    if options.table is None:
        raise ConfigError("reproduce needs a table first, e.g. ns3l/table1; usb-negsamp reproduce --help says more")
    request = runs_of(options)
    if request.config_file is not None:
        raise ConfigError("reproduce takes the table's own configurations: --c cannot be given")
    if "save_name" in request.given:
        raise ConfigError("save_name cannot be given: a table names its folders itself; give save_dir")
    table, only, within = options.table, options.only, None
    path = find_study(table)
    if path is not None:
        study = read_study(path)
        if options.scale is None:
            save_dir = Path(options.save_dir or SAVE_DIR)
            return reproduce_study(study, request, only=only, save_dir=save_dir, dry_run=options.dry_run)
        table, within = study.at_scale(options.scale)
    return reproduce(
        table,
        request,
        scale=options.scale or "full",
        only=only,
        within=within,
        save_dir=options.save_dir,
        dry_run=options.dry_run,
    )


REPRODUCE = Command(
    name="reproduce",
    summary="train a table of a paper, and show its figures beside the measured ones; or a study of methods",
    usage="TABLE [--scale NAME] [--only WORDS] [--dry_run] [--seeds N] [--jobs N] [--key value ...]",
    about=ABOUT,
    closing=CLOSING,
    declare=_declare,
    run=_run,
    takes_keys=True,
)
