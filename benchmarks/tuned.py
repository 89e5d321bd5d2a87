"""Which value of its one key each method of a tuning study is given: that of the best validation accuracy.

    python benchmarks/tuned.py saved_models/cifar10_tuning/results.csv [...]

Methods of such a study are named ``METHOD; KEY VALUE``. Reads the accuracy on validation images (``eval_best_acc``,
averaged over the splits of the study) and no column of test images: it can be run before any of those is looked at.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.csv_file import read_csv

HEAD = ("method", "key", "validation error in percent by value", "chosen")
PARTED = "; "


def chosen_values(rows: Iterable[Mapping[str, str]]) -> list[list[str]]:
    """Return a line a method, in the order of the rows: its name, its key, all errors, and the value of the least.

    >>> rows = [{"method": f"VAT; lr {lr}", "eval_best_acc": acc} for lr, acc in (("0.1", "0.9"), ("0.3", "0.8"))]
    >>> chosen_values(rows)
    [['VAT', 'lr', '0.1: 10.00, 0.3: 20.00', '0.1']]

    Raises:
        ValueError: a method that is not ``METHOD; KEY VALUE``, or with several keys.
    """
    accuracies: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        method, _, choice = row["method"].partition(PARTED)
        key, _, value = choice.partition(" ")
        if not value:
            raise ValueError(f"expected a method METHOD; KEY VALUE, but got {row['method']}")
        accuracies[method][key, value].append(float(row["eval_best_acc"]))
    lines = []
    for method, found in accuracies.items():
        if len({key for key, _ in found}) > 1:
            raise ValueError(f"expected one key of {method}, but got {', '.join(sorted({key for key, _ in found}))}")
        errors = {choice: 100 * (1 - fmean(values)) for choice, values in found.items()}
        key, best = min(errors, key=errors.__getitem__)
        lines.append([method, key, ", ".join(f"{value}: {error:.2f}" for (_, value), error in errors.items()), best])
    return lines


def main(words: Sequence[str]) -> int:
    """Print a table a file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="results.csv of tuning studies")
    for path in parser.parse_args(words).results:
        print(f"\n{path.parent.name}\n")
        print(format_table(HEAD, chosen_values(read_csv(path)[1]), ("-",) * len(HEAD)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
