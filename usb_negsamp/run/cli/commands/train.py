"""The command ``usb-negsamp train``."""

from __future__ import annotations

import argparse
import os
import sys

from usb_negsamp.run.cli.parser import PROGRAM, Command, Parser

USAGE = "--c FILE | --resume RUN [--key value | --key=value | --flag] ..."

ABOUT = """\
Trains what FILE (YAML) describes, into save_dir/save_name. Every key of the file can be given on the command line,
which beats the file; the file beats the defaults. `usb-negsamp list keys` shows all keys. A run that was stopped goes
on by --resume RUN, its folder: it may be made longer, and compute elsewhere, but not become another one."""

CLOSING = """\
Ctrl-C or SIGTERM ends the run after the present step, with a checkpoint saved. Exit code: 0 finished, 2 the request
cannot be carried out (one line says why), 128 + signal when interrupted."""

CONFIG_HELP = "a file here, or the name of one that comes with the package (usb-negsamp list configs)"


def _declare(parser: Parser) -> None:
    parser.add_key("--c", metavar="FILE", help=f"the configuration, e.g. vat_ns3l_digits: {CONFIG_HELP}")
    parser.add_key("--device", metavar="NAME", choices=("auto", "cpu", "cuda"), help="auto (default), cpu or cuda")
    parser.add_key(
        "--resume",
        nargs="?",
        metavar="RUN",
        help="go on with the run in the folder RUN, which knows its own configuration; without RUN, with the one that "
        "FILE and keys name, from its latest_model.pth, or with --load_path X from X",
    )
    parser.add_key(
        "--overwrite",
        action="store_true",
        help="replace the run that is in save_dir/save_name: only files that runs write are removed",
    )
    parser.add_key("--save_name", metavar="NAME", help="the run's folder in save_dir")


def _run(options: argparse.Namespace) -> int:
    if not options.words:
        print(f"usage: {PROGRAM} train {USAGE}", file=sys.stderr)
        print(f"e.g. {PROGRAM} train --c vat_ns3l_digits; {PROGRAM} train --help says more", file=sys.stderr)
        return 2
    # GNU OpenMP's threads spin while they wait for each other, by default for so long that a second busy process on
    # the machine makes a step four times slower. It reads the variable when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from usb_negsamp.run.training.train import train

    return train(options.keys)


TRAIN = Command(
    name="train",
    summary="train what a file describes; the command line beats the file, the file beats the defaults",
    usage=USAGE,
    about=ABOUT,
    closing=CLOSING,
    declare=_declare,
    run=_run,
    takes_keys=True,
)
