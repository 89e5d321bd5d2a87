"""What NS3L changes with and without its gate: chosen by validation on some splits, reported on the others.

    python benchmarks/gate_gain.py benchmarks/gate/*.csv --choose 5 6 7 8 9 [--update open_set.md --table NAME]

One line for each method and share of unseen images: validation error on the splits that are there to choose by, over
that of the base algorithm; test error of the last model on the other splits, over the base's, with the 95% interval of
10,000 bootstrap samples of the pairs (data set, split); and what images of seen and of unseen classes count. Of each
base the method with the least validation error, averaged over all data sets, shares and splits, is marked.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.csv_file import read_csv
from usb_negsamp.run.report.markdown import update_block

SAMPLES = 10_000
Pair = tuple[str, str]
"""A data set and a split."""


class Line(NamedTuple):
    """What a method came to at one share of unseen images; errors in percent by (data set, split)."""

    validation: dict[Pair, float]
    test: dict[Pair, float]
    weights: dict[str, list[float]]


Lines = dict[str, dict[str, Line]]
"""By method and share of unseen images."""


def lines_of(paths: Iterable[Path]) -> Lines:
    """The lines of all rows."""
    found: Lines = defaultdict(lambda: defaultdict(lambda: Line({}, {}, defaultdict(list))))
    for path in paths:
        for row in read_csv(path)[1]:
            line, pair = found[row["method"]][row["mismatch_ratio"]], (row["data"], row["split_seed"])
            line.validation[pair] = 100 * (1 - float(row["eval_last_acc"]))
            line.test[pair] = 100 * (1 - float(row["test_acc_last"]))
            for name in ("weight_seen", "weight_unseen"):
                if row.get(name):
                    line.weights[name].append(float(row[name]))
    return found


def differences(
    of: Mapping[Pair, float], baseline: Mapping[Pair, float], splits: Sequence[str], *, among: bool
) -> np.ndarray:
    """``of - baseline`` over the pairs that both have, of the ``splits`` or of all others."""
    pairs = sorted(pair for pair in set(of) & set(baseline) if (pair[1] in splits) == among)
    return np.array([of[pair] - baseline[pair] for pair in pairs])


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95% interval of the mean of ``values`` (n,) by bootstrap; the same for the same values.

    >>> interval(np.array([1.0, 1.0, 1.0]))
    (1.0, 1.0)
    """
    drawn = np.random.default_rng(0).integers(0, len(values), (SAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def base_of(method: str) -> str:
    """The base algorithm of a method's name.

    >>> base_of("VAT + NS3L gate 2")
    'VAT'
    """
    return method.split(" + ")[0]


def chosen(lines: Lines, splits: Sequence[str]) -> set[str]:
    """Of each base, the method with the least validation error over the base's, of those that have all pairs."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    size: dict[str, int] = defaultdict(int)
    for method, by_share in lines.items():
        base = base_of(method)
        parts = [
            differences(line.validation, lines[base][share].validation, splits, among=True)
            for share, line in by_share.items()
        ]
        values = np.concatenate(parts)
        if method != base and len(values) and len(values) >= size[base]:
            if len(values) > size[base]:
                found[base].clear()
            size[base] = len(values)
            found[base][method] = float(values.mean())
    return {min(methods, key=lambda method: methods[method]) for methods in found.values()}


def table(lines: Lines, splits: Sequence[str]) -> str:
    """The table as Markdown."""
    over = [f"{name}, over the base" for name in ("validation", "test")]
    head = ["method", "mismatch", over[0], "n", over[1], "n", "seen count", "unseen count"]
    marked, rows = chosen(lines, splits), []
    for method in sorted(lines, key=base_of):
        for share, line in sorted(lines[method].items()):
            base = lines[base_of(method)][share]
            if line is base:
                continue
            validation = differences(line.validation, base.validation, splits, among=True)
            test = differences(line.test, base.test, splits, among=False)
            shown = [f"{np.mean(line.weights[name]):.2f}" if line.weights[name] else "" for name in _WEIGHTS]
            reported = ""
            if len(test):
                low, high = interval(test)
                reported = f"{test.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
            name = f"**{method}**" if method in marked else method
            by = f"{validation.mean():+.2f}" if len(validation) else ""
            rows.append([name, f"{float(share):g}", by, str(len(validation)), reported, str(len(test)), *shown])
    return format_table(head, rows, ["-", *["-:"] * (len(head) - 1)])


_WEIGHTS = ("weight_seen", "weight_unseen")


def main() -> None:
    """Write the table that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="+", type=Path)
    parser.add_argument("--choose", nargs="+", required=True, help="split seeds to choose by")
    parser.add_argument("--update", type=Path)
    parser.add_argument("--table")
    options = parser.parse_args()
    text = table(lines_of(options.rows), options.choose)
    print(text)
    if options.update:
        command = shlex.join(["python", "benchmarks/gate_gain.py", *sys.argv[1:]])
        update_block(options.update, options.table, f"<!-- {command} -->\n{text}")


if __name__ == "__main__":
    main()
