"""Draw accuracy over mismatch from the rows of the open-set study, a panel a data set.

    python benchmarks/mismatch_figure.py benchmarks/open_set/usps.csv ... --out docs/mismatch_curve.png

Points are means over label splits of the last model's accuracy on seen classes, bands their standard deviations; the
dashed line with the gray band is supervised training, which sees no unlabeled image.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.records.results import read_rows
from usb_negsamp.run.report.measures import find_measure
from usb_negsamp.run.sweep.mismatch_curve import KEY, REFERENCE, Line, MismatchCurve, draw_panels


def curve_of_rows(path: Path, methods: Sequence[str]) -> MismatchCurve:
    """The curve of one file; of ``methods`` alone, if there are any."""
    measure = find_measure("last")
    found: dict[str, dict[float, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    names, sizes = set(), set()
    for row in read_rows(path):
        names.add(row["data"])
        sizes.add(f"{int(row['num_labels']):,} labels of {row['num_classes']} seen classes")
        error = measure.error(row)
        if error is not None and (not methods or row["method"] in methods):
            found[row["method"]][float(row[KEY])][row["split_seed"]] = 100.0 - error
    ratios = tuple(sorted({ratio for by_ratio in found.values() for ratio in by_ratio}))
    lines = [Line(name, ratios, dict(by_ratio), name == REFERENCE) for name, by_ratio in found.items()]
    return MismatchCurve(ratios, tuple(lines), measure, f"{' and '.join(sorted(names))}, {' and '.join(sorted(sizes))}")


def main() -> None:
    """Draw the figure that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="+", type=Path)
    parser.add_argument("--methods", nargs="*", default=[])
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    curves = [curve_of_rows(path, options.methods) for path in options.rows]
    # One panel has its legend beside it, several have theirs below.
    width = 3.3 * len(curves) if len(curves) > 1 else 11.0
    figure = Figure(figsize=(width, 4.6), layout="constrained")
    draw_panels(curves, figure)
    write_picture(figure, options.out, dpi=160)


if __name__ == "__main__":
    main()
