"""All commands, in the order in which the help lists them."""

from __future__ import annotations

from usb_negsamp import __version__
from usb_negsamp.run.cli.bench import BENCH
from usb_negsamp.run.cli.completion import completion_command
from usb_negsamp.run.cli.doctor import DOCTOR
from usb_negsamp.run.cli.evaluate import EVAL
from usb_negsamp.run.cli.figure import FIGURE
from usb_negsamp.run.cli.listing import LIST
from usb_negsamp.run.cli.parser import RootParser
from usb_negsamp.run.cli.patch import PATCH
from usb_negsamp.run.cli.report import REPORT
from usb_negsamp.run.cli.reproduce import REPRODUCE
from usb_negsamp.run.cli.sweep import SWEEP
from usb_negsamp.run.cli.train import TRAIN


def make_parser() -> RootParser:
    """Return the parser of the command line. Loads neither torch nor semilearn."""
    completion = completion_command(make_parser)
    commands = (TRAIN, SWEEP, REPRODUCE, REPORT, EVAL, FIGURE, LIST, BENCH, PATCH, DOCTOR, completion)
    return RootParser(commands, __version__)
