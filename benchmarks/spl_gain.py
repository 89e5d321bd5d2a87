"""What SPL gains over spending the same labels on fine-tuning: a table from the rows of the SPL studies.

    python benchmarks/spl_gain.py benchmarks/spl/controls_usps.csv [--sizes] [--update benchmarks/spl.md --table NAME]

One line for each base algorithm, mismatch and number of validation images, and one for the average of all algorithms:
test error on seen classes of the trained network (start), of the same weights with batch statistics estimated anew,
after each control that spends the labels of V1 without a mask (fine-tuned, alternating), and after SPL; mean and
standard deviation over label splits, and paired differences with their 95% interval. With ``--sizes`` one line for each
base algorithm and mismatch: the differences alone, side by side for each number of validation images, with a star where
the interval excludes zero, and a line for the average of all base algorithms; those that were not run with every number
are left out. Rows of trainings, which CIFAR-10's study has beside those of the stages, are passed over: a stage's row
has its start.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.csv_file import read_csv
from usb_negsamp.run.report.markdown import show_difference, show_spread, update_block
from usb_negsamp.run.report.paired_statistics import paired_difference, spread

CONTROLS = ("fine-tuned", "alternating")
VARIANTS = ("SPL, rate chosen", "SPL, soft")
"""The mask's rate chosen within the run where SPL's alone is not; a soft mask."""
ANEW = "statistics anew"
"""The start with its batch statistics estimated anew, which no step of the stage has changed."""
Line = tuple[str, float, int]
Errors = dict[str, dict[str, float]]


def errors_of(paths: list[Path]) -> dict[Line, Errors]:
    """Test errors in percent by split seed, for each line and kind (start, the same anew, a control, SPL's name)."""
    found: dict[Line, Errors] = defaultdict(lambda: defaultdict(dict))
    for path in paths:
        for row in read_csv(path)[1]:
            if not row["spl_test_acc"]:
                continue
            base, kind = base_and_kind(row["method"])
            errors = found[base, float(row["mismatch_ratio"]), int(row["validation_size"])]
            errors[kind][row["split_seed"]] = 100 * (1 - float(row["spl_test_acc"]))
            errors["start"][row["split_seed"]] = 100 * (1 - float(row["spl_start_test_acc"]))
            if row.get("spl_start_reestimated_test_acc"):
                errors[ANEW][row["split_seed"]] = 100 * (1 - float(row["spl_start_reestimated_test_acc"]))
    return found


def base_and_kind(method: str) -> tuple[str, str]:
    """What was trained, and what was done to it.

    >>> base_and_kind("VAT + NS3L + SPL"), base_and_kind("VAT + SPL, soft"), base_and_kind("VAT, fine-tuned")
    (('VAT + NS3L', 'SPL'), ('VAT', 'SPL, soft'), ('VAT', 'fine-tuned'))
    """
    for control in CONTROLS:
        if method.endswith(f", {control}"):
            return method.removesuffix(f", {control}"), control
    base = method.split(" + SPL")[0]
    return base, method.removeprefix(f"{base} + ")


def kinds_among(found: dict[Line, Errors], kinds: Sequence[str]) -> list[str]:
    """Those of ``kinds`` that some line has."""
    return [kind for kind in kinds if any(kind in errors for errors in found.values())]


def difference(errors: Errors, kind: str, baseline: str, *, short: bool = False) -> str:
    """The paired difference in points of error, with its interval or, if ``short``, a star where that excludes zero."""
    found = paired_difference(errors.get(kind, {}), errors.get(baseline, {}))
    if found is None:
        return ""
    if short:
        certain = found.interval is not None and found.interval[0] * found.interval[1] > 0
        return f"{found.mean:+.2f}{'*' if certain else ''}"
    return show_difference(found)


def average(lines: list[Errors]) -> Errors:
    """Errors averaged over base algorithms, split by split, where all of them have the kind and the split."""
    kinds = set.intersection(*(set(errors) for errors in lines))
    found: Errors = {}
    for kind in kinds:
        splits = set.intersection(*(set(errors[kind]) for errors in lines))
        found[kind] = {split: sum(errors[kind][split] for errors in lines) / len(lines) for split in sorted(splits)}
    return found


def with_averages(found: dict[Line, Errors]) -> dict[Line, Errors]:
    """``found``, and after the lines of each mismatch and size their average, where they are several."""
    lines: dict[Line, Errors] = {}
    for mismatch, size in dict.fromkeys(line[1:] for line in found):
        of_setting = {line: errors for line, errors in found.items() if line[1:] == (mismatch, size)}
        lines.update(of_setting)
        if len(of_setting) > 1:
            lines[f"average of {len(of_setting)}", mismatch, size] = average(list(of_setting.values()))
    return lines


def table(found: dict[Line, Errors]) -> str:
    """The table as Markdown."""
    kinds, others = ["SPL", *kinds_among(found, VARIANTS)], ["start", *kinds_among(found, [ANEW, *CONTROLS])]
    head = ["trained by", "mismatch", "validation images", "n", *others, *kinds]
    head += [f"{kind} over {other}" for kind in kinds for other in others]
    rows = []
    for (base, mismatch, size), errors in with_averages(found).items():
        shown = [
            show_spread(spread(list(errors[kind].values()))) if kind in errors else "" for kind in (*others, *kinds)
        ]
        over = [difference(errors, kind, other) for kind in kinds for other in others]
        number = len(errors.get("SPL", errors["start"]))
        rows.append([base, f"{mismatch:g}", str(size), str(number), *shown, *over])
    return format_table(head, rows, ["-", *["-:"] * (len(head) - 1)])


def table_of_sizes(found: dict[Line, Errors]) -> str:
    """The table of ``--sizes`` as Markdown."""
    controls = kinds_among(found, CONTROLS)
    pairs = [(control, "start") for control in controls]
    pairs += [(kind, control) for kind in ("SPL", *kinds_among(found, VARIANTS)) for control in controls]
    mismatches = sorted({mismatch for _, mismatch, _ in found})
    sizes = sorted({size for _, _, size in found})
    everywhere = set(itertools.product(mismatches, sizes))
    bases = [
        base
        for base in dict.fromkeys(base for base, _, _ in found)
        if everywhere == {line[1:] for line in found if line[0] == base}
    ]
    head = ["trained by", "mismatch", *(f"{kind} over {other}, {size}" for kind, other in pairs for size in sizes)]
    lines = []
    for mismatch in mismatches:
        rows = {base: {size: found[base, mismatch, size] for size in sizes} for base in bases}
        rows[f"average of {len(bases)}"] = {size: average([rows[base][size] for base in bases]) for size in sizes}
        for base, of_sizes in rows.items():
            shown = [
                difference(of_sizes[size], kind, other, short=True) if {kind, other} <= set(of_sizes[size]) else ""
                for kind, other in pairs
                for size in sizes
            ]
            lines.append([base, f"{mismatch:g}", *shown])
    return format_table(head, lines, ["-", *["-:"] * (len(head) - 1)])


def main() -> None:
    """Print the table, and write it where the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--update", type=Path)
    parser.add_argument("--table")
    options = parser.parse_args()
    text = (table_of_sizes if options.sizes else table)(errors_of(options.rows))
    print(text)
    if options.update:
        command = shlex.join(["python", "benchmarks/spl_gain.py", *sys.argv[1:]])
        update_block(options.update, options.table, f"<!-- {command} -->\n{text}")


if __name__ == "__main__":
    main()
