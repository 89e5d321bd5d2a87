"""The rows of the papers' tables and figures: configurations, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from usb_negsamp.errors import ConfigError, did_you_mean, unknown
from usb_negsamp.run.configuration.headers import Header, read_header
from usb_negsamp.run.configuration.packaged import packaged_configs, plain_name
from usb_negsamp.run.sweep.papers.paper_settings import Override, chosen_names
from usb_negsamp.run.sweep.studies.study_file import packaged_studies

Keys = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PaperRow:
    """A row of a table: a configuration, what it says of itself, and where its runs are not what it says.

    Attributes:
        name: of its folder.
        title: what is trained.
        expected: of it, in the paper.
        path: of the configuration.
        keys: beside those of the file.
        scaled: keys that make its runs smaller than the paper's.
        overridden: keys that the user has given other values than the row's.
    """

    name: str
    title: str
    expected: str
    path: Path
    keys: Keys = ()
    scaled: Keys = ()
    overridden: tuple[Override, ...] = ()

    @property
    def given(self) -> dict[str, str]:
        """What a run of this row is given beside the file."""
        return {**dict(self.keys), **dict(self.scaled)}


def tables() -> dict[str, dict[Path, Header]]:
    """The configurations of each table and figure, by names as ``ns3l/table1`` and ``spl/figure3``."""
    found: dict[str, dict[Path, Header]] = {}
    for name, path in packaged_configs().items():
        paper, slash, _ = name.partition("/")
        header = read_header(path)
        places = dict.fromkeys((*header.tables, *(place for one in header.variants for place in one.tables)))
        for place in places if slash else ():
            found.setdefault(table_name(paper, place), {})[path] = header
    return dict(sorted(found.items()))


def table_name(paper: str, place: str) -> str:
    """Return the name of a table or figure.

    >>> table_name("spl", "Figure 3")
    'spl/figure3'
    """
    return f"{paper}/{place.lower().replace(' ', '')}"


def chosen_rows(
    table: str, only: str | None = None, given: Set[str] = frozenset(), within: str | None = None
) -> list[PaperRow]:
    """Return the rows of a table, or of one configuration.

    Args:
        table: its name, e.g. ``ns3l/table1``, or that of one of our configurations.
        only: names, or words of names, of its configurations between commas; None, all.
        given: keys that all runs are given, of which no row may be a variant.
        within: as ``only``, of which ``only`` chooses; None, of all.

    Raises:
        ConfigError: no such table, no such configuration in it, or nothing is left of it.
    """
    headers = _chosen_files(table, within, only)
    rows = [row for path, header in headers.items() for row in _rows_of(path, header, table, given)]
    if not rows:
        varied = {key for header in headers.values() for variant in header.variants for key, _ in variant.keys}
        raise ConfigError(f"{table} is the runs of several values of {', '.join(sorted(varied & given))}: leave it out")
    return rows


def _rows_of(path: Path, header: Header, table: str, given: Set[str]) -> Iterator[PaperRow]:
    """Yield the file's own row, and those of its variants whose keys are not given for all runs anyway."""
    paper = table.split("/")[0]

    def belongs(places: Sequence[str]) -> bool:
        return table in (table_name(paper, place) for place in places)

    whole_file = not belongs([*header.tables, *(place for one in header.variants for place in one.tables)])
    if whole_file or belongs(header.tables):
        yield PaperRow(path.stem, header.title, header.expected, path)
    for variant in header.variants:
        if (whole_file or belongs(variant.tables)) and not given & dict(variant.keys).keys():
            title = f"{header.title}, {' '.join(variant.words)}"
            yield PaperRow(f"{path.stem}_{variant.name}", title, variant.expected, path, variant.keys)


def _chosen_files(table: str, *choices: str | None) -> dict[Path, Header]:
    available, configs = tables(), packaged_configs()
    if table not in available:
        if plain_name(table) not in configs:
            known = [*available, *configs, *packaged_studies()]
            raise unknown("table", table, known if did_you_mean(table, known) else available)
        path = configs[plain_name(table)]
        available = {table: {path: read_header(path)}}
    names = [path.stem for path in available[table]]
    for only in choices:
        names = names if only is None else chosen_names(names, only)
    return {path: header for path, header in available[table].items() if path.stem in names}
