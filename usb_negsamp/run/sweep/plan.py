"""The runs of a sweep: what each is told, where it lies, and what it waits for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usb_negsamp.run.configuration.resolution import Resolved, Sources


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        name: its folder in the sweep's.
        directory: that folder.
        point: the grid's keys and this run's values, in their own types.
        argv: the command line of ``train``, without --resume or --overwrite.
        config: the resolved configuration.
        after: folders of earlier runs of the plan that must have ended before this one starts.
        also: runs that would compute the same, and that this one stands for.
    """

    name: str
    directory: Path
    point: dict[str, Any]
    argv: tuple[str, ...]
    config: dict[str, Any] = field(repr=False)
    after: frozenset[Path] = frozenset()
    also: tuple[Run, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep.

    Attributes:
        directory: the sweep's folder.
        runs: in the order in which they start.
        grid: the values of each key that is varied.
        names: columns of results.csv that say what a run is, before its own, by the names of runs in the folder.
    """

    directory: Path
    runs: tuple[Run, ...]
    grid: dict[str, tuple[Any, ...]]
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def cells(self) -> list[Run]:
        """Every run with those that it stands for, which are never started."""
        return [cell for run in self.runs for cell in (run, *run.also)]


def resolve_and_check(sources: Sources, *, source_is_there: bool = True) -> Resolved:
    """Return what a run is asked, checked as ``train`` does before it reads the data.

    Args:
        sources: the file and the command line.
        source_is_there: whether the run that ``spl_from`` names is there already.

    Raises:
        ConfigError: it cannot run.
    """
    from usb_negsamp.run.configuration.checks import check
    from usb_negsamp.run.configuration.processes import Process
    from usb_negsamp.run.configuration.resolution import resolve

    resolved = resolve(sources)
    args = resolved.args
    if not source_is_there and hasattr(args, "spl_from"):
        args = Namespace(**{**vars(args), "spl_from": None})
    check(args, Process(), resolved.given)
    return resolved


def place_run(
    sources: Sources,
    resolved: Resolved,
    directory: Path,
    *,
    point: dict[str, Any] | None = None,
    after: frozenset[Path] = frozenset(),
) -> Run:
    """Return the run that has ``directory`` for its folder, whatever place its sources give it.

    Args:
        sources: the file and the command line.
        resolved: what they come to.
        directory: save_dir/save_name of the run; its last part is the run's name.
        point: the values that tell it from other runs, by key.
        after: folders of the runs that it waits for.
    """
    place = {"save_dir": str(directory.parent), "save_name": directory.name}
    words = ["--c", sources.config_file] if sources.config_file else []
    words += [f"--{key}" if text is None else f"--{key}={text}" for key, text in {**sources.given, **place}.items()]
    config = {**resolved.mapping, **place}
    return Run(directory.name, directory, point or {}, tuple(words), config, after)
