"""``usb-negsamp train``: from a command line to a run that has been carried out."""

from __future__ import annotations

from collections.abc import Sequence

from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.configuration.resolution import read_sources, resolve


def train(argv: Sequence[str]) -> int:
    """Train as the command line asks; return the exit code.

    Returns:
        0 when finished; 128 + the signal's number when SIGINT or SIGTERM ended it, with a checkpoint saved if there was
        anything to save.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    process = from_environment()
    sources = read_sources(argv)

    # From here on torch and the host are loaded, which takes seconds: a wrong path need not wait for them.
    import usb_negsamp

    usb_negsamp.register()
    resolved = resolve(sources)

    from usb_negsamp.run.training.run import carry_out

    return carry_out(resolved, argv, process)
