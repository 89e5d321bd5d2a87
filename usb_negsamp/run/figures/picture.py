"""Writing a picture: whole or not at all, and without a display."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_picture(figure: Figure, path: Path, dpi: int = 120) -> None:
    """Write ``figure`` as PNG beside ``path`` and rename it: ``path`` is the old picture or the new one, never half."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(beside, dpi=dpi, format="png")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
