"""``usb-negsamp reproduce``: all runs of a table of a paper, and its figures beside those that were measured."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.key import Key
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.headers import Header, first_sentence, read_header
from usb_negsamp.run.configuration.packaged import packaged_folder
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.directory import RESULTS
from usb_negsamp.run.report.markdown import show_spread
from usb_negsamp.run.report.measures import common_measure, find_measure
from usb_negsamp.run.report.paired_statistics import spread
from usb_negsamp.run.sweep.grid import make_plan, parse
from usb_negsamp.run.sweep.plan import Plan, Run
from usb_negsamp.run.sweep.sweep import Sweep, check_place, run_plan
from usb_negsamp.run.sweep.workers import Launcher

USAGE = """\
usage: usb-negsamp reproduce TABLE [--only TEXT,TEXT] [--dry_run] [--seeds N] [--jobs N] [--key value ...]

Trains every configuration of a table of a paper, with N seeds each, and prints the paper's figure beside the measured
one. `usb-negsamp list configs --markdown` shows what is there. The same command again goes on: finished runs are kept,
interrupted ones resumed.

  TABLE              e.g. ns3l/table1, dnll/table5 or spl/table3
  --only TEXT,TEXT   only the configurations whose name contains one of the texts, e.g. cifar10
  --dry_run          prints the commands, one a run, and trains nothing
  --seeds N          seeds 0 to N-1, each setting seed and split_seed (default 5)
  --save_dir DIR     where the folder TABLE comes to be (default ./saved_models), with results.csv and table.md
  --jobs, --slurm, --overwrite, --key value   as for sweep, for all runs

A paper's table is weeks of GPU time; the configurations' headers say what is known of it.
"""

SEEDS = 5
SAVE_DIR = "./saved_models"
TABLE_FILE = "table.md"


def reproduce(words: Sequence[str]) -> int:
    """Train the table that the command line names and show it; return the exit code of the sweep.

    Raises:
        ConfigError: no such table, no such configuration in it, or a run that cannot be.
    """
    if not words or words[0].startswith("-"):
        raise ConfigError("reproduce needs a table first, e.g. ns3l/table1; usb-negsamp reproduce --help says more")
    table, *rest = words
    asked = command_line.parse(rest)
    given = asked.given
    if asked.config_file:
        raise ConfigError("reproduce takes the table's own configurations: --c cannot be given")
    for key in ("only", "save_dir"):
        if key in given and not given[key]:
            raise ConfigError(f"--{key} needs a value")
    if "save_name" in given:
        raise ConfigError("save_name cannot be given: a table names its folders itself; give save_dir")
    headers = _chosen(table, given.pop("only", None))
    only_show = "dry_run" in given and Key("dry_run", bool, False).converted(
        given.pop("dry_run") or "true", "command line"
    )
    directory = Path(given.pop("save_dir", None) or SAVE_DIR) / table.replace("/", "_")
    words_of_all = [f"--{key}" if text is None else f"--{key}={text}" for key, text in given.items()]
    if "seeds" not in given:
        words_of_all += ["--seeds", str(SEEDS)]
    requests = [
        parse(["--c", str(path), "--save_dir", str(directory), "--save_name", path.stem, *words_of_all])
        for path in headers
    ]
    check_place(requests[0])
    plan = _joined(directory, [make_plan(request) for request in requests])
    if only_show:
        for run in plan.runs:
            print(shlex.join(["usb-negsamp", "train", *run.argv]))
        return 0
    return run_plan(plan, requests[0], functools.partial(Reproduction, {p.stem: h for p, h in headers.items()}))


def tables() -> dict[str, dict[Path, Header]]:
    """The configurations of each table, by names as ``ns3l/table1``."""
    found: dict[str, dict[Path, Header]] = {}
    for path in sorted(packaged_folder("config").glob("*/*.yaml")):
        header = read_header(path)
        for number in header.tables:
            found.setdefault(f"{path.parent.name}/table{number}", {})[path] = header
    return dict(sorted(found.items()))


def _chosen(table: str, only: str | None) -> dict[Path, Header]:
    available = tables()
    if table not in available:
        raise unknown("table", table, available)
    texts = [text.strip() for text in (only or "").split(",") if text.strip()]
    chosen = {
        path: header
        for path, header in available[table].items()
        if not texts or any(text in path.stem for text in texts)
    }
    if not chosen:
        names = ", ".join(path.stem for path in available[table])
        raise ConfigError(f"--only: no configuration of {table} has {only!r} in its name; there are {names}")
    return chosen


def _joined(directory: Path, plans: Sequence[Plan]) -> Plan:
    """One plan of all; its runs are named by their paths from ``directory``."""
    runs = [dataclasses.replace(run, name=f"{plan.directory.name}/{run.name}") for plan in plans for run in plan.runs]
    return Plan(directory, tuple(runs), {})


class Reproduction(Sweep):
    """The session of a table: a sweep whose summary has a line for each configuration.

    Args:
        headers: of the configurations, by their names.
    """

    def __init__(self, headers: dict[str, Header], plan: Plan, jobs: int, launcher: Launcher) -> None:
        super().__init__(plan, jobs, launcher)
        self.headers = headers

    def figures(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> list[str]:
        """Write table.md, and return it with the places of the files."""
        of_config: dict[str, list[dict[str, str]]] = {name: [] for name in self.headers}
        for run, row in rows:
            of_config[run.name.split("/")[0]].append(row)
        cells = [
            [name, header.title, first_sentence(header.expected), measured(of_config[name]), str(len(of_config[name]))]
            for name, header in self.headers.items()
        ]
        text = format_table(["config", "what", "expected", "measured", "n"], cells, ["-", "-", "-", "-", "-:"])
        write_atomically(self.plan.directory / TABLE_FILE, text + "\n")
        files = {"results": RESULTS, "table": TABLE_FILE}
        return [text, *(f"  {name:<11} {self.plan.directory / file}" for name, file in files.items())]


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
