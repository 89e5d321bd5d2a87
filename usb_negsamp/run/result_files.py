"""Reading the rows of results.csv files, of runs and of sweeps."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.directory import RESULTS, write_atomically
from usb_negsamp.run.results import COLUMNS

# Names, in one text, the keys that a sweep varied; the columns of those names hold their values.
SWEPT = "swept"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of one file.

    Raises:
        ConfigError: it is no table of results.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, restval="")
            rows = list(reader)
            columns = set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    missing = {"algorithm", "dataset", "split_seed"} - columns
    if missing or any(None in row for row in rows):
        raise ConfigError(f"{path} is no table of results" + (f": no column {min(missing)!r}" if missing else ""))
    return rows


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a whole file, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def collect_rows(places: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of runs, sweeps, folders of those, or results files; a run named twice counts once.

    Raises:
        ConfigError: a place holds no results.
    """
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for place in places:
        for file in _files(Path(place)):
            for row in read_rows(file):
                # A row of a sweep and the row of its run are one: take the sweep's, which has more columns.
                key = tuple(row.get(name, "") for name in COLUMNS)
                if key not in found or len(row) > len(found[key]):
                    found[key] = row
    if not found:
        raise ConfigError(f"{', '.join(places)}: no finished run has left a row")
    return list(found.values())


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.exists():
        raise ConfigError(f"{place} does not exist")
    if (place / RESULTS).is_file():
        return [place / RESULTS]
    below = sorted(place.glob(f"*/{RESULTS}"))
    if not below:
        raise ConfigError(f"{place} holds no {RESULTS}: no run has finished there")
    return below
