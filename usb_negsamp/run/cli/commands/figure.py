"""The command ``usb-negsamp figure``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.parser import Command, Parser, whole_number

ABOUT = """\
Draws into each run's folder:
  tsne.png       features of its network, or of both, on test images, in two dimensions
  negatives.png  for DNLL: agreement of the two networks and error rate of the negatives over the training, measured
                 and as expected of equal probability"""

CLOSING = (
    "The data set is read again, from the folder that the run had; the model is the one that was best on validation."
)


def _declare(parser: Parser) -> None:
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of finished runs")
    parser.add_argument(
        "--images", type=whole_number(1), default=1000, metavar="N", help="how many test images at most (default 1000)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="S", help="of the choice of images and of t-SNE (default 0)"
    )


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.finished_runs.draw import draw_figures

    if not options.runs:
        raise ConfigError("figure needs the folder of a run, e.g. saved_models/classic_cv/RUN")
    for run in options.runs:
        for path in draw_figures(run, num_images=options.images, seed=options.seed):
            print(path)
    return 0


FIGURE = Command(
    name="figure",
    summary="features and transferred negatives of finished runs, as pictures",
    usage="RUN ... [--images N] [--seed S]",
    about=ABOUT,
    closing=CLOSING,
    declare=_declare,
    run=_run,
)
