"""What a sweep is asked for, and the runs that it comes to, each checked before the first one starts."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError

SEEDS = ("seed", "split_seed")
_LONGEST_NAME = 150


@dataclass
class Request:
    """What a sweep is asked for.

    Attributes:
        config_file: the configuration that all runs share.
        given: keys and texts that all runs share.
        grid: the texts to try, by key.
        seeds: how many seeds, or None for the configuration's own.
        jobs: how many runs at a time.
        slurm: parameters of the cluster, or None for this machine.
        name: the sweep's folder in save_dir, or None for one named after the file.
        overwrite: whether to make runs anew that are there already.
    """

    config_file: str | None
    given: dict[str, str | None]
    grid: dict[str, list[str]]
    seeds: int | None = None
    jobs: int = 1
    slurm: dict[str, str] | None = None
    name: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        name: its folder in the sweep's.
        directory: that folder.
        point: the grid's keys and this run's values, in their own types.
        seeds: the seeds that the sweep gives it.
        argv: the command line of ``train``, without --resume or --overwrite.
        config: the resolved configuration.
    """

    name: str
    directory: Path
    point: dict[str, Any]
    seeds: dict[str, int]
    argv: tuple[str, ...]
    config: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, in the order in which they start."""

    directory: Path
    runs: tuple[Run, ...]
    grid: dict[str, tuple[Any, ...]]
    seeds: int


def make_plan(request: Request) -> Plan:
    """Return the runs, every one resolved and checked. Writes nothing.

    Raises:
        ConfigError: the first combination that cannot run, and why.
    """
    from usb_negsamp.run.configuration import resolution as configuration

    words = ["--c", request.config_file] if request.config_file else []
    sources = configuration.read_sources(words)
    sources.given = dict(request.given)

    import usb_negsamp

    usb_negsamp.register()
    name = request.name or f"{Path(request.config_file).stem if request.config_file else 'runs'}_sweep"
    if Path(name).name != name or name in (".", ".."):
        raise ConfigError(f"save_name must be the name of the sweep's folder, got {name!r}")
    runs = [_run(request, sources, name, dict(point), seeds) for point in _points(request) for seeds in _seeds(request)]
    _check_names(runs)
    grid = {key: _distinct(run.point[key] for run in runs) for key in request.grid}
    return Plan(runs[0].directory.parent, tuple(runs), grid, len(list(_seeds(request))))


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each value once, in the order of their first; values may be lists."""
    return tuple({repr(value): value for value in values}.values())


def _points(request: Request) -> Iterator[tuple[tuple[str, str], ...]]:
    for values in itertools.product(*request.grid.values()):
        yield tuple(zip(request.grid, values, strict=True))


def _seeds(request: Request) -> Iterator[dict[str, int]]:
    """Yield what each seed sets: both seeds, but for one that the user fixes or varies in the grid."""
    if request.seeds is None:
        yield {}
        return
    free = [key for key in SEEDS if key not in request.given and key not in request.grid]
    if not free:
        raise ConfigError("--seeds sets seed and split_seed, but both are given already")
    for number in range(request.seeds):
        yield dict.fromkeys(free, number)


def _run(request: Request, sources: Any, sweep: str, point: dict[str, str], seeds: dict[str, int]) -> Run:
    from usb_negsamp.run.configuration import resolution as configuration
    from usb_negsamp.run.configuration.checks import check
    from usb_negsamp.run.configuration.processes import Process
    from usb_negsamp.run.records.directory import run_directory

    given = {**request.given, **point, **{key: str(value) for key, value in seeds.items()}}
    try:
        resolved = configuration.resolve(configuration.Sources(sources.config_file, sources.file_values, given))
        check(resolved.args, Process(), resolved.given)
    except ConfigError as error:
        raise _blamed(error, request, sources, point) from error
    values = {key: resolved.mapping[key] for key in point}
    name = _folder_name({**values, **_shortened(seeds)})
    place = {"save_dir": str(Path(resolved.args.save_dir) / sweep), "save_name": name}
    resolved.args.save_dir, resolved.args.save_name = place["save_dir"], place["save_name"]
    words = ["--c", request.config_file] if request.config_file else []
    words += [f"--{key}" if text is None else f"--{key}={text}" for key, text in {**given, **place}.items()]
    return Run(
        name,
        run_directory(resolved.args),
        values,
        seeds,
        tuple(words),
        {**resolved.mapping, **place},
    )


def _blamed(error: ConfigError, request: Request, sources: Any, point: dict[str, str]) -> ConfigError:
    """Return the error naming the combination, unless it is there without the grid as well."""
    from usb_negsamp.run.configuration import resolution as configuration
    from usb_negsamp.run.configuration.checks import check
    from usb_negsamp.run.configuration.processes import Process

    plain = configuration.Sources(sources.config_file, sources.file_values, request.given)
    try:
        resolved = configuration.resolve(plain)
        check(resolved.args, Process(), resolved.given)
    except ConfigError as without:
        if str(without) == str(error):
            return error
    shown = " ".join(f"{key}={text}" for key, text in point.items())
    return ConfigError(f"--grid {shown}: {str(error).removeprefix('command line: ')}") if point else error


def _shortened(seeds: dict[str, int]) -> dict[str, int]:
    # Both seeds have the same number, so that one says it.
    return {"seed": seeds["seed"]} if len(seeds) == 2 else seeds


def _folder_name(values: dict[str, Any]) -> str:
    """Return a folder's name, the same however the values were spelled.

    >>> _folder_name({"ns3l_weight": 1.0, "net": "timm:resnet18", "seed": 0})
    'ns3l_weight=1_net=timm-resnet18_seed=0'
    """
    parts = (f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items())
    name = re.sub(r"[^A-Za-z0-9._=+-]", "-", "_".join(parts))
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(repr(values).encode()).hexdigest()[:12]
        name = f"{name[: _LONGEST_NAME - 13]}_{digest}"
    return name


def _check_names(runs: Sequence[Run]) -> None:
    seen: set[str] = set()
    for run in runs:
        if run.name in seen:
            raise ConfigError(f"--grid: a combination is there twice, or two share the folder {run.name}")
        seen.add(run.name)
