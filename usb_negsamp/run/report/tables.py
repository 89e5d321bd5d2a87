"""Tables of test errors, computed from results rows: mean, spread, n, and paired differences to a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.records.results import COPY_OF
from usb_negsamp.run.report.measures import Measure
from usb_negsamp.run.report.paired_statistics import Difference, Spread, paired_difference, spread
from usb_negsamp.run.report.protocols import PROTOCOL, TRAINING, Group, Row, grouped, set_together, splits_differ


@dataclass(frozen=True)
class Table:
    """The table of one protocol.

    Attributes:
        protocol: the protocol's values, by column.
        by: the columns that name a line, and those in which the lines' training differs.
        measure: the figure shown.
        lines: error in percent for each split seed, for each group.
        runs: how many rows each group has.
        baseline: the group that the others are compared to.
        unlike: groups whose splits are not the baseline's under the same seeds, so that no pair can be made.
        dropped: rows without the figure.
        further: other columns asked for, each with its spread over the splits where all rows of a group have it.
        differing: the columns of ``by`` that are there because the lines' training differs in them.
        lacks_baseline: whether a baseline was asked for, of which no line is.
        has_copies: whether rows are copies of a run's at other values of the keys that it does not depend on.
    """

    protocol: dict[str, str]
    by: tuple[str, ...]
    measure: Measure
    lines: dict[Group, dict[str, float]]
    runs: dict[Group, int]
    baseline: Group | None
    unlike: frozenset[Group]
    dropped: int
    further: dict[str, dict[Group, Spread]] = field(default_factory=dict)
    differing: tuple[str, ...] = ()
    lacks_baseline: bool = False
    has_copies: bool = False

    def spread_of(self, group: Group) -> Spread:
        """Return mean and spread over the splits."""
        return spread(list(self.lines[group].values()))

    def difference_of(self, group: Group) -> Difference | None:
        """Return the difference to the baseline, paired over the splits; None where no pair can be made."""
        if self.baseline is None or group == self.baseline or group in self.unlike:
            return None
        return paired_difference(self.lines[group], self.lines[self.baseline])


def make_tables(
    rows: Sequence[Row],
    by: Sequence[str],
    measure: Measure,
    baseline: str | Mapping[str, str] | None,
    further: Sequence[str] = (),
) -> list[Table]:
    """Return a table for each protocol among the rows.

    Args:
        rows: of results files.
        by: the columns that name a line.
        measure: the figure shown.
        baseline: the group to compare to: a value of the first column of ``by``, or ``column=value,column=value``, or
            the values by their columns.
        further: columns of numbers to be shown beside the figure.

    Raises:
        ConfigError: a column that no row has or that holds other things than numbers, no row with the figure, or a
            baseline that is not one group.
    """
    columns = {name for row in rows for name in row}
    for name in (*by, *further):
        if name not in columns:
            raise unknown("column", name, columns)
    wanted = _wanted(baseline, by)
    tables = [_table(members, tuple(by), measure, wanted, further) for members in set_together(rows, by)]
    tables = [table for table in tables if table.lines]
    if not tables:
        raise ConfigError(f"no run has the figure {measure.rule!r}; give another --measure")
    if wanted and all(table.baseline is None for table in tables):
        raise _no_baseline(wanted, tables)
    return tables


def _table(
    rows: Sequence[Row], by: tuple[str, ...], measure: Measure, wanted: Mapping[str, str], further: Sequence[str]
) -> Table:
    shown = [row for row in rows if measure.error(row) is not None]
    differing = tuple(name for name in TRAINING if name not in by and len({row.get(name) or "" for row in shown}) > 1)
    by = (*by, *differing)
    groups = grouped(shown, by)
    for group, members in groups.items():
        _check_seeds(group, members)
    lines = {group: _by_split([(row, measure.error(row)) for row in groups[group]]) for group in _in_order(groups)}
    runs = {group: len(members) for group, members in groups.items()}
    protocol = {name: rows[0].get(name, "") for name in PROTOCOL if name not in by}
    matching = [
        group for group in lines if wanted and _matches({**protocol, **dict(zip(by, group, strict=True))}, wanted)
    ]
    if len(matching) > 1:
        first = "; ".join(" ".join(group) for group in matching[:4])
        raise ConfigError(
            f"the baseline: expected one line of the table, but {len(matching)} fit: {first}; "
            "give --baseline column=value,column=value"
        )
    chosen = matching[0] if matching else None
    unlike = () if chosen is None else (group for group in lines if splits_differ(groups[group], groups[chosen]))
    return Table(
        protocol,
        by,
        measure,
        lines,
        runs,
        chosen,
        frozenset(unlike),
        dropped=len(rows) - len(shown),
        further={name: _spreads(groups, name) for name in further},
        differing=differing,
        lacks_baseline=bool(wanted) and chosen is None,
        has_copies=any(row.get(COPY_OF) for row in shown),
    )


def _check_seeds(group: Group, rows: Sequence[Row]) -> None:
    """Refuse to average runs that share both seeds: they differ in something that the table would not show."""
    seen: dict[tuple[str, str], str] = {}
    for row in rows:
        seeds = (row.get("seed", ""), row["split_seed"])
        if seeds in seen:
            raise ConfigError(
                f"{' '.join(group)} has two runs of seed {seeds[0]} and split_seed {seeds[1]}, {seen[seeds]} and "
                f"{row.get('save_name', '?')}: tell them apart with --by, e.g. --by algorithm,save_name"
            )
        seen[seeds] = row.get("save_name", "?")


def _by_split(figures: Iterable[tuple[Row, float | None]]) -> dict[str, float]:
    """Return one figure for each split: the splits are the sample, and runs on one split are averaged first."""
    found: dict[str, list[float]] = {}
    for row, figure in figures:
        if figure is not None:
            found.setdefault(row["split_seed"], []).append(figure)
    return {seed: spread(found[seed]).mean for seed in sorted(found, key=_number_first)}


def _spreads(groups: Mapping[Group, Sequence[Row]], column: str) -> dict[Group, Spread]:
    """Return mean and spread of a column of numbers, for the groups whose rows all have it."""
    found = {}
    for group, rows in groups.items():
        texts = [row.get(column) or "" for row in rows]
        if not all(texts):
            continue
        values = [_number(text) for text in texts]
        words = [text for text, value in zip(texts, values, strict=True) if isinstance(value, str)]
        if words:
            raise ConfigError(f"column {column} holds {words[0]!r}, of which there is no mean; name it with --by")
        pairs = [(row, float(value)) for row, value in zip(rows, values, strict=True)]
        found[group] = spread(list(_by_split(pairs).values()))
    return found


def _wanted(baseline: str | Mapping[str, str] | None, by: Sequence[str]) -> dict[str, str]:
    """Return the baseline as column and value pairs."""
    if baseline is None:
        return {}
    if not isinstance(baseline, str):
        return dict(baseline)
    if "=" not in baseline:
        return {by[0]: baseline}
    wanted = {}
    for part in baseline.split(","):
        column, equals, value = part.partition("=")
        if not equals or column not in (*by, *TRAINING):
            raise ConfigError(f"--baseline: expected column=value of {', '.join(by)}, but got {part!r}")
        wanted[column] = value
    return wanted


def _matches(values: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(values[column] == value or _number(values[column]) == _number(value) for column, value in wanted.items())


def _no_baseline(wanted: Mapping[str, str], tables: Sequence[Table]) -> ConfigError:
    column, value = next(iter(wanted.items()))
    present = {
        {**table.protocol, **dict(zip(table.by, group, strict=True))}[column]
        for table in tables
        for group in table.lines
    }
    if value not in present:
        return unknown("baseline", value, present)
    return ConfigError("no line is the baseline " + ", ".join(f"{key}={text}" for key, text in wanted.items()))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _number_first(text: str) -> tuple[bool, float, str]:
    number = _number(text)
    return (False, number, "") if isinstance(number, float) else (True, 0.0, text)


def _in_order(groups: Iterable[Group]) -> list[Group]:
    """Return the groups column by column: numbers ascending, then texts as the rows bring them."""
    groups = list(groups)
    ranks: dict[str, int] = {}
    for text in (text for group in groups for text in group):
        ranks.setdefault(text, len(ranks))

    def key(text: str) -> tuple[bool, float]:
        number = _number(text)
        return (False, number) if isinstance(number, float) else (True, float(ranks[text]))

    return sorted(groups, key=lambda group: [key(text) for text in group])
