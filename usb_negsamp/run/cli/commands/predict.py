"""The command ``usb-negsamp predict``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.finished_run_options import add_data_dir, add_model
from usb_negsamp.run.cli.parser import Command, Once, Parser

DEFAULT = Path("predictions.csv")

ABOUT = """\
Looks with a run's network at the images in FOLDER and all folders in it, or at one image, and writes a row for each:
  file           below FOLDER
  class          the likeliest one
  probability    of that class
  outlier_score  high for images of no class: one less the probability, or the method's own score
  rejected       of a run with unseen classes: whether it takes the image for one of no class, by the method's own rule
                 or by the threshold that keeps 95% of its validation images
  error          why an image could not be read; all else is empty then
Images may be of any size and mode: they are made as the run's test images are. The run's data are not needed."""


def _declare(parser: Parser) -> None:
    parser.add_argument("run_folder", nargs="?", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("images", nargs="?", type=Path, metavar="FOLDER", help="images to look at")
    parser.add_argument(
        "--out", action=Once, type=Path, metavar="FILE", help=f"the table to write or replace (default {DEFAULT})"
    )
    add_model(parser)
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto (default), cpu or cuda")
    add_data_dir(parser)


def _run(options: argparse.Namespace) -> int:
    if options.run_folder is None or options.images is None:
        raise ConfigError("predict needs the folder of a run and one of images, e.g. saved_models/RUN photos/")
    out = options.out or DEFAULT
    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError(f"--out: expected a file in a folder that is there, but got {out}")

    from usb_negsamp.run.from_python.run import Run

    run = Run(options.run_folder)
    found = run.predict(options.images, options.model, data_dir=options.data_dir, device=options.device)
    found.write(out)
    unread = sum(map(bool, found.errors))
    parts = [f"{len(found) - unread} images"]
    if found.rejected is not None:
        parts.append(f"{int(found.rejected.sum())} of them rejected")
    if unread:
        parts.append(f"{unread} could not be read")
    if found.open_set and found.rejected is None:
        print(
            "usb-negsamp: the run had no validation images, which would set a threshold: no image is rejected",
            file=sys.stderr,
        )
    print(f"{out}: {', '.join(parts)}")
    return 0


PREDICT = Command(
    name="predict",
    summary="what a run's network says of other images, as a table",
    usage="RUN FOLDER [--out FILE] [--model best | last | spl] [--device NAME] [--data_dir DIR]",
    about=ABOUT,
    declare=_declare,
    run=_run,
)
