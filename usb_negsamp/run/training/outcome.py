"""What a finished run leaves beside its checkpoints: a row of results, pictures, and a summary for a person."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usb_negsamp.run.figures.negatives_curve import draw_negatives_of
from usb_negsamp.run.figures.training_curve import draw_curve
from usb_negsamp.run.records.directory import CURVE, METRICS, RESULTS
from usb_negsamp.run.records.manifest import Manifest
from usb_negsamp.run.records.metrics import read_metrics
from usb_negsamp.run.records.results import ON_VALIDATION, put_row, result_row, selection_rule
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.summary import summary


def report_outcome(
    results: Mapping[str, Any], manifest: Manifest, directory: Path, console: Console, with_pictures: bool
) -> None:
    """Write the row and then the end of the manifest, draw the pictures if they are wanted, and print the summary.

    A run that is killed before its manifest says that it has finished ends once more, and leaves the same row.

    Args:
        results: the algorithm's ``results_dict``.
        manifest: of the run, closed; it is written here.
        directory: the run's folder.
        console: is told where a picture cannot be drawn.
        with_pictures: the key ``curve``.
    """
    seconds = manifest.total_seconds
    put_row(directory / RESULTS, result_row(results, manifest.content, seconds))
    manifest.write()
    if with_pictures:
        _draw(directory, manifest.content["config"], evaluated_on(results), console)
    print(summary(results, manifest.content, directory, seconds))
    sys.stdout.flush()


def evaluated_on(results: Mapping[str, Any]) -> str:
    """Return the images that a run was evaluated on while it trained, in a word.

    >>> evaluated_on({"test/best_acc": 0.9}), evaluated_on({})
    ('validation', 'test')
    """
    return "validation" if selection_rule(results) == ON_VALIDATION else "test"


def _draw(directory: Path, config: dict[str, Any], evaluated: str, console: Console) -> None:
    title = f"{config['algorithm']} on {config['dataset']}, {config['num_labels']} labels"
    try:
        draw_curve(read_metrics(directory / METRICS), directory / CURVE, title, evaluated)
        draw_negatives_of(directory, config)
    except Exception as error:  # a picture must not cost a finished run its results
        console.line(f"usb-negsamp: no picture: {type(error).__name__}: {error}")
