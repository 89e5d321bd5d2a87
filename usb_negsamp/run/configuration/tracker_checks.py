"""Whether the trackers that a run asks for can follow it, as far as that can be told before it is built."""

from __future__ import annotations

import netrc
import os
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from usb_negsamp.errors import ConfigError

WITHOUT_KEY = ("offline", "disabled", "dryrun")
"""Modes of Weights & Biases that need neither a key nor a network."""


def check_trackers(args: Namespace) -> None:
    """Refuse a tracker that is not installed, or that cannot log in.

    Raises:
        ConfigError: it is one.
    """
    if args.use_aim:
        _imported("aim", "use_aim")
    if args.use_wandb:
        settings = _imported("wandb", "use_wandb").setup().settings
        if settings.mode not in WITHOUT_KEY and not _has_key(settings) and not sys.stdin.isatty():
            raise ConfigError(
                "use_wandb: expected an API key of Weights & Biases, but found none: `wandb login` keeps one, and "
                "WANDB_MODE=offline needs none"
            )


def _imported(package: str, key: str) -> ModuleType:
    from usb_negsamp.host.absent_modules import import_or_clean_up

    try:
        return import_or_clean_up(package)
    except Exception as error:
        raise ConfigError(
            f"{key}: expected the package {package}, but it cannot be imported ({type(error).__name__}: {error}); "
            f"install it with `pip install {package}`"
        ) from error


def _has_key(settings: Any) -> bool:
    """Whether a key is where wandb looks for one: its settings, the environment, or the file of passwords."""
    if settings.api_key or os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    named = os.environ.get("NETRC")
    files = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    for file in files:
        try:
            if netrc.netrc(file).authenticators(urlsplit(settings.base_url).hostname or ""):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
