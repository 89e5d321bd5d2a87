"""The table that ``reproduce`` leaves: the paper's figures beside the measured ones, and what a method adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from usb_negsamp.run.configuration.headers import first_sentence
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.report.markdown import show_difference, show_spread
from usb_negsamp.run.report.measures import Measure, common_measure, find_measure
from usb_negsamp.run.report.paired_statistics import bootstrapped_difference, spread
from usb_negsamp.run.report.protocols import splits_differ
from usb_negsamp.run.sweep.papers.baselines import baseline_of, images_of, in_words
from usb_negsamp.run.sweep.papers.cited import Cited
from usb_negsamp.run.sweep.papers.rows import PaperRow
from usb_negsamp.run.sweep.papers.scales import Scale

ResultRows = Sequence[Mapping[str, str]]
CAPTION = (
    "Test error in percent, mean ± standard deviation over n label splits, and accuracy, of the model that is named "
    "behind it; a cell is empty where nothing has finished. Difference: in points of error to the named row on the "
    "same splits (below 0: fewer errors), with a 95% interval by the bootstrap over the splits, which of fewer than "
    "ten is narrow."
)


def table_text(
    table: Sequence[PaperRow],
    configs: Mapping[str, Mapping[str, Any]],
    measured_rows: Mapping[str, ResultRows],
    scale: Scale,
    cited: Sequence[Cited] = (),
) -> str:
    """Return the table as Markdown, a part for each set of images that rows share.

    Where the scale or keys that were given make the runs others than the paper's, the rows stand under a heading of
    their own, without the paper's figures.

    Args:
        table: the rows.
        configs: resolved, by the rows' names.
        measured_rows: of results, by the rows' names.
        scale: of the runs.
        cited: rows that are not trained, which stand below the paper's own.
    """
    of_settings: dict[str, list[PaperRow]] = {}
    for row in table:
        of_settings.setdefault(", ".join(f"{one.key} {one.value}" for one in row.overridden), []).append(row)
    blocks = [CAPTION]
    for settings, members in sorted(of_settings.items()):
        blocks += [line for line in [_heading(scale, settings)] if line]
        alike: dict[tuple[str, ...], list[PaperRow]] = {}
        for row in members:
            alike.setdefault(images_of(configs[row.name]), []).append(row)
        for rows in alike.values():
            blocks += [
                f"**{in_words([configs[row.name] for row in rows])}**",
                _part(rows, configs, measured_rows, scale),
            ]
        if cited and not settings and not scale.about:
            cells = [[row.method, f"{row.expected} in the paper", "not trained here"] for row in cited]
            blocks += ["**Cited**", format_table(["what", "expected", "measured"], cells, ["-"] * 3)]
    return "\n\n".join(blocks)


def _heading(scale: Scale, settings: str) -> str:
    """What makes the runs others than the paper's; empty where nothing does."""
    parts = [f"Scale {scale.name}: {scale.about}."] if scale.about else []
    if settings:
        parts.append(f"Not the {'scale' if scale.about else 'paper'}'s settings: {settings}.")
    return " ".join([*parts, "The paper's figures are not of these runs."]) if parts else ""


def _part(
    rows: Sequence[PaperRow],
    configs: Mapping[str, Mapping[str, Any]],
    measured_rows: Mapping[str, ResultRows],
    scale: Scale,
) -> str:
    of_rows = {row.name: configs[row.name] for row in rows}
    cells = []
    for row in rows:
        found = measured_rows[row.name]
        about = [row.title, *([] if scale.about else [first_sentence(row.expected)])]
        if row.overridden:
            about = [", ".join(f"{one.key} {one.of_paper}" for one in row.overridden)]
        number = str(len(found)) if found else ""
        cells.append([row.name, *about, measured(found), number, _compared(row.name, of_rows, measured_rows)])
    if rows[0].overridden:
        head = ["config", "at this scale" if scale.about else "in the paper"]
    else:
        head = ["config", *(["in place of"] if scale.about else ["what", "expected"])]
    return format_table([*head, "measured", "n", "difference"], cells, [*["-"] * (len(head) + 1), "-:", "-"])


def _compared(name: str, configs: Mapping[str, Mapping[str, Any]], measured_rows: Mapping[str, ResultRows]) -> str:
    """Return the difference of a row to its baseline in words; empty where there is none yet."""
    other = baseline_of(name, configs)
    if other is None or not measured_rows[name] or not measured_rows[other]:
        return ""
    if splits_differ(measured_rows[name], measured_rows[other]):
        return f"other splits than {other}"
    found = bootstrapped_difference(_errors(measured_rows[name]), _errors(measured_rows[other]))
    if found is None:
        return f"no split in common with {other}"
    pairs = "" if found.n == len(measured_rows[name]) else f" (n = {found.n})"
    return f"{show_difference(found)} to {other}{pairs}"


def _measure(rows: ResultRows) -> Measure:
    repaired = any(row.get("spl_test_acc") for row in rows)
    return find_measure("end") if repaired else common_measure(rows)


def _errors(rows: ResultRows) -> dict[str, float]:
    measure = _measure(rows)
    return {row["split_seed"]: error for row in rows if (error := measure.error(row)) is not None}


def measured(rows: ResultRows) -> str:
    """Test error and accuracy of one configuration in percent, mean ± standard deviation, and of which model.

    >>> row = {"spl_test_acc": "0.8", "test_acc_at_best": "0.7", "test_acc_last": "0.6"}
    >>> measured([row, {**row, "spl_test_acc": "0.9"}])
    '15.00 ± 7.07% test error, 85.00% accuracy (what the run ends with)'
    >>> measured([])
    ''
    """
    if not rows:
        return ""
    measure = _measure(rows)
    errors = [error for row in rows if (error := measure.error(row)) is not None]
    found = spread(errors)
    return f"{show_spread(found)}% test error, {100 - found.mean:.2f}% accuracy ({measure.rule})"
