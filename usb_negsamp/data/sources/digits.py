"""Source ``digits``: the 1,797 real handwritten digits (8x8) that scikit-learn carries, so nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource, channel_statistics, empty_images

TEST_EVERY = 5
"""Every fifth image of a class, in the data's own order, is test: a part that no seed can change."""


def load_digits_source(data_dir: Path, img_size: int) -> ImageSource:
    """Return the digits, enlarged (bicubic) from 8x8 to ``img_size`` and repeated over three channels.

    The test part holds 355 images (every fifth of each class), ``train`` the other 1,442. Digits are not mirrored.

    Args:
        data_dir: not used; the data come with scikit-learn.
        img_size: side of the images, in pixels.
    """
    digits = load_digits()
    gray = np.rint(digits.images * (255.0 / 16.0)).astype(np.uint8)  # the data count 16 levels of ink
    size = (img_size, img_size)
    images = empty_images(len(gray), img_size)
    for index, image in enumerate(gray):
        images[index] = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))[..., None]
    targets = digits.target.astype(np.int64)

    is_test = np.zeros(len(targets), dtype=bool)
    for label in range(10):
        is_test[np.flatnonzero(targets == label)[TEST_EVERY - 1 :: TEST_EVERY]] = True

    mean, std = channel_statistics(images[~is_test])
    return ImageSource(
        name="digits",
        classes=tuple(str(label) for label in range(10)),
        train=ImageArrays(images[~is_test], targets[~is_test]),
        unlabeled=None,
        validation=None,
        test=ImageArrays(images[is_test], targets[is_test]),
        mean=mean,
        std=std,
        horizontal_flip=False,
    )
