"""Which of a run's figures a table or a picture shows: never the best of the test images themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.records.results import ON_THE_TEST_IMAGES, ON_VALIDATION


@dataclass(frozen=True)
class Measure:
    """A figure of a results row.

    Attributes:
        name: for the command line.
        rule: how the model was selected, for column heads and axes.
        columns: where rows have the accuracy, the first that is filled.
        meaning: a clause for a caption.
    """

    name: str
    rule: str
    columns: tuple[str, ...]
    meaning: str

    def error(self, row: Mapping[str, Any]) -> float | None:
        """Return the test error in percent, or None where the row has no such figure."""
        for column in self.columns:
            # Evaluations were on the test images only where nothing else was held out to evaluate on.
            if column.startswith("eval_") and row.get("selection") != ON_THE_TEST_IMAGES:
                continue
            value = row.get(column)
            if value not in (None, ""):
                return _error_of(column, value)
        return None


MEASURES: tuple[Measure, ...] = (
    Measure("best", ON_VALIDATION, ("test_acc_at_best",), "of the model that was best on validation"),
    Measure("last", "last", ("test_acc_last", "eval_last_acc"), "of the last model"),
    Measure(
        "median",
        "median of the last evaluations",
        ("test_acc_median_last", "eval_acc_median_last"),
        "as the median over the last num_last_evaluations evaluations",
    ),
    Measure(
        "end",
        "what the run ends with",
        ("spl_test_acc", "test_acc_last", "eval_last_acc"),
        "of the network that SPL leaves, or of the last model where there is no SPL",
    ),
)
COMMON = MEASURES[:3]
"""Those that a table of runs is given if none is asked for, in this order."""


def find_measure(name: str) -> Measure:
    """Return the measure of that name.

    Raises:
        ConfigError: there is none.
    """
    for measure in MEASURES:
        if measure.name == name:
            return measure
    raise unknown("measure", name, [measure.name for measure in MEASURES])


def common_measure(rows: Sequence[Mapping[str, Any]]) -> Measure:
    """Return the first measure that all rows have: best on validation where every run had a validation part.

    Raises:
        ConfigError: the rows have none in common.
    """
    for measure in COMMON:
        if all(measure.error(row) is not None for row in rows):
            return measure
    raise ConfigError("the runs have no figure in common: give --measure best, or --measure last")


def validation_error(row: Mapping[str, Any]) -> float | None:
    """Return the lowest validation error in percent; None where the run had no validation part."""
    value = row.get("eval_best_acc")
    if value in (None, "") or row.get("selection") == ON_THE_TEST_IMAGES:
        return None
    return _error_of("eval_best_acc", value)


def _error_of(column: str, value: Any) -> float:
    try:
        accuracy = float(value)
    except ValueError:
        accuracy = float("nan")
    if not 0.0 <= accuracy <= 1.0:
        raise ConfigError(f"results: expected an accuracy from 0 to 1 in the column {column}, but got {value!r}")
    return 100.0 * (1.0 - accuracy)
