"""What a study's file says: the runs it comes to, what each is called and given, and how its results are shown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError, did_you_mean, expected, unknown
from usb_negsamp.run.configuration.packaged import SUFFIXES, packaged_folder
from usb_negsamp.run.report.measures import MEASURES
from usb_negsamp.yaml_file import read_yaml

STUDIES = "benchmarks/studies"
ABOUT = ("study", "data", "setting", "method")
"""Columns of results.csv that say which run a row is, before its own."""
_NEEDED = frozenset({"title", "common", "datasets", "methods", "seeds"})
_OPTIONAL = frozenset({"settings", "full", "baseline", "measure"})


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Attributes:
        names: of the study, its data set, setting and method, by the columns of ``ABOUT``.
        directory: its folder.
        keys: of ``usb-negsamp train``.
    """

    names: dict[str, str]
    directory: Path
    keys: dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A study file.

    Attributes:
        path: of the file.
        title: what it compares, in a line.
        common: keys of all runs.
        datasets: by name, the keys that each sets over the common ones.
        settings: by name, the keys that each sets over those; one without a name where there are none.
        methods: by name, the keys that each sets over those.
        seeds: each ``seed`` and ``split_seed`` of one run, so that methods are paired.
        full: the paper's table that it is in small, and words of its configurations (``only``); empty where there is
            none.
        baseline: the method that others are compared with, or None.
        measure: the name of the figure shown, or None for the first that every run has.
    """

    path: Path
    title: str
    common: Mapping[str, Any]
    datasets: Mapping[str, Mapping[str, Any] | None]
    settings: Mapping[str, Mapping[str, Any] | None]
    methods: Mapping[str, Mapping[str, Any] | None]
    seeds: tuple[int, ...]
    full: Mapping[str, str]
    baseline: str | None
    measure: str | None

    @property
    def name(self) -> str:
        """The study's name, which its folder has, too."""
        return self.path.stem

    def cells(self, save_dir: Path) -> Iterator[Cell]:
        """Yield the runs, all methods of one seed before the next seed.

        Text may name other keys of its run in braces, and ``{runs}`` (``save_dir``) and ``{data}`` (the data set's name
        here).
        """
        for seed, data, setting, method in itertools.product(self.seeds, self.datasets, self.settings, self.methods):
            keys = dict(self.common)
            for part in (self.datasets[data], self.settings[setting], self.methods[method]):
                keys.update(part or {})
            folder = "-".join(part for part in (data, setting, method, str(seed)) if part).replace(" ", "")
            directory = save_dir / self.name / folder
            keys.update(seed=seed, split_seed=seed, save_dir=str(directory.parent), save_name=folder)
            names = {**keys, "runs": save_dir, "data": data}
            filled = {key: _filled(value, names) for key, value in keys.items() if value is not None}
            yield Cell(dict(zip(ABOUT, (self.name, data, setting, method), strict=True)), directory, filled)

    def at_scale(self, scale: str) -> tuple[str, str | None]:
        """Return the paper's table that the study is in small, and the words of its configurations.

        Raises:
            ConfigError: there is none, or the scale is another one than that of the papers.
        """
        if scale != "full":
            raise expected("--scale", f"full, or none, which is {self.name}'s own", scale)
        if not self.full:
            raise ConfigError(f"--scale: {self.name} is no paper's table in small: leave it out")
        return self.full["table"], self.full.get("only")


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    return value.format_map(names) if isinstance(value, str) else value


def packaged_studies() -> dict[str, Path]:
    """Return the studies that come with the package, by their names."""
    return {path.stem: path for path in sorted(packaged_folder(STUDIES).glob("*.yaml"))}


def find_study(name: str) -> Path | None:
    """Return the study ``name``, a file here or one of ours; None where it is none.

    A slash in the name of one of ours stands for an underscore: ``cifar10/ns3l`` is ``cifar10_ns3l``.
    """
    path = Path(name)
    if path.suffix in SUFFIXES and path.is_file() and {"datasets", "methods"} & set(read_yaml(path)):
        return path
    return packaged_studies().get(name.removesuffix(".yaml").replace("/", "_"))


def read_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        ConfigError: it is no study.
    """
    content = read_yaml(path)
    if not set(content) >= _NEEDED:
        raise expected(str(path), f"the keys {', '.join(sorted(_NEEDED))} of a study", ", ".join(content) or "none")
    for key in content:
        if key not in _NEEDED | _OPTIONAL:
            raise ConfigError(f"{path}: unknown key {key!r} of a study{did_you_mean(key, _NEEDED | _OPTIONAL)}")
    study = Study(
        path,
        str(content["title"]),
        content["common"] or {},
        content["datasets"],
        content.get("settings") or {"": None},
        content["methods"],
        tuple(content["seeds"] or ()),
        content.get("full") or {},
        content.get("baseline"),
        content.get("measure"),
    )
    _check(study)
    return study


def _check(study: Study) -> None:
    """Refuse what is not of the form that a study has.

    Raises:
        ConfigError: what was expected, and what came.
    """
    for name in ("datasets", "settings", "methods"):
        groups = getattr(study, name)
        if not isinstance(groups, dict) or not all(part is None or isinstance(part, dict) for part in groups.values()):
            raise ConfigError(f"{study.path}: {name}: expected names, each with its keys")
    if not study.seeds or not all(isinstance(seed, int) for seed in study.seeds):
        raise ConfigError(f"{study.path}: seeds: expected a list of whole numbers, but got {list(study.seeds)}")
    if study.baseline is not None and study.baseline not in study.methods:
        raise unknown("method as the baseline", study.baseline, study.methods)
    known = {measure.name for measure in MEASURES}
    if study.measure is not None and study.measure not in known:
        raise unknown("measure", study.measure, known)
    if study.full and not {"table"} <= set(study.full) <= {"table", "only"}:
        raise ConfigError(f"{study.path}: full: expected the keys table and, if need be, only")
