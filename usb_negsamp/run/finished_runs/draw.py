"""``usb-negsamp figure``: the pictures of a finished run that a training does not draw, or draws at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError, expected, unknown
from usb_negsamp.run.figures.negatives_curve import draw_negatives_of, title_of
from usb_negsamp.run.finished_runs.rebuild import build_again, config_of
from usb_negsamp.run.records.directory import BEST, LATEST, NEGATIVES, TSNE

USAGE = """\
usage: usb-negsamp figure RUN ... [--images N] [--seed S]

Draws into each run's folder:
  tsne.png       features of its network, or of both, on test images, in two dimensions
  negatives.png  for DNLL: agreement of the two networks and error rate of the negatives over the training, measured
                 and as expected of equal probability

  --images N     how many test images at most (default 1000)
  --seed S       of the choice of images and of t-SNE (default 0)

The data set is read again, from the folder that the run had; the model is the one that was best on validation.
"""

MOST_IMAGES = 1000
FEWEST_IMAGES = 10
OPTIONS = {"--images": MOST_IMAGES, "--seed": 0}


def figure(words: Sequence[str]) -> int:
    """Draw the pictures of the runs that the command line names; return the exit code.

    Raises:
        ConfigError: no run, one that is none or has no model, or a wrong option.
    """
    runs, options = _parse(words)
    for run in runs:
        for path in draw_figures(run, num_images=options["--images"], seed=options["--seed"]):
            print(path)
    return 0


def draw_figures(run: Path, *, num_images: int = MOST_IMAGES, seed: int = 0) -> list[Path]:
    """Draw the pictures of the run in the folder ``run``; returns their paths.

    Raises:
        ConfigError: the folder holds no run, or none with a model.
    """
    config = config_of(run)
    checkpoint = next((run / name for name in (BEST, LATEST) if (run / name).is_file()), None)
    if checkpoint is None:
        raise ConfigError(f"{run} holds no model: expected {BEST} or {LATEST}")
    drawn = []
    if draw_negatives_of(run, config):
        drawn.append(run / NEGATIVES)
    draw_embeddings_of(run, config, checkpoint, num_images, seed)
    return [*drawn, run / TSNE]


def draw_embeddings_of(run: Path, config: dict[str, Any], checkpoint: Path, num_images: int, seed: int) -> None:
    """Draw the run's tsne.png."""
    algorithm = build_again(run)

    from usb_negsamp.host.evaluation.network_features import features_of_run
    from usb_negsamp.run.figures.embedding import draw_embeddings

    networks, labels = features_of_run(algorithm, checkpoint, num_images, seed)
    draw_embeddings(networks, labels, run / TSNE, title_of(config), seed)


def _parse(words: Sequence[str]) -> tuple[list[Path], dict[str, int]]:
    options = dict(OPTIONS)
    runs = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            runs.append(Path(word))
            continue
        name, equals, value = word.partition("=")
        if name not in options:
            raise unknown("option", name, options)
        value = value if equals else rest.pop(0) if rest else ""
        if not value.isdecimal():
            raise ConfigError(f"{name}: expected a whole number, but got {value!r}")
        options[name] = int(value)
    if not runs:
        raise ConfigError("figure needs the folder of a run, e.g. saved_models/classic_cv/RUN")
    if not FEWEST_IMAGES <= options["--images"] <= MOST_IMAGES:
        raise expected("--images", f"a number from {FEWEST_IMAGES} to {MOST_IMAGES}", f"{options['--images']}")
    return runs, options
