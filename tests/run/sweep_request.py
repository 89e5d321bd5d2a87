"""What the words of ``usb-negsamp sweep`` ask for."""

from __future__ import annotations

from collections.abc import Sequence

from usb_negsamp.run.cli.all_commands import make_parser
from usb_negsamp.run.cli.commands.sweep import request_of
from usb_negsamp.run.sweep.grid import Request


def sweep_request(words: Sequence[str]) -> Request:
    return request_of(make_parser().read(["sweep", *words]))
