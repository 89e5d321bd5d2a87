"""The folders that lie beside this package in a clone and inside it when installed."""

from __future__ import annotations

from pathlib import Path

import usb_negsamp
from usb_negsamp.errors import ConfigError


def packaged_folder(name: str) -> Path:
    """Return our folder ``name`` (``"config"`` or ``"patches"``), in an installed wheel or in our repository."""
    package = Path(usb_negsamp.__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"this installation of usb-negsamp has no folder {name}; install it anew")
