"""All commands, in the order in which the help lists them."""

from __future__ import annotations

from usb_negsamp import __version__
from usb_negsamp.run.cli.commands.bench import BENCH
from usb_negsamp.run.cli.commands.compare import COMPARE
from usb_negsamp.run.cli.commands.completion import completion_command
from usb_negsamp.run.cli.commands.doctor import DOCTOR
from usb_negsamp.run.cli.commands.evaluate import EVAL
from usb_negsamp.run.cli.commands.export import EXPORT
from usb_negsamp.run.cli.commands.figure import FIGURE
from usb_negsamp.run.cli.commands.listing import LIST
from usb_negsamp.run.cli.commands.patch import PATCH
from usb_negsamp.run.cli.commands.predict import PREDICT
from usb_negsamp.run.cli.commands.report import REPORT
from usb_negsamp.run.cli.commands.reproduce import REPRODUCE
from usb_negsamp.run.cli.commands.sweep import SWEEP
from usb_negsamp.run.cli.commands.train import TRAIN
from usb_negsamp.run.cli.commands.verify import VERIFY
from usb_negsamp.run.cli.parser import RootParser


def make_parser() -> RootParser:
    """Return the parser of the command line. Loads neither torch nor semilearn."""
    completion = completion_command(make_parser)
    commands = (
        *(TRAIN, SWEEP, REPRODUCE, REPORT, COMPARE, EVAL, PREDICT, EXPORT, FIGURE),
        *(LIST, BENCH, PATCH, DOCTOR, VERIFY, completion),
    )
    return RootParser(commands, __version__)
