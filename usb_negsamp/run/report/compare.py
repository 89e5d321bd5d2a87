"""``usb-negsamp compare``: what differs between runs, in what they were asked and in how they end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.run.figures.compared_curves import check_own_picture, draw_compared
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.report.comparison import EVERYTHING, OF_THE_RESULT, differing, paired_tables
from usb_negsamp.run.report.latex import latex
from usb_negsamp.run.report.markdown import markdown
from usb_negsamp.run.report.measures import find_measure
from usb_negsamp.run.report.page.facts import RunFacts, names_of, read_run, runs_in
from usb_negsamp.run.report.page.run_part import Looked, figures
from usb_negsamp.run.report.page.write import check_replaceable, write_page

PICTURE = "compare.png"
ENDINGS = (".png", ".html")


def compare(
    places: Sequence[Path],
    out: Path,
    *,
    measure: str | None = None,
    every_key: bool = False,
    as_latex: bool = False,
    with_network: bool = True,
) -> None:
    """Print what differs between runs, and their figures; write their curves over each other.

    Args:
        places: runs, or sweeps and folders of runs; two runs at least.
        out: where the curves go: a picture, ``.png``, or the page of ``report``, ``.html``.
        measure: the name of a measure; None, the first that all runs have.
        every_key: whether keys are compared, too, that affect the session or the place alone.
        as_latex: whether the table of test errors is printed as LaTeX.
        with_network: whether a page reads data and networks.

    Raises:
        ConfigError: fewer than two runs, or the file cannot be written.
    """
    shown = find_measure(measure) if measure is not None else None
    runs = list(dict.fromkeys(run for place in places for run in _runs_in(place)))
    if len(runs) < 2:
        raise expected("compare", "at least two runs", "one" if runs else "none")
    if out.suffix not in ENDINGS:
        raise expected("--out", "a file that ends in .png or .html", str(out))
    (check_replaceable if out.suffix == ".html" else check_own_picture)(out)
    facts = [read_run(run) for run in runs]
    names = names_of(facts)
    print(_settings(facts, names, every_key))
    print(f"\n{_results(facts, names)}")
    there = [(name, one) for name, one in zip(names, facts, strict=True) if one.row and one.config]
    if len(there) > 1:
        configs, rows = [one.config for _, one in there], [one.row for _, one in there]
        for table in paired_tables([name for name, _ in there], configs, rows, shown):
            print(f"\n{latex(table) if as_latex else markdown(table)}")
    if out.suffix == ".html":
        write_page(runs, out, with_network=with_network)
    else:
        draw_compared({name: one.metrics for name, one in zip(names, facts, strict=True)}, out)


def _runs_in(place: Path) -> list[Path]:
    found = runs_in(place)
    if not found:
        raise ConfigError(f"{place} holds no run" if place.exists() else f"{place} does not exist")
    return found


def _settings(facts: Sequence[RunFacts], names: Sequence[str], every_key: bool) -> str:
    """The keys that differ, a column for each run."""
    keys = differing([one.config for one in facts], EVERYTHING if every_key else OF_THE_RESULT)
    if not keys:
        return "The configurations differ in nothing" + ("." if every_key else " that affects the result.")
    head = ["key", *names]
    return format_table(head, [[key, *values] for key, values in keys.items()], ["-"] * len(head))


def _results(facts: Sequence[RunFacts], names: Sequence[str]) -> str:
    """A line for each run: how it stands, and its figures."""
    found = [figures(Looked(one)) for one in facts]
    columns = list(dict.fromkeys(name for one in found for name in one))
    rows = [
        [name, one.state.kind, *(values.get(column, "") for column in columns)]
        for name, one, values in zip(names, facts, found, strict=True)
    ]
    return format_table(["run", "state", *columns], rows, ["-", "-", *["-:"] * len(columns)])
