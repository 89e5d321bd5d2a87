"""The transforms of a source's images by the keys ``preprocessing`` and ``augmentation``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from semilearn.datasets.augmentation import RandAugment
from torchvision import transforms

from usb_negsamp.data import (
    ImageSource,
    color_jitter,
    evaluation_transform,
    fit_preprocessing,
    horizontal_shift,
    mixmatch_augmentation,
    noise,
    oliver_augmentation,
    strong_transform,
    weak_transform,
)
from usb_negsamp.data.views.image_operations import unchanged
from usb_negsamp.data.views.preprocessing import GCNZCA, Preprocessing
from usb_negsamp.errors import ConfigError, unknown

AUGMENTATIONS = ("host", "oliver", "mixmatch", "identity", "noise", "horizontal_shift", "color_jitter")


class ImageViews(NamedTuple):
    """How stored images become what a network sees.

    Attributes:
        stored: (N, H, W, 3) uint8 images to what the data set keeps of them.
        weak: a new weak view each time it is called.
        strong: a new strong view.
        plain: the image for evaluation.
        preprocessing: what is part of all of them.
    """

    stored: Callable[[Any], Any]
    weak: Callable[[Any], torch.Tensor]
    strong: Callable[[Any], torch.Tensor]
    plain: Callable[[Any], torch.Tensor]
    preprocessing: Preprocessing


def as_tensors(images: np.ndarray) -> torch.Tensor:
    """Float arrays as tensors, which the host's data set hands to the transforms as they are."""
    return torch.from_numpy(images)


def no_change() -> Callable[[Any], Any]:
    """What makes of an image itself."""
    return unchanged


STRONG_OF_ITSELF: dict[str, Callable[[], Callable[[Any], Any]]] = {
    "identity": no_change,
    "noise": noise,
    "horizontal_shift": horizontal_shift,
}
"""Augmentations whose weak view is the image itself, and what makes the strong one of it."""


class NoStrongView:
    """Stands where a strong view would be made of whitened images, which RandAugment cannot change."""

    def __call__(self, image: Any) -> torch.Tensor:
        """Refuse.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "preprocessing: expected mean_std or minus_one_to_one for an algorithm with strong views, because "
            "RandAugment changes 8-bit images, but got gcn_zca"
        )


def image_views(args: Any, source: ImageSource) -> ImageViews:
    """Return the views that ``args.preprocessing`` and ``args.augmentation`` ask for.

    Raises:
        ConfigError: an unknown choice, or images that cannot be preprocessed so.
    """
    augmentation = getattr(args, "augmentation", None) or "host"
    if augmentation not in AUGMENTATIONS:
        raise unknown("augmentation", augmentation, AUGMENTATIONS)
    preprocessing = fit_preprocessing(getattr(args, "preprocessing", None) or "mean_std", source)
    flip = source.horizontal_flip
    if augmentation == "mixmatch":
        on_tensor: Any = mixmatch_augmentation(horizontal_flip=flip, max_shift=round(args.img_size / 8))
    else:
        # Oliver et al. add noise to CIFAR's images and not to digits, which is also where they flip.
        on_tensor = oliver_augmentation(horizontal_flip=flip, noise=flip)
    if isinstance(preprocessing, GCNZCA):
        if augmentation not in ("oliver", "mixmatch"):
            raise ConfigError(
                f"augmentation: expected oliver or mixmatch with preprocessing gcn_zca, but got {augmentation}"
            )
        return ImageViews(
            lambda images: as_tensors(preprocessing(images)), on_tensor, NoStrongView(), unchanged, preprocessing
        )
    scaling = (preprocessing.mean, preprocessing.std)
    plain = evaluation_transform(*scaling)
    if augmentation in STRONG_OF_ITSELF:
        strong = transforms.Compose([plain, STRONG_OF_ITSELF[augmentation]()])
        return ImageViews(unchanged, plain, strong, plain, preprocessing)
    weak: Any = weak_transform(args.img_size, args.crop_ratio, *scaling, flip)
    if augmentation in ("oliver", "mixmatch"):
        weak = transforms.Compose([plain, on_tensor])
    change: Any = color_jitter() if augmentation == "color_jitter" else RandAugment(3, 5)
    strong = strong_transform(args.img_size, args.crop_ratio, *scaling, flip, change)
    return ImageViews(unchanged, weak, strong, plain, preprocessing)
