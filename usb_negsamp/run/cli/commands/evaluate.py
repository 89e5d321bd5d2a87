"""The command ``usb-negsamp eval``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.finished_run_options import add_model
from usb_negsamp.run.cli.parser import Command, Parser, true_or_false
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.finished_runs.evaluate import evaluate

ABOUT = """\
Evaluates the averaged weights that a run has saved, on its own validation and test images: accuracy, balanced accuracy,
precision, recall and F1, and on an open-set split how well unseen classes are told apart. Writes nothing."""

CLOSING = """\
  --key value           where and how to evaluate: data_dir, labeled_dir, unlabeled_dir, labels_csv, skip_bad,
                        lazy_images, decoded_dir, device, gpu, eval_batch_size, num_workers, bn_batches,
                        open_reject, open_eval_images, and ood_data (on an open-set split)"""


def _declare(parser: Parser) -> None:
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of finished runs")
    add_model(parser)
    parser.add_argument(
        "--json",
        nargs="?",
        type=true_or_false,
        const=True,
        default=False,
        metavar="true | false",
        help="prints one JSON object, {RUN: {figure: value}}, instead of lines",
    )


def _run(options: argparse.Namespace) -> int:
    asked = command_line.parse(options.keys)
    if asked.config_file:
        raise ConfigError("eval takes the run's own configuration: --c cannot be given")
    if not options.runs:
        raise ConfigError("eval needs the folder of a run, e.g. saved_models/vat_ns3l_digits")
    evaluate(options.runs, options.model, asked.given, as_json=options.json)
    return 0


EVAL = Command(
    name="eval",
    summary="figures of a run's saved network, measured again or against other data",
    usage="RUN ... [--model best | last | spl] [--json] [--key value ...]",
    about=ABOUT,
    closing=CLOSING,
    declare=_declare,
    run=_run,
    takes_keys=True,
)
