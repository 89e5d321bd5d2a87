"""The command ``usb-negsamp list``: the names that a configuration can use."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.cli.parser import Command, Parser
from usb_negsamp.run.configuration.catalog import catalog
from usb_negsamp.run.configuration.packaged import packaged_configs
from usb_negsamp.run.report.config_tables import config_tables
from usb_negsamp.run.sweep.studies.study_file import packaged_studies, read_study

KINDS = {
    "algorithms": "for algorithm: the host's and ours, in every wrapper, with the papers of ours",
    "wrappers": "what can be put around an algorithm, with their papers",
    "datasets": "for dataset: the host's and ours",
    "nets": "for net: the host's and ours",
    "configs": "configurations that come with the package: --c takes their names in any folder",
    "tables": "tables and figures of the papers, which `usb-negsamp reproduce` trains",
    "studies": "methods beside each other, in runs of a size of their own, which `usb-negsamp reproduce` trains",
    "keys": "every key that a configuration may have, with its default; --algorithm NAME: of that algorithm",
}

ABOUT = """\
Prints names that a configuration can use, one a line, with the papers of our methods; without a KIND, what can be
listed. `configs` are the configurations that come with the package: --c takes their names in any folder; `tables` are
the papers' tables and figures, which `usb-negsamp reproduce` trains, as it does the `studies`."""


def _declare(parser: Parser) -> None:
    parser.add_argument("kind_of_names", nargs="?", choices=tuple(KINDS), metavar="KIND", help=" | ".join(KINDS))
    parser.add_argument("--algorithm", metavar="NAME", help="with keys: those of this algorithm; default: fixmatch")
    parser.add_argument(
        "--markdown",
        action="store_true",
        help="with keys: the table of our own; with configs: the tables of config/README.md",
    )


def _run(options: argparse.Namespace) -> int:
    kind = options.kind_of_names
    if options.algorithm is not None and (kind != "keys" or options.markdown):
        raise ConfigError("--algorithm NAME is read with `list keys` alone, without --markdown")
    if options.markdown and kind not in ("keys", "configs"):
        raise ConfigError("--markdown is read with `list keys` and `list configs` alone")
    if kind == "configs":
        print(config_tables() if options.markdown else "\n".join(packaged_configs()))
    elif kind == "keys":
        print(markdown_tables() if options.markdown else "\n".join(_keys(options.algorithm or "fixmatch")))
    elif kind == "tables":
        print("\n".join(_tables()))
    elif kind == "studies":
        print("\n".join(f"{name}  {read_study(path).title}" for name, path in packaged_studies().items()))
    elif kind is None:
        print("\n".join(what_can_be_listed()))
    else:
        _print_names(kind)
    return 0


def what_can_be_listed() -> Iterator[str]:
    """Yield a line for every kind of names."""
    width = max(map(len, KINDS))
    for kind, meaning in KINDS.items():
        yield f"usb-negsamp list {kind:<{width}}  {meaning}"


def _tables() -> Iterator[str]:
    """Yield a line for every table and figure: its name, and behind it the paper."""
    from usb_negsamp.run.sweep.papers.rows import tables

    for name, headers in tables().items():
        yield f"{name}  {next(iter(headers.values())).paper}"


def _print_names(kind: str) -> None:
    """Print the names of one kind; two spaces after a method of ours, its paper."""
    found = catalog()
    names = {
        "algorithms": sorted(found.algorithms),
        "wrappers": found.wrappers,
        "datasets": found.datasets,
        "nets": [*found.nets, "timm:NAME", "torchvision:NAME"],
    }
    for line in names[kind]:
        paper = found.papers.get(line, "") if kind in ("algorithms", "wrappers") else ""
        print(f"{line}{'  ' if paper else ''}{paper}")


def markdown_tables() -> str:
    """Return the README's table of keys: ours for every run, then those of each wrapper and of Dual Student."""
    return catalog().own_table


def _keys(algorithm: str) -> Iterator[str]:
    """Yield a line for every key of an algorithm, with its default; a star marks ours."""
    found = catalog()
    if algorithm not in found.algorithms:
        raise unknown("algorithm", algorithm, sorted(found.algorithms))
    for name, default, meaning in found.keys_with_meaning(algorithm):
        mark = "*" if name in found.own_keys else " "
        yield f"{mark} {name:<24} {default:<18} {meaning}".rstrip()


LIST = Command(
    name="list",
    summary=f"names of: {', '.join(KINDS)}",
    usage="[KIND] [--algorithm NAME] [--markdown]",
    about=ABOUT,
    declare=_declare,
    run=_run,
)
