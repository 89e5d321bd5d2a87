"""A data set for benchmarks where there are no files: images of random pixels, as many as one likes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource
from usb_negsamp.data.sources.registry import SOURCES
from usb_negsamp.host.datasets.build import offer_sources

NAME = "random_images"
CLASSES = 10
MOST_TEST_IMAGES = 10_000


def offer_random_images(train: int) -> None:
    """Add the data set ``random_images`` to this process: ``train`` training images, and at most 10,000 test images."""

    def load(data_dir: Path, img_size: int) -> ImageSource:
        generator = np.random.default_rng(0)
        parts = [
            ImageArrays(
                generator.integers(0, 256, (number, img_size, img_size, 3), dtype=np.uint8),
                np.arange(number) % CLASSES,
            )
            for number in (train, min(train, MOST_TEST_IMAGES))
        ]
        return ImageSource(
            name=NAME,
            classes=tuple(map(str, range(CLASSES))),
            train=parts[0],
            unlabeled=None,
            validation=None,
            test=parts[1],
            mean=(0.5, 0.5, 0.5),
            std=(0.29, 0.29, 0.29),
            horizontal_flip=True,
        )

    SOURCES[NAME] = load
    offer_sources()
