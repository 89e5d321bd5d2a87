"""The host's RandAugment with its slow operations done by :mod:`usb_negsamp.data.views.rand_augment`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from PIL import Image
from semilearn.datasets.augmentation import randaugment as host

from usb_negsamp.data.views import rand_augment as ours
from usb_negsamp.data.views.on_device import strengths
from usb_negsamp.data.views.on_device.rand_augment import RandAugmented

Picture = Image.Image | np.ndarray


class PythonDraws(Protocol):
    """What is drawn of Python's ``random``, or of one of its generators."""

    def choices(self, population: Any, *, k: int) -> list[Any]: ...
    def random(self) -> float: ...


ON_ARRAYS: dict[Callable[..., Any], Callable[[np.ndarray, float], np.ndarray]] = {
    host.AutoContrast: lambda pixels, value: ours.auto_contrast(pixels),
    host.Equalize: lambda pixels, value: ours.equalize(pixels),
    host.Posterize: lambda pixels, value: ours.posterize(pixels, max(1, int(value))),
    host.Solarize: ours.solarize,
}
"""Operations of the host, and what does the same with an array."""
ON_PICTURES: dict[Callable[..., Any], Callable[[Image.Image, float], Image.Image]] = {host.Contrast: ours.contrast}
"""Operations of the host, and what does the same with a picture. The others are done by the host, with a picture."""

ON_DEVICE: dict[Callable[..., Any], strengths.Operation] = {
    host.AutoContrast: strengths.AUTO_CONTRAST,
    host.Brightness: strengths.BRIGHTNESS,
    host.Color: strengths.COLOR,
    host.Contrast: strengths.CONTRAST,
    host.Equalize: strengths.EQUALIZE,
    host.Identity: strengths.IDENTITY,
    host.Invert: strengths.INVERT,
    host.Posterize: strengths.POSTERIZE,
    host.Rotate: strengths.ROTATE,
    host.Sharpness: strengths.SHARPNESS,
    host.ShearX: strengths.SHEAR_X,
    host.ShearY: strengths.SHEAR_Y,
    host.Solarize: strengths.SOLARIZE,
    host.TranslateX: strengths.TRANSLATE_X,
    host.TranslateXabs: strengths.TRANSLATE_X_PIXELS,
    host.TranslateY: strengths.TRANSLATE_Y,
    host.TranslateYabs: strengths.TRANSLATE_Y_PIXELS,
}
"""Operations of the host, and what does the same on a device."""


class SameRandAugment:
    """What the host's ``RandAugment`` gives from the same draws, sooner.

    Args:
        original: takes the images that are no pictures of three channels.
    """

    def __init__(self, original: host.RandAugment) -> None:
        self.original = original

    @staticmethod
    def suits(part: Any) -> bool:
        """Whether ``part`` is the host's own class, with nothing of it overridden."""
        return type(part) is host.RandAugment

    def __call__(self, image: Any) -> Any:
        """Return a strong view."""
        if not isinstance(image, Image.Image) or image.mode != "RGB":
            return self.original(image)
        return as_picture(self.changed(image, random, np.random.uniform))

    def changed(self, picture: Picture, of_python: PythonDraws, uniform: Callable[[float], float]) -> np.ndarray:
        """A strong view (H, W, 3) uint8 of an image with three channels.

        Args:
            picture: the image.
            of_python: what the operations and their strengths are drawn of.
            uniform: draws as ``numpy.random.uniform`` does of its lower bound, the upper being 1.
        """
        for operation, least, most in of_python.choices(self.original.augment_list, k=self.original.n):
            value = least + float(most - least) * of_python.random()
            if operation in ON_ARRAYS:
                picture = ON_ARRAYS[operation](as_array(picture), value)
            elif operation is not host.Identity:
                picture = ON_PICTURES.get(operation, operation)(as_picture(picture), value)
        share = of_python.random() * 0.5
        pixels = as_array(picture)
        if share > 0.0:
            pixels = pixels.copy()
            height, width = pixels.shape[:2]
            # As the host draws it: from the side to 1.
            column, row = uniform(width), uniform(height)
            ours.cut_out(pixels, share * width, column, row)
        return pixels

    def on_device(self, size: tuple[int, int]) -> RandAugmented | None:
        """The same on batches of images of ``size`` on a device; None where an operation is not known there."""
        listed = self.original.augment_list
        if not all(operation in ON_DEVICE for operation, _, _ in listed):
            return None
        operations = tuple((ON_DEVICE[operation], least, most) for operation, least, most in listed)
        return RandAugmented(operations, self.original.n, size)

    def __repr__(self) -> str:
        return repr(self.original)


def as_picture(image: Picture) -> Image.Image:
    """An array (H, W, 3) as a picture; a picture as it is."""
    if isinstance(image, Image.Image):
        return image
    height, width = image.shape[:2]
    return Image.frombytes("RGB", (width, height), image.tobytes())


def as_array(image: Picture) -> np.ndarray:
    """A picture as an array (H, W, 3), which may not be written to; an array as it is."""
    if isinstance(image, np.ndarray):
        return image
    width, height = image.size
    return np.frombuffer(image.tobytes(), dtype=np.uint8).reshape(height, width, 3)
