"""Writing a picture: whole or not at all, and without a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from usb_negsamp.atomic_write import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_picture(figure: Figure, path: Path, dpi: int = 120) -> None:
    """Write ``figure`` as PNG: ``path`` is the old picture or the new one, never half."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    with replacing(path) as file:
        figure.savefig(file, dpi=dpi, format="png")
