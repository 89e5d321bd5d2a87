"""The host as it comes: what a benchmark sets this package against.

Of our repairs only those stay without which the host does not start here; whatever else was mended, made faster or
added to it is taken back for the length of :func:`bare_host`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torchvision
from semilearn import algorithms
from semilearn.core.utils import build, misc

from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource
from usb_negsamp.errors import ConfigError
from usb_negsamp.host import patching

NEEDED_TO_START = (
    "process_count",
    "model_placement",
    "net_builder",
    "index_dump",
    "numpy_math",
    "epass_argument",
    "crmatch_feature_map",
    "softmatch_hook",
    "sequencematch_features",
)
"""A CPU in place of a GPU, networks that it does not have, files outside the data folder, and crashes of algorithms."""


@contextmanager
def bare_host() -> Iterator[None]:
    """Take everything back that we changed in the host, but for what it needs to start."""
    with patching.undone(*(name for name in patching.applied() if name not in NEEDED_TO_START)):
        yield


def build_bare_algorithm(args: Namespace, source: ImageSource) -> Any:
    """Build an algorithm of the host on a source's images, read by the host's own CIFAR-10 loader.

    That loader takes the training images for labeled and unlabeled ones as it takes CIFAR-10's, with the same views and
    the same normalization; the images stand where the downloaded ones would. To be called, and the algorithm used,
    within :func:`bare_host`.

    Args:
        args: as for :func:`usb_negsamp.host.build.build_algorithm`, of an algorithm that the host has.
        source: images with labels, and test images; no more than ten classes.

    Raises:
        ConfigError: there are no test images, or too many classes.
    """
    if source.test is None or len(source.classes) > 10:
        raise ConfigError(
            f"expected a data set of at most 10 classes with test images for the bare host, but got {source.name}"
        )
    args.dataset, args.num_classes = "cifar10", len(source.classes)
    with mock.patch.object(torchvision.datasets, "CIFAR10", _in_place_of_cifar10(source.train, source.test)):
        algorithm = algorithms.get_algorithm(args, build.get_net_builder(args.net, args.net_from_name), None, None)
    algorithm.model = misc.send_model_cuda(args, algorithm.model)
    algorithm.ema_model = misc.send_model_cuda(args, algorithm.ema_model)
    return algorithm


def _in_place_of_cifar10(train_images: ImageArrays, test_images: ImageArrays) -> type[Any]:
    class Images:
        def __init__(self, root: str, train: bool = True, download: bool = False) -> None:
            arrays = train_images if train else test_images
            self.data = np.asarray(arrays.images)
            self.targets: list[int] = arrays.targets.tolist()

    return Images
