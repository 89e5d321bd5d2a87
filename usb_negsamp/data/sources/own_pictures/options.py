"""What can be asked of a folder of pictures beside where it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FolderOptions:
    """How a folder of pictures is read.

    Attributes:
        labels_csv: the file of the labels; None: the folders' names are the labels.
        skip_bad: whether files that cannot be decoded are left out; else they are an error.
        lazy: whether pictures are decoded each time they are asked for, and not kept in memory; None: where they would
            take more than half of the memory, and no folder keeps them.
        decoded_dir: the folder that keeps decoded pictures for later runs; None: none does.
    """

    labels_csv: Path | None = None
    skip_bad: bool = False
    lazy: bool | None = None
    decoded_dir: Path | None = None

    @classmethod
    def from_arguments(cls, args: Any) -> FolderOptions:
        """What the keys ``labels_csv``, ``skip_bad``, ``lazy_images`` and ``decoded_dir`` ask for."""
        labels, decoded = getattr(args, "labels_csv", None), getattr(args, "decoded_dir", None)
        return cls(
            None if labels is None else Path(labels).expanduser(),
            bool(getattr(args, "skip_bad", False)),
            getattr(args, "lazy_images", None),
            None if decoded is None else Path(decoded).expanduser(),
        )
