"""Views of images without torchvision's and Pillow's detours: bit for bit theirs, from the same draws."""

from __future__ import annotations

from typing import Any

from PIL import Image
from torchvision import transforms

from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop
from usb_negsamp.host.datasets.batches.rand_augment import SameRandAugment


class SameCrop:
    """What ``RandomCrop(size, padding, padding_mode="reflect")`` of torchvision gives, sooner.

    Args:
        original: the operation; takes the images that :class:`ReflectCrop` does not know.
    """

    def __init__(self, original: transforms.RandomCrop) -> None:
        self.original = original
        self.reflect_crop = ReflectCrop(original.size[0], original.padding)

    @staticmethod
    def suits(part: Any) -> bool:
        """Whether ``part`` is a crop to a square after reflection by one and the same number at all four sides."""
        return (
            type(part) is transforms.RandomCrop
            and part.size[0] == part.size[1]
            and type(part.padding) is int
            and part.padding_mode == "reflect"
            and not part.pad_if_needed
        )

    def __call__(self, image: Any) -> Any:
        """Return a random crop."""
        known = isinstance(image, Image.Image) and image.mode in ("L", "RGB")
        # An image can be reflected once, and cannot be cropped to more than its padded size.
        padding = self.reflect_crop.padding
        if known and padding < min(image.size) and self.reflect_crop.size <= min(image.size) + 2 * padding:
            return self.reflect_crop(image)
        return self.original(image)

    def __repr__(self) -> str:
        return repr(self.original)


class SameTensor:
    """What ``ToTensor`` and then ``Normalize(mean, std)`` of torchvision give for three channels, sooner.

    Args:
        to_tensor: the first operation; both take the images that :class:`NormalizedTensor` does not know.
        normalize: the second.
    """

    def __init__(self, to_tensor: transforms.ToTensor, normalize: transforms.Normalize) -> None:
        self.originals = (to_tensor, normalize)
        self.normalized_tensor = NormalizedTensor(normalize.mean, normalize.std)

    @staticmethod
    def suits(part: Any, following: Any) -> bool:
        """Whether these are ``ToTensor`` and ``Normalize`` with a mean and a standard deviation, not 0, a channel."""
        return (
            type(part) is transforms.ToTensor
            and type(following) is transforms.Normalize
            and all(
                isinstance(values, (list, tuple)) and len(values) == 3 for values in (following.mean, following.std)
            )
            and all(following.std)
        )

    def __call__(self, image: Any) -> Any:
        """Return the tensor (3, H, W)."""
        if isinstance(image, Image.Image) and image.mode == "RGB":
            return self.normalized_tensor(image)
        to_tensor, normalize = self.originals
        return normalize(to_tensor(image))

    def __repr__(self) -> str:
        return "\n    ".join(map(repr, self.originals))


def without_detours(transform: Any) -> Any:
    """Return a ``Compose`` of the same views as ``transform``, or ``transform`` itself where nothing is to be gained.

    >>> crop = transforms.RandomCrop(32, padding=4, padding_mode="reflect")
    >>> host = transforms.Compose([crop, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.2] * 3)])
    >>> [type(part).__name__ for part in without_detours(host).transforms]
    ['SameCrop', 'SameTensor']
    """
    if type(transform) is not transforms.Compose:
        return transform
    parts: list[Any] = []
    for part in transform.transforms:
        if parts and SameTensor.suits(parts[-1], part):
            parts[-1] = SameTensor(parts[-1], part)
        elif SameRandAugment.suits(part):
            parts.append(SameRandAugment(part))
        else:
            parts.append(SameCrop(part) if SameCrop.suits(part) else part)
    return transform if parts == transform.transforms else transforms.Compose(parts)
