"""Several runs beside each other: what differs in what they were asked, and in how they end."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from usb_negsamp.key import Affects
from usb_negsamp.run.configuration.keys import affects_of
from usb_negsamp.run.report.measures import Measure, common_measure
from usb_negsamp.run.report.tables import Table, make_tables

OF_THE_RESULT: tuple[Affects, ...] = ("result", "start", "length")
"""What keys affect whose other values give another result."""
EVERYTHING: tuple[Affects, ...] = (*OF_THE_RESULT, "session", "place")
SEEDS = ("seed", "split_seed")
NOT_THERE = "not there"
"""What a run has that does not know a key, as those of another method."""
RUN = "run"
"""A column that tells runs apart by their folders."""

Config = Mapping[str, Any]


def differing(configs: Sequence[Config], affecting: Collection[Affects] = OF_THE_RESULT) -> dict[str, list[str]]:
    """Return each key that configurations have different values of, with a text for each configuration.

    Args:
        configs: of runs, as they are spelled today.
        affecting: the kinds of keys that are compared, by what another value of them changes.

    >>> differing([{"lr": 0.1, "seed": 0}, {"lr": 0.3, "seed": 0, "ns3l_weight": 1.0}])
    {'lr': ['0.1', '0.3'], 'ns3l_weight': ['not there', '1.0']}
    """
    found = {}
    for key in sorted({key for config in configs for key in config}):
        if affects_of(key) in affecting:
            values = [_text(config[key]) if key in config else NOT_THERE for config in configs]
            if len(set(values)) > 1:
                found[key] = values
    # What names a method comes first.
    return {key: found[key] for key in sorted(found, key=lambda key: key != "algorithm")}


def naming_keys(configs: Sequence[Config]) -> list[str]:
    """Return a few keys whose values tell apart all runs that differ in more than their seeds, the algorithm first."""
    values = {key: column for key, column in differing(configs).items() if key not in SEEDS}
    wanted = len(set(zip(*values.values(), strict=True))) if values else 1
    named = ["algorithm"]
    columns = [[_text(config.get("algorithm")) for config in configs]]
    for key, column in values.items():
        groups = len(set(zip(*columns, strict=True)))
        if groups == wanted:
            break
        if key != "algorithm" and len(set(zip(*columns, column, strict=True))) > groups:
            named.append(key)
            columns.append(column)
    return named


def paired_tables(
    names: Sequence[str], configs: Sequence[Config], rows: Sequence[Mapping[str, str]], measure: Measure | None = None
) -> list[Table]:
    """Return tables of the runs' test errors, with differences to the first run's line over the splits they share.

    Args:
        names: of the runs, all different.
        configs: their configurations.
        rows: their rows of results.
        measure: the figure; None: the first that all have.

    Raises:
        ConfigError: the runs have no such figure.
    """
    by = naming_keys(configs)
    columns = [{key: _text(config.get(key)) for key in by} for config in configs]
    lines = [
        (tuple(line.values()), row.get("seed"), row.get("split_seed")) for line, row in zip(columns, rows, strict=True)
    ]
    if len(set(lines)) < len(lines):
        by, columns = [*by, RUN], [{**line, RUN: name} for line, name in zip(columns, names, strict=True)]
    full = [{**row, **line} for row, line in zip(rows, columns, strict=True)]
    found = make_tables(full, by, measure or common_measure(rows), columns[0])
    # Nobody has asked for the first run's line where another protocol's table lacks it.
    return [replace(table, lacks_baseline=False) for table in found]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value, default=str)
