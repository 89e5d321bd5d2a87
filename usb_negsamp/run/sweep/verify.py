"""``usb-negsamp verify``: configurations of the package, trained as they are, beside the intervals of their headers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from usb_negsamp import __version__
from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.configuration.headers import Interval, read_header
from usb_negsamp.run.configuration.packaged import packaged_configs, plain_name
from usb_negsamp.run.configuration.resolution import read_sources
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.directory import RESULTS
from usb_negsamp.run.records.versions import distribution_version
from usb_negsamp.run.report.measures import MEASURES, Measure
from usb_negsamp.run.sweep.grid import Request
from usb_negsamp.run.sweep.plan import Plan, Run, place_run, resolve_and_check
from usb_negsamp.run.sweep.sweep import Sweep, check_place, run_plan
from usb_negsamp.run.sweep.workers import Launcher

SAVE_DIR = "./saved_models"
TABLE_FILE = "verify.md"


def verify(
    names: Sequence[str] = (),
    *,
    jobs: int = 1,
    device: str | None = None,
    overwrite: bool = False,
    save_dir: str | None = None,
) -> int:
    """Train configurations and compare; return 0 where every test error is in its interval, else 1.

    Args:
        names: of configurations; none, all that have an interval.
        jobs: runs at a time.
        device: where they compute; None, where each says.
        overwrite: whether to train again what has finished.
        save_dir: where the folder of the runs comes to be; None, the folder of all runs.

    Raises:
        ConfigError: no such configuration, or one without an interval.
    """
    intervals = chosen_intervals(names)
    request = Request(None, {} if device is None else {"device": device}, {}, jobs=jobs, overwrite=overwrite)
    check_place(request)

    import usb_negsamp

    usb_negsamp.register()
    directory = Path(save_dir or SAVE_DIR) / folder_name(__version__, distribution_version("torch") or "unknown")
    runs = tuple(_run(name, directory, request) for name in intervals)
    session = functools.partial(Verification, intervals)
    return run_plan(Plan(directory, runs, {}), request, session)


def chosen_intervals(names: Sequence[str]) -> dict[str, Interval]:
    """Return the intervals of the configurations ``names``, or of all that have one.

    Raises:
        ConfigError: no such configuration, or one without an interval.
    """
    configs = packaged_configs()
    found = {name: interval for name, path in configs.items() if (interval := read_header(path).interval) is not None}
    if not names:
        return found
    wanted = list(dict.fromkeys(map(plain_name, names)))
    for name in wanted:
        if name not in configs:
            raise unknown("configuration", name, found)
        if name not in found:
            raise ConfigError(
                f"{name}: expected a configuration with an interval in its header, but it has none; "
                f"these have: {', '.join(found)}"
            )
    return {name: found[name] for name in wanted}


def folder_name(version: str, torch: str) -> str:
    """Return the folder of what these versions have trained: other versions train all anew.

    >>> folder_name("0.2.0", "2.11.0+cpu")
    'verify_0.2.0_torch2.11.0-cpu'
    """
    return f"verify_{version}_torch{torch}".replace("+", "-")


def _run(name: str, directory: Path, request: Request) -> Run:
    sources = read_sources(["--c", str(packaged_configs()[name])])
    sources.given = dict(request.given)
    return place_run(sources, resolve_and_check(sources), directory / Path(name).name)


def measure_of(interval: Interval) -> Measure:
    """Return the measure that an interval is of.

    Raises:
        ConfigError: there is none by its rule.
    """
    for measure in MEASURES:
        if measure.rule == interval.rule:
            return measure
    raise unknown("rule", interval.rule, [measure.rule for measure in MEASURES])


class Verification(Sweep):
    """The session: a sweep whose summary has a line for each configuration, and that fails where one is outside.

    Args:
        intervals: by the configurations' names, in the order of the plan's runs.
    """

    def __init__(self, intervals: Mapping[str, Interval], plan: Plan, jobs: int, launcher: Launcher) -> None:
        super().__init__(plan, jobs, launcher)
        self.intervals = {run.name: interval for run, interval in zip(plan.runs, intervals.values(), strict=True)}
        self.outside: list[str] = []

    def execute(self, todo: Sequence[tuple[Run, Sequence[str]]]) -> int:
        """Run what is to do, and return the exit code."""
        code = super().execute(todo)
        return code or int(bool(self.outside))

    def figures(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> list[str]:
        """Write verify.md, and return it with the verdict and the places of the files."""
        cells = []
        for run, row in rows:
            interval = self.intervals[run.name]
            error = measure_of(interval).error(row)
            if error is None or not interval.holds(error):
                self.outside.append(run.name)
            shown = "none" if error is None else f"{error:.1f}"
            verdict = "OUTSIDE" if run.name in self.outside else "inside"
            cells.append([run.name, shown, f"{interval.low:.1f} to {interval.high:.1f}", interval.rule, verdict])
        head = ["config", "test error (%)", "expected", "of the model", "verdict"]
        table = format_table(head, cells, ["-", "-:", "-", "-", "-"])
        write_atomically(self.plan.directory / TABLE_FILE, table + "\n")
        verdict = f"outside: {', '.join(self.outside)}" if self.outside else f"all {len(rows)} inside"
        files = {"results": RESULTS, "table": TABLE_FILE}
        places = [f"  {name:<11} {self.plan.directory / file}" for name, file in files.items()]
        return [table, f"  verdict     {verdict}", *places]
