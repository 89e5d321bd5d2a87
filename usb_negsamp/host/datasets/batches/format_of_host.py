"""What images are to the network where the host's own loader read them: taken from its transform for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchvision import transforms

from usb_negsamp.data import ChannelScaling, ImageFormat
from usb_negsamp.data.sources.torchvision_sets import NAMES_OF_CLASSES
from usb_negsamp.host.datasets.batches.same_views import SameTensor


def format_of_host(evaluated: Any, dataset: str, num_classes: int) -> ImageFormat | None:
    """The format of the images of one of the host's data sets.

    Args:
        evaluated: the data set for evaluation.
        dataset: its name. Where its classes have no names here, they are called by their numbers.
        num_classes: K.

    Returns:
        None where they are no images of three channels, or are evaluated otherwise than resized and normalized.
    """
    size: int | None = None
    statistics: tuple[Any, Any] | None = None
    for part in _parts(getattr(evaluated, "transform", None)):
        if type(part) is transforms.Resize and size is None:
            size = part.size if isinstance(part.size, int) else part.size[0]
        elif isinstance(part, SameTensor) or type(part) is transforms.Normalize:
            normalize = part.originals[1] if isinstance(part, SameTensor) else part
            statistics = (normalize.mean, normalize.std)
        elif type(part) is not transforms.ToTensor:
            return None
    if size is None or statistics is None or any(len(values) != 3 for values in statistics):
        return None
    (mean_r, mean_g, mean_b), (std_r, std_g, std_b) = (tuple(map(float, values)) for values in statistics)
    scaling = ChannelScaling("mean_std", (mean_r, mean_g, mean_b), (std_r, std_g, std_b))
    names = NAMES_OF_CLASSES.get(dataset, ())
    return ImageFormat(
        scaling, size, names if len(names) == num_classes else tuple(str(label) for label in range(num_classes))
    )


def _parts(transform: Any) -> Iterator[Any]:
    if type(transform) is transforms.Compose:
        for part in transform.transforms:
            yield from _parts(part)
    elif transform is not None:
        yield transform
