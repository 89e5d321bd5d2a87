"""submitit, which is optional."""

from __future__ import annotations

from typing import Any

from usb_negsamp.errors import ConfigError


def submitit() -> Any:
    """Return the module.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import submitit as module
    except ImportError as error:
        raise ConfigError("--slurm needs submitit: pip install usb-negsamp[slurm]") from error
    return module
