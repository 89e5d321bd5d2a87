"""Of a run's page: how the training went, from what it has logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from usb_negsamp.functional import negative_error_rate
from usb_negsamp.run.figures.negatives_curve import Point, points_of
from usb_negsamp.run.figures.spl_rounds import ACCURACY, LOSS, RATE, ROUND
from usb_negsamp.run.figures.training_curve import LOSSES, OPEN_SET
from usb_negsamp.run.report.page.charts import Chart, Series, bar_chart, line_chart
from usb_negsamp.run.report.page.facts import RunFacts
from usb_negsamp.run.report.page.parts import Section, table
from usb_negsamp.run.report.page.statistics import Negatives

EVALUATION = "eval/top-1-acc"
KEPT = "train/spl_kept_ratio"
DIAGNOSIS = (
    "The true labels of unlabeled images are read here for diagnosis alone: no training step and no choice of a model "
    "knows them."
)
ORACLE = "The true labels of unlabeled images are what the rule oracle chose the negatives by."
Records = Sequence[Mapping[str, Any]]


def series(records: Records, name: str, label: str) -> Series:
    """What was logged under ``name`` over the iterations; iterations without it are left out."""
    points = [(record["it"], record[name]) for record in records if record.get(name) is not None]
    return Series(label, [it for it, _ in points], [value for _, value in points])


def curves(facts: RunFacts) -> Section | None:
    """Losses and evaluations over the iterations; None where nothing was logged."""
    training = [record for record in facts.metrics if ROUND not in record]
    losses = [series(training, name, label) for name, label in LOSSES.items()]
    evaluated = [series(training, EVALUATION, "accuracy")]
    evaluated += [series(training, name, label) for name, label in OPEN_SET.items()]
    charts = []
    if any(len(one.x) for one in losses):
        charts.append(line_chart("Losses", losses, "iteration", "loss", note="As logged, without their weights."))
    if any(len(one.x) for one in evaluated):
        images = "validation images" if _has_validation(facts) else "test images, by which the model was chosen too"
        note = f"The evaluation images are {images}."
        charts.append(line_chart("Evaluation", evaluated, "iteration", "share", percent=True, note=note))
    rate = series(training, "lr", "learning rate")
    if len(rate.x) > 1:
        charts.append(line_chart("Learning rate", [rate], "iteration", "rate"))
    return Section("Curves", charts=tuple(charts)) if charts else None


def negative_section(facts: RunFacts, counted: Negatives | None, classes: Sequence[str]) -> Section | None:
    """What the negatives were and how often they were wrong; None for a run without NS3L and DNLL.

    Args:
        facts: of the run.
        counted: what NS3L's negatives are to the network that it has left; None where that is not known.
        classes: the names of the K classes.
    """
    parts = [_of_ns3l(facts, counted, classes), _of_dnll(facts)]
    found = [part for part in parts if part is not None]
    if not found:
        return None
    return Section(
        "Negatives",
        tuple(dict.fromkeys(note for part in found for note in part.notes)),
        tuple(chart for part in found for chart in part.charts),
        tuple(one for part in found for one in part.tables),
    )


def _of_ns3l(facts: RunFacts, counted: Negatives | None, classes: Sequence[str]) -> Section | None:
    if "ns3l_rule" not in facts.config:
        return None
    number = series(facts.metrics, "train/ns3l_negatives", "negatives of an image")
    mass = series(facts.metrics, "train/ns3l_mass", "probability that they have together")
    charts = []
    if len(number.x):
        charts.append(line_chart("NS3L: negatives of an unlabeled image", [number], "iteration", "classes"))
    if len(mass.x):
        charts.append(line_chart("NS3L: what the loss takes away", [mass], "iteration", "probability", percent=True))
    rule = facts.config["ns3l_rule"]
    notes = [f"NS3L chose negatives by the rule {rule}" + _threshold(facts) + "."]
    if counted is None:
        return Section("", tuple(notes), tuple(charts))
    wrong = (
        "none of them has a label of the classes"
        if counted.wrong_images is None
        else f"for {100 * counted.wrong_images:.2f}% of the {counted.of_seen} with a label of the classes, their own "
        "class is among them"
    )
    notes.append(
        f"To the network that the run has left, each of {counted.images} unlabeled images without augmentation has "
        f"{counted.mean_count:.2f} negatives in the mean; {wrong}."
    )
    notes.append(ORACLE if rule == "oracle" else DIAGNOSIS)
    rows = [
        [name, f"{100 * share:.1f}%", f"{100 * wrong:.2f}%"]
        for name, share, wrong in zip(classes, counted.share.tolist(), counted.wrong.tolist(), strict=True)
    ]
    shares = table(
        "How often each class is a negative, and how often that is wrong",
        ["class", "a negative of so many images", "of these, so many are of it"],
        rows,
        folded=len(rows) > 20,
    )
    return Section("", tuple(notes), tuple(charts), (shares,))


def _threshold(facts: RunFacts) -> str:
    if facts.config["ns3l_rule"] != "threshold":
        return f", {facts.config.get('ns3l_num_negatives')} of an image"
    threshold = facts.config.get("ns3l_threshold")
    return " (probabilities below " + ("0.4/K" if threshold is None else f"{threshold:g}") + ")"


def _of_dnll(facts: RunFacts) -> Section | None:
    num_negatives, num_classes = facts.config.get("dnll_num_negatives"), facts.config.get("num_classes")
    if num_negatives is None or num_classes is None:
        return None
    points = points_of(facts.metrics)
    notes = [
        f"Each network gives the other {num_negatives} of K - 1 = {num_classes - 1} classes as negatives of an "
        f"unlabeled image (dnll_selection {facts.config.get('dnll_selection')})."
    ]
    if not points:
        return Section("", tuple(notes))
    agreement = [_line(points, "agreement", "same pseudo label"), _line(points, "different", "different negatives")]
    charts: list[Chart] = [line_chart("DNLL: agreement of the networks", agreement, "iteration", "share", percent=True)]
    errors = [point for point in points if point.label_error is not None and point.negative_error is not None]
    if not errors:
        notes.append("The unlabeled images have no true labels that could say how often the negatives are wrong.")
        return Section("", tuple(notes), tuple(charts))
    expected = [negative_error_rate(point.label_error or 0.0, num_classes, num_negatives) for point in errors]
    lines = [
        _line(errors, "label_error", "pseudo labels"),
        _line(errors, "negative_error", "negatives"),
        Series("negatives, expected: m / (K - 1) of the pseudo labels'", [point.it for point in errors], expected),
    ]
    charts.append(line_chart("DNLL: how often they are wrong", lines, "iteration", "images", percent=True))
    means = [sum(line.y) / len(line.y) for line in lines]
    notes.append(
        f"Over the training {100 * means[0]:.2f}% of the pseudo labels were wrong, and {100 * means[1]:.2f}% of the "
        f"sets of negatives held the true class; drawn with equal probability, {100 * means[2]:.2f}% would."
    )
    notes.append(DIAGNOSIS)
    return Section("", tuple(notes), tuple(charts))


def _line(points: Sequence[Point], field: str, label: str) -> Series:
    known = [(point.it, getattr(point, field)) for point in points if getattr(point, field) is not None]
    return Series(label, [it for it, _ in known], [value for _, value in known])


def spl_section(facts: RunFacts) -> Section | None:
    """SPL's rounds, and what the mask keeps of each layer; None for a run without them."""
    rounds = [record for record in facts.metrics if record.get(ROUND) is not None]
    if not rounds:
        return None
    rates = list(dict.fromkeys(record.get(RATE) for record in rounds))
    accuracies: list[Series] = []
    losses: list[Series] = []
    for rate in rates:
        of_rate = [record for record in rounds if record.get(RATE) == rate]
        label = "rounds" if len(rates) == 1 else f"rate {rate:g}"
        for name, lines in ((ACCURACY, accuracies), (LOSS, losses)):
            known = [(record[ROUND], record[name]) for record in of_rate if record.get(name) is not None]
            lines.append(Series(label, [it for it, _ in known], [value for _, value in known]))
    charts = [
        line_chart("SPL: accuracy on V2", accuracies, "round", "right", percent=True, note="V2 chooses the round."),
        line_chart("SPL: loss on V1", losses, "round", "loss", note="V1 teaches the mask."),
    ]
    masked = [record for record in rounds if any(name.startswith(f"{KEPT}/") for name in record)]
    if masked:
        layers = {
            name.removeprefix(f"{KEPT}/"): float(value)
            for name, value in masked[-1].items()
            if name.startswith(f"{KEPT}/") and value is not None
        }
        number = f"{masked[-1][ROUND]:.0f}"
        charts.append(bar_chart("SPL: share of the weights kept, by layer", layers, f"kept after round {number}"))
    return Section("SPL", charts=tuple(charts))


def _has_validation(facts: RunFacts) -> bool:
    split = facts.manifest.get("split") or {}
    return bool(split.get("validation")) or bool(facts.row.get("test_acc_at_best"))
