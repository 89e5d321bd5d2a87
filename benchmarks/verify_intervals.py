"""Make the intervals that ``usb-negsamp verify`` reads in the headers of config/*_digits.yaml.

    python benchmarks/verify_intervals.py [ROWS.csv ...]

A run is the same bits only on one machine and one version of PyTorch. Elsewhere its sums round otherwise, and it ends
elsewhere, as it does here with another arithmetic (``channels_last``, bfloat16, both). How far, the rows of
benchmarks/speed/ say, with the row of the same split in benchmarks/digits/: six splits of two methods, the arcsine of
the root of the error, whose deviation depends little on the error, and the deviation of all about their splits' means.

The interval of a configuration is the mean of its rows on its own split, seed 1, and to both sides what a further run
leaves with a chance of one in a thousand (Student's t, with the degrees of freedom of that deviation). ROWS.csv are
further rows of configurations that benchmarks/ has none of; without any, a line for each that it has.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scipy import stats

from usb_negsamp.run.configuration.headers import Interval
from usb_negsamp.run.records.results import read_rows
from usb_negsamp.run.report.measures import find_measure

HERE = Path(__file__).parent
OF_ARITHMETIC = ("speed/digits_fixmatch.csv", "speed/digits_vat.csv")
OF_CONFIGS = ("digits/vat.csv", "digits/match.csv", "digits/dnll.csv", "digits/open_set.csv", *OF_ARITHMETIC)
CONFIGS = {
    name: f"{name}_digits"
    for name in (
        *("vat_ns3l", "fixmatch_ns3l", "freematch_ns3l", "dnll", "fixmatch_dnll"),
        *("vat_spl", "fixmatch_ns3l_spl", "temporalensembling", "uasd", "ds3l"),
        *("cl", "mtc", "openmatch", "iomatch", "vat_fixastep"),
    )
}
"""Configurations that those rows are of, by algorithm."""
SPLIT = "1"
CHANCE = 0.001
Row = Mapping[str, str]


def rows_of(paths: Iterable[Path]) -> list[Row]:
    """The rows of several files."""
    return [row for path in paths for row in read_rows(path)]


def stretched(error: float) -> float:
    """An error in percent on the scale on which its deviation depends little on it."""
    return math.asin(math.sqrt(error / 100))


def error_of(row: Row) -> float:
    """The test error of a row in percent, by the rule that the interval names."""
    error = find_measure(measure_name(row)).error(row)
    assert error is not None
    return error


def measure_name(row: Row) -> str:
    """What SPL leaves where there is SPL, else the best on validation."""
    return "end" if row.get("spl_test_acc") else "best"


def deviation(groups: Iterable[Sequence[float]]) -> tuple[float, int]:
    """The deviation of all values about the means of their groups, and its degrees of freedom."""
    squares, free = 0.0, 0
    for values in groups:
        mean = math.fsum(values) / len(values)
        squares += math.fsum((value - mean) ** 2 for value in values)
        free += len(values) - 1
    return math.sqrt(squares / free), free


def of_arithmetic() -> tuple[float, int]:
    """How far runs on one split are apart that round otherwise."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows_of(HERE / name for name in OF_ARITHMETIC):
        groups.setdefault((row["algorithm"], row["split_seed"]), []).append(stretched(error_of(row)))
    for row in rows_of(HERE / name for name in ("digits/vat.csv", "digits/match.csv")):
        if (row["algorithm"], row["split_seed"]) in groups:
            groups[row["algorithm"], row["split_seed"]].append(stretched(error_of(row)))
    return deviation(groups.values())


def interval(errors: Sequence[float], rule: str, spread: tuple[float, int]) -> Interval:
    """Where a further run lies, in percent to one digit, after these."""
    std, free = spread
    middle = math.fsum(map(stretched, errors)) / len(errors)
    half = float(stats.t.ppf(1 - CHANCE / 2, free)) * std * math.sqrt(1 + 1 / len(errors))
    low, high = (100 * math.sin(min(max(0.0, end), math.pi / 2)) ** 2 for end in (middle - half, middle + half))
    return Interval(math.floor(10 * low) / 10, math.ceil(10 * high) / 10, rule)


def intervals(further: Sequence[Path] = ()) -> dict[str, tuple[Interval, list[float]]]:
    """The interval of each configuration and the errors on its split, by its name."""
    found: dict[str, list[Row]] = {}
    for row in rows_of(further or [HERE / name for name in OF_CONFIGS]):
        name = f"{row['algorithm']}_digits" if further else CONFIGS.get(row["algorithm"])
        if name is not None and row["split_seed"] == SPLIT:
            found.setdefault(name, []).append(row)
    spread = of_arithmetic()
    return {
        name: (
            interval([error_of(row) for row in rows], find_measure(measure_name(rows[0])).rule, spread),
            [error_of(row) for row in rows],
        )
        for name, rows in found.items()
    }


def main() -> None:
    """Print the lines of the headers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", type=Path)
    options = parser.parse_args()
    for name, (found, errors) in intervals(options.rows).items():
        of = "1 run" if len(errors) == 1 else f"{len(errors)} runs"
        measured = ", ".join(f"{error:.1f}" for error in errors)
        print(f"{name}: # Interval: {found}. About {of} on its split ({measured}): benchmarks/verify_intervals.py.")


if __name__ == "__main__":
    main()
