"""Which rows of results answer one question, and stand in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Row = Mapping[str, str]
Group = tuple[str, ...]

# Runs that differ in one of these answer different questions, and share no mean.
PROTOCOL = (
    "dataset",
    "labeled_dataset",
    "unlabeled_dataset",
    "net",
    "num_classes",
    "num_labels",
    "imb_algorithm",
    "batch_size",
    "uratio",
    "num_train_iter",
    "preset",
    "seen_classes",
    "class_order",
    "mismatch_protocol",
    "mismatch_ratio",
    "num_unlabeled",
    "validation_size",
)
# Of these, how a method is trained: in a paper's table it may differ from line to line, and is then a column.
TRAINING = ("batch_size", "uratio", "num_train_iter", "preset")


def set_together(rows: Sequence[Row], by: Sequence[str]) -> list[list[Row]]:
    """Return the rows of each table.

    Where each line was trained in one way, the ways belong to the methods, as in a paper's table; where a line was
    trained in several, these are protocols of their own.
    """
    tables: list[list[Row]] = []
    training = [name for name in TRAINING if name not in by]
    for alike in grouped(rows, [name for name in PROTOCOL if name not in (*by, *training)]).values():
        lines = grouped(alike, by).values()
        one_way_each = all(len({values_of(row, training) for row in line}) == 1 for line in lines)
        tables += [alike] if one_way_each else grouped(alike, training).values()
    return tables


def grouped(rows: Sequence[Row], columns: Sequence[str]) -> dict[Group, list[Row]]:
    """Return the rows by their values of ``columns``."""
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault(values_of(row, columns), []).append(row)
    return groups


def values_of(row: Row, columns: Iterable[str]) -> Group:
    """Return the values of ``columns``; an empty text where the row has none."""
    return tuple(row.get(name) or "" for name in columns)


def splits_differ(rows: Sequence[Row], others: Sequence[Row]) -> bool:
    """Return whether the same split seed stands for different images; unknown digests are taken on trust."""
    for digest in ("split_digest", "data_digest"):
        known = {row["split_seed"]: row.get(digest) for row in others}
        for row in rows:
            mine, theirs = row.get(digest), known.get(row["split_seed"])
            if mine and theirs and mine != theirs:
                return True
    return False
