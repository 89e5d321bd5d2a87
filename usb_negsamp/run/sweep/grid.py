"""What a sweep is asked for, and the runs that its grid comes to, each checked before the first one starts."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.sweep.plan import Plan, Run, place_run, resolve_and_check
from usb_negsamp.run.sweep.same_runs import without_repetitions

if TYPE_CHECKING:
    from usb_negsamp.run.configuration.resolution import Sources

SEEDS = ("seed", "split_seed")
# A sweep gives each run its place, and goes on with runs by itself.
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
        raise ConfigError(f"save_name: expected the name of the sweep's folder, but got {name!r}")
    runs = [_run(request, sources, name, dict(point), seeds) for point in _points(request) for seeds in _seeds(request)]
    _check_names(runs)
    grid = {key: _distinct(run.point[key] for run in runs) for key in request.grid}
    return Plan(runs[0].directory.parent, without_repetitions(runs, anew=request.overwrite), grid)


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


def _run(request: Request, sources: Sources, sweep: str, point: dict[str, str], seeds: dict[str, int]) -> Run:
    given = {**request.given, **point, **{key: str(value) for key, value in seeds.items()}}
    asked = dataclasses.replace(sources, given=given)
    try:
        resolved = resolve_and_check(asked)
    except ConfigError as error:
        raise _blamed(error, sources, point) from error
    values = {key: resolved.mapping[key] for key in point}
    directory = Path(resolved.args.save_dir) / sweep / _folder_name({**values, **_shortened(seeds)})
    return place_run(asked, resolved, directory, point=values)


def _blamed(error: ConfigError, sources: Sources, point: dict[str, str]) -> ConfigError:
    """Return the error naming the combination, unless it is there without the grid as well."""
    try:
        resolve_and_check(sources)
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
