"""TensorBoard events under the host's tags, in the shape of the logger that the host's hooks call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usb_negsamp.run.records.scalars import scalars


class TensorBoardLog:
    """Writes numbers; the file is opened by :meth:`open`, so that building a run writes nothing."""

    def __init__(self) -> None:
        self._writer: Any = None

    def open(self, directory: Path, first_iteration: int) -> None:
        """Write into ``directory`` from here on; events of a killed run past ``first_iteration`` are hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(directory), purge_step=first_iteration or None)

    def update(self, log_dict: Mapping[str, Any], it: int, suffix: str | None = None, mode: str = "train") -> None:
        """Write every number of ``log_dict`` at step ``it``; the host's signature."""
        if self._writer is None:
            return
        for name, value in scalars(log_dict).items():
            self._writer.add_scalar((suffix or "") + name, value, it)

    def close(self) -> None:
        """Flush and close. May be called twice."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
