"""What the files of a run say of it; a file that is not there, or cannot be read, is a line and no end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.keys import of_earlier_version
from usb_negsamp.run.records.directory import LOG, MANIFEST, METRICS, RESULTS
from usb_negsamp.run.records.manifest import read_manifest
from usb_negsamp.run.records.metrics import read_metrics
from usb_negsamp.run.records.results import read_rows
from usb_negsamp.run.report.page.state import State, state_of

LAST_LINES = 20
"""Lines of log.txt that the page shows of a run that has not finished."""
MOST_BYTES_OF_LOG = 20_000


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run from its files.

    Attributes:
        folder: where it lies.
        manifest: its manifest; empty where it cannot be read.
        config: its configuration as it is spelled today.
        metrics: what it has logged.
        row: its row of results; empty before it has one.
        state: how it stands.
        log_end: the last lines of its log.
        missing: a line for each thing that is not there.
    """

    folder: Path
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    row: Mapping[str, str]
    state: State
    log_end: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=())


def names_of(facts: Sequence[RunFacts]) -> list[str]:
    """A name for each run: that of its folder, with as much of the path as tells the runs apart."""
    paths = [one.folder.resolve().parts for one in facts]
    for length in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(names):
            break
    return names


def is_run(folder: Path) -> bool:
    """Whether ``folder`` holds what a run has left, at least its manifest or its log."""
    return any((folder / name).is_file() for name in (MANIFEST, METRICS, LOG))


def runs_in(place: Path) -> list[Path]:
    """The folders of the runs in ``place``: itself, or those of a sweep, or of a folder of runs and sweeps."""
    if is_run(place):
        return [place]
    if not place.is_dir():
        return []
    below = [path for pattern in ("*", "*/*") for path in place.glob(pattern) if is_run(path)]
    return sorted(below)


def read_run(folder: Path) -> RunFacts:
    """What the files in ``folder`` say.

    Raises:
        ConfigError: it holds no run.
    """
    if not is_run(folder):
        raise ConfigError(f"{folder} holds no run: expected its {MANIFEST}")
    missing = []
    manifest: dict[str, Any] = {}
    row: dict[str, str] = {}
    try:
        manifest = read_manifest(folder / MANIFEST)
        if not manifest:
            missing.append(f"There is no {MANIFEST}: what the run was asked is not known.")
    except ConfigError as error:
        missing.append(f"{error}.")
    metrics = read_metrics(folder / METRICS)
    if not metrics:
        missing.append(f"Nothing was logged yet: {METRICS} is empty or not there.")
    if (folder / RESULTS).is_file():
        try:
            row = next(iter(reversed(read_rows(folder / RESULTS))), {})
        except ConfigError as error:
            missing.append(f"{error}.")
    state = state_of(folder, manifest, metrics)
    if state.kind == "finished" and not row:
        missing.append(f"The run's row is missing: {RESULTS} is empty or not there.")
    return RunFacts(
        folder,
        manifest,
        of_earlier_version(manifest.get("config", {})),
        metrics,
        row,
        state,
        _last_lines(folder / LOG),
        tuple(missing),
    )


def _last_lines(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - MOST_BYTES_OF_LOG))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-LAST_LINES:])
