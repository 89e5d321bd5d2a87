"""What one method has over another on the same splits: a table of paired differences from the rows of a study.

    python benchmarks/pairs.py ROWS.csv ... [--also "METHOD=OTHER" ...] [--measure NAME] [--update PAGE.md --table NAME]

One line for each method ``A + B`` (or ``A + B, how``) beside ``A``, where both are there, and for each pair of
``--also``; one column for each data set and setting of the rows: the difference of test errors in points (below 0:
fewer errors of the first), mean over the splits that both have, with its 95% interval (paired t).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.csv_file import read_csv
from usb_negsamp.run.report.markdown import show_difference, update_block
from usb_negsamp.run.report.measures import Measure, find_measure
from usb_negsamp.run.report.paired_statistics import paired_difference

ADDED = " + "
Pair = tuple[str, str]
Errors = dict[str, dict[str, dict[str, float]]]
"""Test errors in percent by column, method and split."""


def errors_of(rows: Iterable[Mapping[str, str]], measure: Measure) -> Errors:
    """The rows' errors, by where they were measured."""
    found: Errors = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        error = measure.error(row)
        if error is not None:
            column = ", ".join(filter(None, (row["data"], row.get("setting"))))
            found[column][row["method"]][row["split_seed"]] = error
    return found


def pairs_among(methods: Sequence[str]) -> list[Pair]:
    """Each method that stands around another of them, and that other.

    >>> pairs_among(["VAT", "VAT + EntMin", "VAT + NS3L, gated", "Pi + NS3L"])
    [('VAT + EntMin', 'VAT'), ('VAT + NS3L, gated', 'VAT')]
    """
    return [(method, base) for method in methods if (base := method.rpartition(ADDED)[0]) in methods]


def named(words: Iterable[str], methods: Sequence[str]) -> list[Pair]:
    """The pairs of ``METHOD=OTHER``; names may hold that sign themselves.

    >>> named(["DNLL, m = 3=DNLL, m = 1", "DNLL, m = 1=VAT"], ["DNLL, m = 1", "DNLL, m = 3", "VAT"])
    [('DNLL, m = 3', 'DNLL, m = 1'), ('DNLL, m = 1', 'VAT')]

    Raises:
        ValueError: a word that is no such pair, or names a method without rows.
    """
    pairs = []
    for word in words:
        parts = word.split("=")
        if len(parts) == 1:
            raise ValueError(f"expected METHOD=OTHER, but got {word!r}")
        halves = [("=".join(parts[:at]).strip(), "=".join(parts[at:]).strip()) for at in range(1, len(parts))]
        method, other = max(halves, key=lambda half: len({*half} & {*methods}))
        for name in (method, other):
            if name not in methods:
                raise ValueError(f"no row of {name!r}; expected one of {', '.join(methods)}")
        pairs.append((method, other))
    return pairs


def table(errors: Errors, pairs: Sequence[Pair]) -> str:
    """The table as Markdown."""
    lines = []
    for method, other in pairs:
        found = [paired_difference(of.get(method, {}), of.get(other, {})) for of in errors.values()]
        lines.append([method, other, *("" if one is None else show_difference(one) for one in found)])
    return format_table(["method", "over", *errors], lines, ["-", "-", *["-:"] * len(errors)])


def main(words: Sequence[str]) -> int:
    """Print the table, write it where the command line says, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--also", nargs="+", default=[], metavar="METHOD=OTHER")
    parser.add_argument("--measure", default="best")
    parser.add_argument("--update", type=Path)
    parser.add_argument("--table")
    options = parser.parse_args(words)
    rows = [row for path in options.rows for row in read_csv(path)[1]]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    try:
        pairs = [*pairs_among(methods), *named(options.also, methods)]
    except ValueError as error:
        parser.error(str(error))
    text = table(errors_of(rows, find_measure(options.measure)), pairs)
    print(text)
    if options.update:
        update_block(
            options.update, options.table, f"<!-- {shlex.join(['python', 'benchmarks/pairs.py', *words])} -->\n{text}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
