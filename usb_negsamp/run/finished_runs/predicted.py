"""What a network says of images, as arrays and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from usb_negsamp.run.records.csv_file import write_csv

UNREADABLE = -1
"""The label of an image that could not be read."""


@dataclass(frozen=True, repr=False)
class PredictedImages:
    """Predictions for N images, in the order in which they were given.

    Attributes:
        files: N texts: file names, below the folder where one was given, or the images' numbers.
        classes: names of the K classes.
        labels: (N,) int64, the likeliest class; -1 where an image could not be read.
        probs: (N, K) float32, NaN where an image could not be read.
        outlier_scores: (N,) float64, high for images of no class; NaN likewise.
        rejected: (N,) bool, whether the run takes an image for one of no class; None where its run has seen no others,
            or nothing set a threshold.
        errors: N texts, why an image could not be read; empty where it could.
        open_set: whether the run has classes that its labels do not.
    """

    files: tuple[str, ...]
    classes: tuple[str, ...]
    labels: np.ndarray
    probs: np.ndarray
    outlier_scores: np.ndarray
    rejected: np.ndarray | None
    errors: tuple[str, ...]
    open_set: bool = False

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    def __repr__(self) -> str:
        unread = sum(map(bool, self.errors))
        return f"PredictedImages({len(self)} images" + (f", {unread} of which could not be read)" if unread else ")")

    @property
    def names(self) -> list[str]:
        """Name of the likeliest class of each image; empty where it could not be read."""
        return ["" if label == UNREADABLE else self.classes[label] for label in self.labels.tolist()]

    @property
    def probabilities(self) -> np.ndarray:
        """(N,) float32: of the likeliest class; NaN where an image could not be read."""
        found: np.ndarray = self.probs.max(1) if len(self) else self.probs[:, 0]
        return found

    def columns(self) -> tuple[str, ...]:
        """The columns of :meth:`rows`; ``rejected`` is one of them for a run with unseen classes."""
        rejected = ("rejected",) if self.open_set else ()
        return ("file", "class", "probability", "outlier_score", *rejected, "error")

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each image; what is not known is None."""
        values = zip(self.files, self.names, self.probabilities, self.outlier_scores, self.errors, strict=True)
        for number, (file, name, probability, score, error) in enumerate(values):
            row: dict[str, Any] = {"file": file, "class": name or None, "error": error or None}
            if not error:
                row.update(probability=f"{probability:.6f}", outlier_score=f"{score:.6f}")
                if self.rejected is not None:
                    row["rejected"] = str(bool(self.rejected[number])).lower()
            yield row

    def write(self, path: Path | str) -> None:
        """Write the rows to a CSV file, whole or not at all."""
        write_csv(Path(path), self.columns(), self.rows())
