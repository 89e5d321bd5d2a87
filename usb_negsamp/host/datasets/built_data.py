"""What a run records of its data sets, carried by the dictionary that the host's ``get_dataset`` returns.

The host keeps nothing else of what it loads: an algorithm's ``dataset_dict`` is that dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from usb_negsamp.data import ImageFormat, SplitRecord
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.batches.format_of_host import format_of_host
from usb_negsamp.value_types import AUTO

NAMES = {"train_lb": "labeled", "train_ulb": "unlabeled", "eval": "evaluation", "test": "test"}
"""What the host's data sets are, by its names for them."""


@dataclass(frozen=True)
class BuiltData:
    """What a run records of its data sets.

    Attributes:
        num_labels: labeled images, as asked or, where all images are to be labeled, counted.
        data_digest: SHA-256 of images and labels; None where the host's own loader read them.
        split_digest: SHA-256 that names the split; None where nothing is drawn.
        split: index arrays, figures and lines of the split; None where the host's own loader drew it.
        images: what they are to the network, and the names of its outputs' classes; None where it is not known.
        sizes: of that loader's data sets, by their names there.
        num_held_out: training images held out for validation; None where the host's own loader read them.
    """

    num_labels: int | None
    data_digest: str | None = None
    split_digest: str | None = None
    split: SplitRecord | None = None
    images: ImageFormat | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    num_held_out: int | None = None

    def counted(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration with numbers in the places of what was asked for in words (``all``, ``auto``) or by none."""
        held_out = {"validation_size": self.num_held_out} if config.get("validation_size") == AUTO else {}
        return {**config, "num_labels": self.num_labels, **held_out}

    @property
    def log(self) -> tuple[str, ...]:
        """What the log says of the data beside :attr:`lines`."""
        return self.split.log if self.split is not None else ()

    @property
    def figures(self) -> dict[str, Any] | None:
        """Numbers of samples, and what follows from them; None where nothing is known."""
        if self.split is not None:
            return dict(self.split.figures)
        return {"kind": "host", **self.sizes} if self.sizes else None

    @property
    def lines(self) -> tuple[str, ...]:
        """What was read, to be shown when the run starts."""
        if self.split is not None:
            return self.split.lines
        sizes = ", ".join(f"{size} {name}" for name, size in self.sizes.items())
        return (f"the host's loader: {sizes} samples",) if sizes else ()


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
    """What the run of ``algorithm`` records; where the host loads the data, what was asked, and how much came."""
    parts = algorithm.dataset_dict
    built = parts.built if isinstance(parts, DatasetDict) else BuiltData(algorithm.args.num_labels)
    if built.split is not None or not isinstance(parts, dict):
        return built
    images = format_of_host(parts.get("eval"), algorithm.args.dataset, algorithm.args.num_classes)
    there = {name: parts[part] for part, name in NAMES.items() if parts.get(part) is not None}
    return replace(built, images=images, sizes={name: len(data) for name, data in there.items()})
