"""``usb-negsamp reproduce``: all runs of a table of a paper, and its figures beside those that were measured."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError, did_you_mean, unknown
from usb_negsamp.run.configuration.headers import Header, first_sentence, read_header
from usb_negsamp.run.configuration.packaged import packaged_configs, plain_name
from usb_negsamp.run.configuration.resolution import read_sources
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.directory import RESULTS
from usb_negsamp.run.report.markdown import show_spread
from usb_negsamp.run.report.measures import common_measure, find_measure
from usb_negsamp.run.report.paired_statistics import spread
from usb_negsamp.run.sweep.cited import Cited, cited_rows
from usb_negsamp.run.sweep.grid import Request, make_plan
from usb_negsamp.run.sweep.paper_settings import Override, chosen_names, overrides
from usb_negsamp.run.sweep.plan import Plan, Run, resolve_and_check
from usb_negsamp.run.sweep.sweep import Sweep, check_place, run_plan
from usb_negsamp.run.sweep.workers import Launcher

SEEDS = 5
SAVE_DIR = "./saved_models"
TABLE_FILE = "table.md"


def reproduce(
    table: str, request: Request, *, only: str | None = None, save_dir: str | None = None, dry_run: bool = False
) -> int:
    """Train a table and show it; return the exit code of the sweep.

    Args:
        table: its name, e.g. ``ns3l/table1``, or that of one of our configurations.
        request: what all runs share, and how they are worked off.
        only: names, or words of names, of the configurations to train, between commas; None, all.
        save_dir: where the table's folder comes to be; None, the folder of all runs.
        dry_run: whether to print the commands and train nothing.

    Raises:
        ConfigError: no such table, no such configuration in it, or a run that cannot be.
    """
    rows = _chosen(table, only, request)
    directory = Path(save_dir or SAVE_DIR) / plain_name(table).replace("/", "_")
    of_all = dataclasses.replace(
        request,
        given={"save_dir": str(directory), **request.given},
        seeds=SEEDS if request.seeds is None else request.seeds,
    )
    check_place(of_all)
    plans = [make_plan(_request_of(row, of_all)) for row in rows]
    plan = _joined(directory, plans)
    cited = cited_rows(table) if only is None else ()
    if dry_run:
        for run in plan.runs:
            print(shlex.join(["usb-negsamp", "train", *run.argv]))
        for row in cited:
            print(f"cited: {row.method}, {row.expected}")
        return 0
    shown = [_with_overrides(row, request, one) for row, one in zip(rows, plans, strict=True)]
    return run_plan(plan, of_all, functools.partial(Reproduction, shown, cited))


def _request_of(row: PaperRow, of_all: Request) -> Request:
    return dataclasses.replace(
        of_all, config_file=str(row.path), name=row.name, given={**dict(row.keys), **of_all.given}
    )


def _with_overrides(row: PaperRow, request: Request, plan: Plan) -> PaperRow:
    words = [word for key, value in row.keys for word in (f"--{key}", value)]
    of_paper = resolve_and_check(read_sources(["--c", str(row.path), *words])).mapping
    return dataclasses.replace(row, overridden=overrides(request.given, plan.runs[0].config, of_paper))


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


def _chosen(table: str, only: str | None, request: Request) -> list[PaperRow]:
    headers = _chosen_files(table, only)
    given = request.given.keys() | request.grid.keys()
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


def _chosen_files(table: str, only: str | None) -> dict[Path, Header]:
    available, configs = tables(), packaged_configs()
    if table not in available:
        if plain_name(table) not in configs:
            known = [*available, *configs]
            raise unknown("table", table, known if did_you_mean(table, known) else available)
        path = configs[plain_name(table)]
        available = {table: {path: read_header(path)}}
    if only is None:
        return available[table]
    names = chosen_names([path.stem for path in available[table]], only)
    return {path: header for path, header in available[table].items() if path.stem in names}


def _joined(directory: Path, plans: Sequence[Plan]) -> Plan:
    """One plan of all; its runs are named by their paths from ``directory``."""
    runs = [dataclasses.replace(run, name=f"{plan.directory.name}/{run.name}") for plan in plans for run in plan.runs]
    return Plan(directory, tuple(runs), {})


@dataclasses.dataclass(frozen=True)
class PaperRow:
    """A row of a table: a configuration, what it says of itself, and where its runs are not what it says.

    Attributes:
        name: of its folder.
        title: what is trained.
        expected: of it, in the paper.
        path: of the configuration.
        keys: beside those of the file.
        overridden: keys that the user has given other values than the paper's.
    """

    name: str
    title: str
    expected: str
    path: Path
    keys: tuple[tuple[str, str], ...] = ()
    overridden: tuple[Override, ...] = ()


class Reproduction(Sweep):
    """The session of a table: a sweep whose summary has a line for each configuration.

    Args:
        table: its rows.
        cited: rows of the paper's that are not trained here.
    """

    def __init__(
        self, table: Sequence[PaperRow], cited: Sequence[Cited], plan: Plan, jobs: int, launcher: Launcher
    ) -> None:
        super().__init__(plan, jobs, launcher)
        self.table = table
        self.cited = cited

    def figures(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> list[str]:
        """Write table.md, and return it with the places of the files."""
        of_config: dict[str, list[dict[str, str]]] = {row.name: [] for row in self.table}
        for run, row in rows:
            of_config[run.name.split("/")[0]].append(row)
        text = table_text(self.table, of_config, self.cited)
        write_atomically(self.plan.directory / TABLE_FILE, text + "\n")
        files = {"results": RESULTS, "table": TABLE_FILE}
        return [text, *(f"  {name:<11} {self.plan.directory / file}" for name, file in files.items())]


def table_text(
    table: Sequence[PaperRow], measured_rows: Mapping[str, Sequence[Mapping[str, str]]], cited: Sequence[Cited] = ()
) -> str:
    """Return the table as Markdown: the paper's figures beside the measured ones.

    Where keys were given that make the runs others than the paper's, the rows stand under a heading of their own,
    without the paper's figures.

    Args:
        table: the rows.
        measured_rows: of results, by the rows' names.
        cited: rows that are not trained, which stand below the paper's own.
    """
    of_settings: dict[str, list[PaperRow]] = {}
    for row in table:
        of_settings.setdefault(", ".join(f"{one.key} {one.value}" for one in row.overridden), []).append(row)
    blocks = []
    for settings, members in sorted(of_settings.items()):
        found = [[measured(measured_rows[row.name]), str(len(measured_rows[row.name]))] for row in members]
        if settings:
            blocks.append(f"Not the paper's settings: {settings}. The paper's figures are not of these runs.")
            about = [", ".join(f"{one.key} {one.of_paper}" for one in row.overridden) for row in members]
            cells = [[row.name, paper, *own] for row, paper, own in zip(members, about, found, strict=True)]
            head = ["config", "in the paper", "measured", "n"]
        else:
            said = [[row.title, first_sentence(row.expected)] for row in members]
            cells = [[row.name, *paper, *own] for row, paper, own in zip(members, said, found, strict=True)]
            cells += [["cited", row.method, f"{row.expected} in the paper", "not trained here", ""] for row in cited]
            head = ["config", "what", "expected", "measured", "n"]
        blocks.append(format_table(head, cells, ["-"] * (len(head) - 1) + ["-:"]))
    return "\n\n".join(blocks)


def measured(rows: Sequence[Mapping[str, str]]) -> str:
    """Test error and accuracy of one configuration in percent, mean ± standard deviation, and of which model.

    >>> row = {"spl_test_acc": "0.8", "test_acc_at_best": "0.7", "test_acc_last": "0.6"}
    >>> measured([row, {**row, "spl_test_acc": "0.9"}])
    '15.00 ± 7.07% test error, 85.00% accuracy (what the run ends with)'
    >>> measured([])
    'nothing yet'
    """
    if not rows:
        return "nothing yet"
    repaired = any(row.get("spl_test_acc") for row in rows)
    measure = find_measure("end") if repaired else common_measure(rows)
    errors = [error for row in rows if (error := measure.error(row)) is not None]
    found = spread(errors)
    return f"{show_spread(found)}% test error, {100 - found.mean:.2f}% accuracy ({measure.rule})"
