"""A run's part of the page, from what its files hold and from what its network says of its data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.figures.negatives_curve import title_of
from usb_negsamp.run.report.measures import MEASURES
from usb_negsamp.run.report.page.facts import RunFacts
from usb_negsamp.run.report.page.measured import NETWORKS, Measured, measure, network_file
from usb_negsamp.run.report.page.network_sections import (
    calibration_of,
    confusion_section,
    example_section,
    predictions_section,
)
from usb_negsamp.run.report.page.parts import RunPart
from usb_negsamp.run.report.page.record_sections import command_section, log_section, manifest_section
from usb_negsamp.run.report.page.training_sections import curves, negative_section, spl_section


@dataclass(frozen=True)
class Looked:
    """A run that was looked at.

    Attributes:
        facts: what its files say.
        measured: what its network says of its data; None where that cannot be had.
        missing: why not.
    """

    facts: RunFacts
    measured: Measured | None = None
    missing: tuple[str, ...] = ()


def look_at(facts: RunFacts, with_network: bool = True) -> Looked:
    """Measure what the run's network says of its data, as far as both are there.

    Args:
        facts: of the run.
        with_network: whether to do so at all.
    """
    if not with_network:
        return Looked(facts, missing=("Data and network were not read: what they say is left out.",))
    checkpoint = network_file(facts.folder)
    if checkpoint is None:
        return Looked(facts, missing=(f"There is no network yet: expected one of {', '.join(NETWORKS)}.",))
    if not facts.config:
        return Looked(facts, missing=("The network cannot be built without the run's configuration.",))
    try:
        return Looked(facts, measure(facts.folder, checkpoint))
    except (ConfigError, OSError) as error:
        reason = str(error)
    except Exception as error:  # the page of a broken run must open, whatever is broken
        reason = " ".join(f"{type(error).__name__}: {error}".split())
    return Looked(facts, missing=(f"What the network says of the data is left out: {reason}.",))


def run_part(looked: Looked, anchor: str, name: str, *, examples: bool = True, embedding: bool = True) -> RunPart:
    """The run on the page.

    Args:
        looked: the run.
        anchor: its place in the page.
        name: its heading.
        examples: whether it shows single images.
        embedding: whether it shows the picture by t-SNE.
    """
    facts, found = looked.facts, looked.measured
    sections = [log_section(facts), curves(facts)]
    missing = [*facts.missing, *looked.missing]
    classes = class_names(facts, found)
    if found is not None:
        missing += found.missing
        sections += [
            confusion_section(found, classes),
            negative_section(facts, found.negatives, classes),
            predictions_section(found, classes, embedding),
            spl_section(facts),
            example_section(found, classes) if examples else None,
        ]
    else:
        sections += [negative_section(facts, None, classes), spl_section(facts)]
    sections += [command_section(facts), manifest_section(facts)]
    return RunPart(
        anchor,
        name,
        title_of(dict(facts.config)) if {"algorithm", "dataset", "num_labels"} <= set(facts.config) else "",
        facts.state,
        tuple(figures(looked).items()),
        tuple(missing),
        tuple(section for section in sections if section is not None),
    )


def class_names(facts: RunFacts, found: Measured | None) -> Sequence[str]:
    """The names of the K classes, by their indices; the indices where no names are known."""
    number = found.probs.shape[1] if found is not None else int(facts.config.get("num_classes") or 0)
    split = facts.manifest.get("split") or {}
    names = split.get("seen_classes") if split.get("kind") == "open_set" else split.get("classes")
    if isinstance(names, list) and len(names) == number:
        return [str(name) for name in names]
    return [str(index) for index in range(number)]


def figures(looked: Looked) -> dict[str, str]:
    """The run's figures in short, by their names; those that it does not have are left out."""
    facts, found = looked.facts, looked.measured
    shown: dict[str, str] = {}
    for one in MEASURES:
        if one.name == "end" and not facts.row.get("spl_test_acc"):
            continue
        try:
            error = one.error(facts.row)
        except ConfigError:
            continue
        if error is not None:
            shown[f"test error ({one.rule})"] = f"{error:.2f}%"
    evaluated = [record["eval/top-1-acc"] for record in facts.metrics if record.get("eval/top-1-acc") is not None]
    if evaluated:
        shown["best evaluation"] = f"{100 * max(evaluated):.2f}%"
    if found is not None:
        shown["calibration error"] = f"{100 * calibration_of(found).error:.2f}%"
    for column, name in (("open_auroc", "AUROC, unseen classes"), ("spl_open_auroc", "AUROC after SPL")):
        if facts.row.get(column):
            shown[name] = f"{100 * float(facts.row[column]):.2f}%"
    seconds = facts.row.get("seconds") or facts.manifest.get("wall_seconds")
    if seconds:
        shown["time"] = duration(float(seconds))
    return shown


def duration(seconds: float) -> str:
    """Seconds as a person reads them.

    >>> duration(66.3), duration(7322)
    ('1:06 min', '2:02 h')
    """
    minutes = math.floor(seconds / 60)
    if minutes < 60:
        return f"{minutes}:{math.floor(seconds % 60):02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"
