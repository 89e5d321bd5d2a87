"""Options of the commands that look at what a run has left."""

from __future__ import annotations

from usb_negsamp.run.cli.parser import Once, Parser
from usb_negsamp.run.finished_runs.models import MODELS


def add_model(parser: Parser, further: str = "") -> None:
    """Add ``--model``: which of the run's networks.

    Args:
        parser: of the command.
        further: what there is to say of it beside that.
    """
    parser.add_argument(
        "--model",
        choices=tuple(MODELS),
        default="best",
        metavar="NAME",
        help=f"best on validation (default), last, or what SPL has left (spl){further}",
    )


def add_data_dir(parser: Parser) -> None:
    """Add ``--data_dir``, for commands that need the run's data only where it does not say how it prepared images."""
    parser.add_argument(
        "--data_dir",
        action=Once,
        metavar="DIR",
        help="the folder of the run's data, for a run of an earlier version, which does not say how it prepared images",
    )
