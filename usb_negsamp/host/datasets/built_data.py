"""What a run records of its data sets, carried by the dictionary that the host's ``get_dataset`` returns.

The host keeps nothing else of what it loads: an algorithm's ``dataset_dict`` is that dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usb_negsamp.data import SplitRecord
from usb_negsamp.host.algorithm import HostAlgorithm


@dataclass(frozen=True)
class BuiltData:
    """What a run records of its data sets.

    Attributes:
        num_labels: labeled images, as asked or, where all images are to be labeled, counted.
        data_digest: SHA-256 of images and labels; None where the host's own loader read them.
        split_digest: SHA-256 that names the split; None where nothing is drawn.
        split: index arrays, figures and lines of the split; None where the host's own loader drew it.
    """

    num_labels: int | None
    data_digest: str | None = None
    split_digest: str | None = None
    split: SplitRecord | None = None


class DatasetDict(dict[str, Any]):
    """The host's dictionary of data sets, by the names of its loaders.

    Args:
        parts: its entries.
        built: what a run records of them.
    """

    def __init__(self, parts: Mapping[str, Any], built: BuiltData) -> None:
        super().__init__(parts)
        self.built = built


def built_data_of(algorithm: HostAlgorithm) -> BuiltData:
    """What the run of ``algorithm`` records; of an algorithm that loads its data by itself no more than was asked."""
    parts = algorithm.dataset_dict
    return parts.built if isinstance(parts, DatasetDict) else BuiltData(algorithm.args.num_labels)
