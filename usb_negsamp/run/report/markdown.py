"""Tables of test errors as Markdown, and the block of a README that a table is written into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.results import OPEN_SET_OF_LAST
from usb_negsamp.run.report.paired_statistics import Difference, Spread
from usb_negsamp.run.report.protocols import Group
from usb_negsamp.run.report.tables import Table


def markdown(table: Table) -> str:
    """Return the caption and the table."""
    found = cells(table)
    marks = ["-:" if is_number else "-" for is_number in found.numbers]
    return f"{caption(table)}\n\n{format_table(found.head, found.rows, marks)}"


@dataclass(frozen=True)
class Cells:
    """A table as texts.

    Attributes:
        head: the columns' names.
        rows: a text for each column.
        numbers: for each column, whether it holds numbers.
    """

    head: list[str]
    rows: list[list[str]]
    numbers: list[bool]


def cells(table: Table) -> Cells:
    """Return what stands in the table, as every form of it has it."""
    compared = table.baseline is not None
    head = [*table.by, f"test error (%), {table.measure.rule}", "n"]
    if compared:
        head.append(f"difference to {_named(table, table.baseline)}")
    head += table.further
    rows = []
    for group in table.lines:
        row = [*group, show_spread(table.spread_of(group)), str(len(table.lines[group]))]
        if compared:
            row.append(_difference(table, group))
        row += [show_spread(found[group], 3) if group in found else "" for found in table.further.values()]
        rows.append(row)
    return Cells(head, rows, [False] * len(table.by) + [True] * (len(head) - len(table.by)))


def caption(table: Table) -> str:
    """Return what the figures are: protocol, selection rule, spread, splits, and how differences were made."""
    seeds = sorted({seed for line in table.lines.values() for seed in line}, key=lambda seed: (len(seed), seed))
    sentences = [
        f"{_protocol(table)}.",
        f"Test error in percent {table.measure.meaning}; mean ± standard deviation over n label "
        f"splits (split {'seeds' if len(seeds) > 1 else 'seed'} {', '.join(seeds)}).",
    ]
    if table.differing:
        sentences.append(f"The lines are of one protocol but for {_and(table.differing)}.")
    if any(table.runs[group] != len(line) for group, line in table.lines.items()):
        sentences.append(f"Runs on the same split were averaged first ({sum(table.runs.values())} runs).")
    if table.baseline is not None:
        sentences.append(
            f"Difference to {_named(table, table.baseline)} on the same splits, in points of error (below 0: fewer "
            "errors), with its 95% interval (paired t)."
        )
    if table.lacks_baseline:
        sentences.append("No line here is the baseline that was asked for.")
    if table.unlike:
        sentences.append("Where it says so, the baseline had other splits under the same seeds, and no pair was made.")
    if table.further:
        sentences.append("Further columns: mean ± standard deviation over the same splits.")
        of_best = [column for column in table.further if f"{column}_last" in OPEN_SET_OF_LAST]
        if of_best and table.measure.name != "best":
            verb = "is" if len(of_best) == 1 else "are"
            sentences.append(f"{_and(of_best)} {verb} of the model that was best on validation, where there was any.")
    if table.has_copies:
        sentences.append(
            "A run that reads no unlabeled images stands for every value of what these are: its figure is in each of "
            "these lines."
        )
    if table.dropped:
        left_out = (
            "1 run has no such figure and is" if table.dropped == 1 else f"{table.dropped} runs have none and are"
        )
        sentences.append(f"{left_out} left out.")
    return " ".join(sentences)


def show_spread(found: Spread, digits: int = 2) -> str:
    """Return ``mean ± std`` with so many digits after the point.

    >>> show_spread(Spread(3.456, 0.5, 3))
    '3.46 ± 0.50'
    >>> show_spread(Spread(3.456, None, 1))
    '3.46'
    """
    return f"{found.mean:.{digits}f}" + ("" if found.std is None else f" ± {found.std:.{digits}f}")


def show_difference(found: Difference) -> str:
    """Return ``mean [low, high]``.

    >>> show_difference(Difference(-0.5, (-1.0, 0.0), 5))
    '-0.50 [-1.00, +0.00]'
    """
    interval = "" if found.interval is None else f" [{found.interval[0]:+.2f}, {found.interval[1]:+.2f}]"
    return f"{found.mean:+.2f}{interval}"


def update_block(path: Path, name: str, content: str) -> bool:
    """Put ``content`` between ``<!-- table NAME -->`` and ``<!-- /table -->``; return whether that changed the file.

    Raises:
        ConfigError: the file cannot be read, or has not exactly one such block.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot update {path}: {error}") from error
    opening, closing = f"<!-- table {name} -->", "<!-- /table -->"
    count = text.count(opening)
    if count != 1:
        found = "no such line" if count == 0 else f"{count} of them"
        raise ConfigError(f"{path}: expected one line {opening} and after it {closing}, but it has {found}")
    start = text.index(opening) + len(opening)
    end = text.find(closing, start)
    following = re.search(r"<!-- table \S+ -->", text[start:])
    if end < 0 or (following and start + following.start() < end):
        raise ConfigError(f"{path}: the block {opening} has no {closing}")
    changed = f"{text[:start]}\n{content.strip()}\n{text[end:]}"
    if changed == text:
        return False
    write_atomically(path, changed)
    return True


def _and(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _named(table: Table, group: Group | None) -> str:
    return " ".join(text for text in group or () if text)


def _difference(table: Table, group: Group) -> str:
    if group == table.baseline:
        return ""
    if group in table.unlike:
        return "other splits"
    found = table.difference_of(group)
    if found is None:
        return "no common split"
    pairs = "" if found.n == len(table.lines[group]) else f" (n = {found.n})"
    return show_difference(found) + pairs


def _protocol(table: Table) -> str:
    """Return the protocol's values in words."""
    have = {name: value for name, value in table.protocol.items() if value}
    words = [have.pop("dataset", "any data")]
    if "num_labels" in have:
        words.append(f"{have.pop('num_labels')} labels")
    classes = have.pop("num_classes", None)
    if classes:
        words.append(f"{classes} classes")
    if "net" in have:
        words.append(have.pop("net"))
    if "num_train_iter" in have:
        words.append(f"{have.pop('num_train_iter')} iterations")
    if "batch_size" in have and "uratio" in have:
        size, ratio = have.pop("batch_size"), have.pop("uratio")
        words.append(f"batches of {size} labeled + {_times(size, ratio)} unlabeled")
    return ", ".join([*words, *(f"{name} {value}" for name, value in have.items())])


def _times(size: str, ratio: str) -> str:
    try:
        return f"{float(size) * float(ratio):g}"
    except ValueError:
        return f"{ratio} x {size}"
