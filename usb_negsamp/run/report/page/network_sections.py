"""Of a run's page: what the network that it has left says of its data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from usb_negsamp.data.open_set_metrics import auroc
from usb_negsamp.run.report.page.charts import UNSEEN, Chart, histogram_chart, reliability_chart, scatter_chart
from usb_negsamp.run.report.page.measured import Example, Measured
from usb_negsamp.run.report.page.parts import Cell, Gallery, Picture, Section, Table, table
from usb_negsamp.run.report.page.pictures import matrix_uri
from usb_negsamp.run.report.page.statistics import Reliability, confusion, histogram, reliability

MOST_CLASSES = 20
"""Classes whose confusion matrix is a table of numbers; that of more is a picture."""
MOST_CONFUSIONS = 20


def calibration_of(found: Measured) -> Reliability:
    """How often the network is right where it is so sure."""
    return reliability(found.probs.max(1), found.probs.argmax(1) == found.labels)


def confusion_section(found: Measured, classes: Sequence[str]) -> Section:
    """Which classes are taken for which."""
    counts = confusion(found.labels, found.probs.argmax(1), len(classes))
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    right = 100 * float(np.trace(counts)) / max(1, int(counts.sum()))
    note = f"Of {counts.sum()} {part_in_words(found)}, {found.network} has {right:.2f}% right."
    if len(classes) <= MOST_CLASSES:
        rows = tuple(
            (Cell(name), *(Cell(str(count), share=float(share)) for count, share in zip(line, part, strict=True)))
            for name, line, part in zip(classes, counts.tolist(), shares, strict=True)
        )
        caption = "True classes down, predicted ones across; the color is the share of the row"
        matrix = Table(caption, ("true", *classes), rows, wide=True)
        return Section("Confusion matrix", (note,), tables=(matrix,))
    off = counts - np.diag(np.diag(counts))
    worst = [np.unravel_index(place, off.shape) for place in np.argsort(-off, axis=None, kind="stable")]
    rows_of_worst = [
        [classes[int(true)], classes[int(taken)], str(off[true, taken]), f"{100 * shares[true, taken]:.1f}%"]
        for true, taken in worst[:MOST_CONFUSIONS]
        if off[true, taken] > 0
    ]
    head = ["true class", "taken for", "images", "of the class"]
    picture = Picture(
        matrix_uri(shares),
        f"Confusion matrix of {len(classes)} classes; its most frequent confusions are in the table above",
        f"{len(classes)} x {len(classes)} classes: true ones down, predicted ones across; black is all of a row",
        large=True,
    )
    return Section(
        "Confusion matrix",
        (note,),
        tables=(table("The most frequent confusions", head, rows_of_worst, sortable=True),),
        galleries=(Gallery("The whole matrix", (picture,)),),
    )


def predictions_section(found: Measured, classes: Sequence[str], with_embedding: bool = True) -> Section:
    """How sure the network is: calibration, seen and unseen classes, and its features in two dimensions."""
    measured = calibration_of(found)
    rows = [
        [f"{100 * confidence:.1f}%", f"{100 * accuracy:.1f}%", str(count)]
        for confidence, accuracy, count in zip(measured.confidence, measured.accuracy, measured.count, strict=True)
    ]
    numbers = table("The numbers of the calibration", ["mean confidence", "right", "images"], rows, folded=True)
    charts = (
        reliability_chart(measured),
        open_set_chart(found),
        embedding_chart(found, classes) if with_embedding else None,
    )
    return Section("Predictions", charts=tuple(chart for chart in charts if chart is not None), tables=(numbers,))


def open_set_chart(found: Measured) -> Chart | None:
    """How the largest probability tells seen classes from unseen ones; None for a run without these."""
    if found.scores is None or not all(len(scores) for scores in found.scores):
        return None
    seen, unseen = found.scores
    area = auroc(seen, unseen)
    note = "" if area is None else f"AUROC {100 * area:.2f}%: how often a seen image has the higher one."
    names = (f"{len(seen)} images of seen classes", f"{len(unseen)} of unseen ones")
    shares = dict(zip(names, (histogram(seen), histogram(unseen)), strict=True))
    return histogram_chart("Seen and unseen classes", shares, "largest class probability", note)


def embedding_chart(found: Measured, classes: Sequence[str]) -> Chart | None:
    """Test images by what the network makes of them; None where there is no such picture."""
    if found.points is None or found.point_labels is None:
        return None
    labels = found.point_labels
    known = (labels >= 0) & (labels < len(classes))
    groups = {UNSEEN: ~known} if (~known).any() else {}
    if len(classes) > MOST_CLASSES:
        groups["seen" if groups else "all classes"] = known
    else:
        groups |= {name: labels == label for label, name in enumerate(classes) if (labels == label).any()}
    note = "The last hidden layer in two dimensions by t-SNE: near is alike, distances between groups say little."
    return scatter_chart("Test images by their features", found.points, groups, note)


def example_section(found: Measured, classes: Sequence[str]) -> Section | None:
    """The images that the network is surest of, right and wrong; None where they are no pictures."""
    kinds = (("Surest, and right", found.right), ("Surest, and wrong", found.wrong))
    galleries = tuple(
        Gallery(caption, tuple(_picture(example, classes) for example in examples))
        for caption, examples in kinds
        if examples
    )
    if not galleries:
        return None
    return Section("Examples", (f"From the {part_in_words(found)}.",), galleries=galleries)


def part_in_words(found: Measured) -> str:
    """Which images the network was shown."""
    return "test images" if found.part == "test" else "evaluation images (by which the model was chosen, too)"


def _picture(example: Example, classes: Sequence[str]) -> Picture:
    label, predicted = classes[example.label], classes[example.predicted]
    sure = f"{100 * example.confidence:.1f}%"
    if example.label == example.predicted:
        return Picture(example.uri, f"Image of class {label}", f"{label}, {sure} sure")
    alt = f"Image of class {label}, taken for {predicted}"
    return Picture(example.uri, alt, f"{label}, taken for {predicted}, {sure} sure")
