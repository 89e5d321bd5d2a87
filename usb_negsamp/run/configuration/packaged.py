"""What comes with this package: the folders that lie beside it in a clone and inside it when installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import usb_negsamp
from usb_negsamp.errors import ConfigError, did_you_mean

CONFIG = "config"
SUFFIXES = (".yaml", ".yml")


def packaged_folder(name: str) -> Path:
    """Return our folder ``name`` (``"config"`` or ``"patches"``), in an installed wheel or in our repository."""
    package = Path(usb_negsamp.__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"this installation of usb-negsamp has no folder {name}; install it anew")


def packaged_configs() -> dict[str, Path]:
    """Return our configuration files by their names, e.g. ``vat_ns3l_digits`` or ``ns3l/table1_cifar10_vat_ns3l``."""
    folder = packaged_folder(CONFIG)
    paths = sorted(folder.rglob("*.yaml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def plain_name(name: str) -> str:
    """Return the name of a configuration that is written as a file's.

    >>> plain_name("config/vat_ns3l_digits.yaml"), plain_name("ns3l/table1_cifar10_vat_ns3l")
    ('vat_ns3l_digits', 'ns3l/table1_cifar10_vat_ns3l')
    """
    return _without_suffix(Path(name).as_posix()).removeprefix(f"{CONFIG}/")


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file that was asked for.

    Attributes:
        path: where it is.
        note: a line for the user where it is one of ours, else empty.
    """

    path: Path
    note: str = ""


def find_config(name: str) -> ConfigFile:
    """Return the configuration file ``name``: one here, its suffix given or not, else ours of that name.

    Raises:
        ConfigError: neither exists, or what is here cannot be looked at.
    """
    path = Path(name)
    try:
        for here in (path, *(path.with_name(path.name + suffix) for suffix in SUFFIXES if path.name)):
            if here.exists() and not here.is_dir():
                return ConfigFile(here)
        ours = packaged_configs()
        packaged = ours.get(plain_name(name)) or ours.get(_with_present_spelling(plain_name(name)))
        if packaged is not None:
            return ConfigFile(packaged, f"--c {name}: no such file here, taking the packaged {packaged}")
        if path.is_dir():
            raise ConfigError(f"expected a YAML file, but {path} is a directory")
        local = [entry for entry in _entries(path.parent) if entry.suffix in SUFFIXES]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    known = [_without_suffix(entry.as_posix()) for entry in local] + list(ours)
    there = f"{path.parent} has: {_few([entry.name for entry in local])}, and " if local else ""
    hint = did_you_mean(plain_name(name), known) or f"; {there}`usb-negsamp list configs` shows the packaged ones"
    raise ConfigError(f"configuration file {name} does not exist{hint}")


def _with_present_spelling(name: str) -> str:
    return name.replace("neighbour", "neighbor")


def _without_suffix(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _few(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
