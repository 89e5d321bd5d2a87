"""What the images of a run are to its network, and what its outputs are of: all that its use without the data needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from usb_negsamp.data.sources.image_source import ImageSource
from usb_negsamp.data.views.preprocessing import GCNZCA, PREPROCESSING, ChannelScaling, Preprocessing
from usb_negsamp.errors import ConfigError, expected, quoted

MODE = "RGB"
RESIZING = "shorter side by bicubic interpolation, then the center"


@dataclass(frozen=True)
class ImageFormat:
    """Images of one run, and the classes of its network's outputs.

    Attributes:
        preprocessing: from pixels to what the network takes.
        img_size: side of the square images, in pixels.
        classes: names of the K outputs, in their order.
        unseen_classes: names of the classes of an open-set split that have no output; else empty.
    """

    preprocessing: Preprocessing
    img_size: int
    classes: tuple[str, ...]
    unseen_classes: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """The same in texts, numbers, lists and arrays, for a checkpoint."""
        of_kind: dict[str, Any]
        if isinstance(self.preprocessing, GCNZCA):
            of_kind = {
                "mean": self.preprocessing.mean,
                "whitening": self.preprocessing.whitening,
                "digest": self.preprocessing.digest,
            }
        else:
            of_kind = {"mean": list(self.preprocessing.mean), "std": list(self.preprocessing.std)}
        return {
            "preprocessing": self.preprocessing.name,
            **of_kind,
            "img_size": self.img_size,
            "mode": MODE,
            "resizing": RESIZING,
            "classes": list(self.classes),
            "unseen_classes": list(self.unseen_classes),
        }


def read_entry(entry: Mapping[str, Any], where: str) -> ImageFormat:
    """The format that a checkpoint's entry holds.

    Args:
        entry: as :meth:`ImageFormat.entry` gives it, its arrays as arrays or tensors.
        where: the file, for the message.

    Raises:
        ConfigError: it is damaged.
    """
    name = entry.get("preprocessing")
    if name not in PREPROCESSING:
        raise expected(f"{where}: image_format: preprocessing", ", ".join(PREPROCESSING), quoted(name))
    try:
        preprocessing: Preprocessing
        if name == "gcn_zca":
            mean, whitening = (np.asarray(entry[key], dtype=np.float32) for key in ("mean", "whitening"))
            if whitening.shape != (len(mean), len(mean)):
                raise ValueError(f"a matrix of {whitening.shape} for {len(mean)} values")
            preprocessing = GCNZCA(mean, whitening, str(entry["digest"]))
        else:
            preprocessing = ChannelScaling(name, _three(entry["mean"]), _three(entry["std"]))
        classes, unseen = (tuple(map(str, entry[key])) for key in ("classes", "unseen_classes"))
        return ImageFormat(preprocessing, int(entry["img_size"]), classes, unseen)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{where}: image_format: expected statistics, size and classes of the run's images, but it is damaged "
            f"({type(error).__name__}: {error})"
        ) from error


def format_of_source(
    source: ImageSource, preprocessing: Preprocessing, img_size: int, seen_classes: Sequence[int] | None = None
) -> ImageFormat:
    """The format of images of ``source``.

    Args:
        source: whose classes they are.
        preprocessing: of the run.
        img_size: side, in pixels.
        seen_classes: indices of the classes that have an output, in the order of the outputs; None: all.
    """
    indices = range(len(source.classes)) if seen_classes is None else seen_classes
    seen = tuple(source.classes[index] for index in indices)
    unseen = tuple(name for index, name in enumerate(source.classes) if index not in set(indices))
    return ImageFormat(preprocessing, img_size, seen, unseen)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
