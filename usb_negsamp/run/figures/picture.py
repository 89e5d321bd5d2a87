"""Writing a picture: whole or not at all, and without a display."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from usb_negsamp.atomic_write import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_picture(figure: Figure, path: Path, dpi: int = 120, metadata: Mapping[str, str] | None = None) -> None:
    """Write ``figure`` as PNG: ``path`` is the old picture or the new one, never half.

    Args:
        figure: the picture.
        path: the file.
        dpi: its dots per inch.
        metadata: texts that the file holds by their names.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    with replacing(path) as file:
        figure.savefig(file, dpi=dpi, format="png", metadata=None if metadata is None else dict(metadata))
