"""The command ``usb-negsamp export``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.finished_run_options import add_data_dir, add_model
from usb_negsamp.run.cli.parser import Command, Parser

FORMATS = ("safetensors", "pt2", "torchscript", "onnx")

ABOUT = """\
Writes a run's network into RUN/export, in forms that are used without this package:
  safetensors  its weights alone, by name
  pt2          a program of torch.export: torch.export.load(FILE).module()(images)
  torchscript  torch.jit.load(FILE)(images)
  onnx         for ONNX Runtime and others; needs pip install 'usb-negsamp[onnx]'
They take images (N, 3, S, S) in uint8, N of any size, and return logits (N, K); the preprocessing is inside. A JSON
file beside them has the names of the classes, the input and how images are resized. The run's data are not needed."""


def _declare(parser: Parser) -> None:
    parser.add_argument("run_folder", nargs="?", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument(
        "--format",
        nargs="+",
        choices=FORMATS,
        default=None,
        metavar="NAME",
        help="safetensors and pt2 (default), torchscript, onnx; several may be given",
    )
    add_model(parser, "; the files are called so")
    add_data_dir(parser)


def _run(options: argparse.Namespace) -> int:
    if options.run_folder is None:
        raise ConfigError("export needs the folder of a run, e.g. saved_models/vat_ns3l_digits")

    from usb_negsamp.run.finished_runs.export import DEFAULT, export

    for path in export(options.run_folder, options.format or DEFAULT, options.model, options.data_dir):
        print(path)
    return 0


EXPORT = Command(
    name="export",
    summary="a run's network in forms that are used without this package",
    usage="RUN [--format NAME ...] [--model best | last | spl] [--data_dir DIR]",
    about=ABOUT,
    declare=_declare,
    run=_run,
)
