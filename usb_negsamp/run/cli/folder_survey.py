"""A folder of pictures as ``usb-negsamp doctor --data_dir DIR`` shows it: a table, and what is wrong."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from usb_negsamp.data.sources.own_pictures.survey import Survey, survey
from usb_negsamp.run.training.console import Console, long_work_shown

MOST_KINDS = 5
MOST_CLASSES = 100


def show_folder(data_dir: Path, labels_csv: Path | None) -> int:
    """Print what ``data_dir`` holds; return 0 if it can be trained on as it is, else 1.

    Raises:
        ConfigError: there is no such folder, or it cannot be listed at all.
    """
    with long_work_shown(Console()):
        found = survey(data_dir, labels_csv)
    words = f"--data_dir {data_dir}" + ("" if labels_csv is None else f" --labels_csv {labels_csv}")
    print("\n".join(lines_of(found, data_dir, words)))
    return 1 if found.problem or found.bad else 0


def lines_of(found: Survey, data_dir: Path, words: str) -> Iterator[str]:
    """Yield the lines that say what was found in ``data_dir``; ``words`` name it on the command line of ``train``."""
    if found.classes:
        yield f"{data_dir}: {len(found.classes)} classes"
        yield ""
        yield from _table(found)
        yield ""
    else:
        yield f"{data_dir}: pictures at any depth, since there are no classes to count"
    yield from _kinds("sizes", Counter({f"{w} x {h}": n for (w, h), n in found.sizes.items()}))
    if len(found.sizes) > 1:
        smallest, largest = (choose(found.sizes, key=_area) for choose in (min, max))
        yield f"{'':<10} smallest {smallest[0]} x {smallest[1]}, largest {largest[0]} x {largest[1]}"
    yield from _kinds("modes", found.modes)
    yield from _kinds("formats", found.formats)
    if found.num_animated:
        yield f"{'animated':<10} {found.num_animated}, of which the first frame is read"
    for note in found.notes:
        yield f"{'note':<10} {note}"
    yield f"{'bad files':<10} {len(found.bad) or 'none'}"
    for bad in found.bad:
        yield f"  {bad.file}: {bad.reason}"
    yield ""
    yield _verdict(found, words)


def _table(found: Survey) -> Iterator[str]:
    """The counts of classes by parts, and their sums."""
    shown = [name if name.isprintable() else repr(name) for name in found.classes]
    width = max(10, *(columns_of(name) for name in shown))
    yield f"{'class':<{width}}" + "".join(f"{part:>10}" for part in found.counts)
    for label, name in enumerate(shown[:MOST_CLASSES]):
        space = " " * (width - columns_of(name))
        yield f"{name}{space}" + "".join(f"{counts[label]:>10}" for counts in found.counts.values())
    if len(shown) > MOST_CLASSES:
        yield f"... and {len(shown) - MOST_CLASSES} more classes"
    yield f"{'all':<{width}}" + "".join(f"{sum(counts):>10}" for counts in found.counts.values())
    yield f"{'unlabeled':<{width}}{found.num_unlabeled:>10}"


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes: letters of East Asia two, accents of their own none.

    >>> columns_of("cat"), columns_of("猫"), columns_of("u\u0308")
    (3, 2, 1)
    """
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _kinds(what: str, counts: Mapping[Any, int]) -> Iterator[str]:
    common = Counter(counts).most_common(MOST_KINDS)
    if common:
        more = len(counts) - len(common)
        rest = f" and {more} more" if more else ""
        yield f"{what:<10} {', '.join(f'{kind} ({number})' for kind, number in common)}{rest}"


def _area(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    return size[0] * size[1], size


def _verdict(found: Survey, words: str) -> str:
    if found.problem:
        return f"cannot be trained on: {found.problem}"
    if found.bad:
        return f"{len(found.bad)} files cannot be decoded: remove them, or train with --skip_bad, which leaves them out"
    return f"all is well: usb-negsamp train --c own_images {words}"
