"""``usb-negsamp figure``: the pictures of a finished run that a training does not draw, or draws at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.run.figures.negatives_curve import draw_negatives_of, title_of
from usb_negsamp.run.finished_runs.rebuild import build_again
from usb_negsamp.run.records.directory import BEST, LATEST, NEGATIVES, TSNE
from usb_negsamp.run.records.manifest import config_of

MOST_IMAGES = 1000
FEWEST_IMAGES = 10


def draw_figures(run: Path, *, num_images: int = MOST_IMAGES, seed: int = 0) -> list[Path]:
    """Draw the pictures of the run in the folder ``run``; returns their paths.

    Raises:
        ConfigError: the folder holds no run, or none with a model, or a number of images that makes no picture.
    """
    if not FEWEST_IMAGES <= num_images <= MOST_IMAGES:
        raise expected("--images", f"a number from {FEWEST_IMAGES} to {MOST_IMAGES}", f"{num_images}")
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

    networks, images = features_of_run(algorithm, checkpoint, num_images, seed)
    draw_embeddings(networks, images, run / TSNE, title_of(config), seed)
