"""Which of the host's texts or sounds are labeled: by the host's own draw, or by ours for an open-set split."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import numpy as np
from semilearn.datasets.utils import split_ssl_data

from usb_negsamp.data import ImageArrays, ImageSource
from usb_negsamp.data.sources.looked_up import LookedUpImages
from usb_negsamp.errors import expected
from usb_negsamp.host.datasets.built_data import DatasetDict
from usb_negsamp.host.datasets.open_set import open_set_datasets

GIVEN_LABELED_PART = ("fsdnoisy",)
"""Data sets whose labeled part is a list of their own, and whose pool is another one."""
WITHOUT_VIEWS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Statistics of pixels, which nothing reads of samples without any."""


def split_closed(
    args: Any, algorithm: str, parts: dict[str, Any], num_labels: int, include_labeled: bool
) -> dict[str, Any]:
    """Split the training samples as the host's loaders do, whatever their lengths.

    Those make one array of all samples, which sounds of several lengths are none of; and they write their figures into
    the current folder, where nothing reads them.

    Args:
        args: the run's arguments.
        algorithm: the name by which the host's data sets choose the views of a sample.
        parts: all training samples (``train_lb``), ``eval`` and ``test``, as the host's loader reads them.
        num_labels: as the host reads it.
        include_labeled: whether labeled samples are unlabeled ones, too.
    """
    train = _samples(parts["train_lb"])
    made_like = _Parts(algorithm, parts, args.num_classes)
    labeled, labels, unlabeled, hidden = split_ssl_data(
        args,
        train.images,
        train.targets,
        args.num_classes,
        lb_num_labels=num_labels,
        ulb_num_labels=args.ulb_num_labels,
        lb_imbalance_ratio=args.lb_imb_ratio,
        ulb_imbalance_ratio=args.ulb_imb_ratio,
        include_lb_to_ulb=include_labeled,
    )
    return {
        **parts,
        "train_lb": made_like.labeled(labeled, labels),
        "train_ulb": made_like.unlabeled(unlabeled, hidden),
    }


def split_open(
    args: Any,
    algorithm: str,
    dataset: str,
    parts: dict[str, Any],
    num_labels: int | None,
    num_classes: int,
) -> DatasetDict:
    """Build the host's dictionary of data sets, and its entry ``open_set``, as for images.

    The host's development part is what the best model is chosen by, of its seen classes alone.

    Args:
        args: the run's arguments.
        algorithm: the name by which the host's data sets choose the views of a sample.
        dataset: its name.
        parts: all training samples (``train_lb``), ``eval`` and ``test``, as the host's loader reads them.
        num_labels: of all seen classes.
        num_classes: of the network, as many as are seen.

    Raises:
        ConfigError: options that contradict each other or the data; a class with too few samples.
    """
    if dataset in GIVEN_LABELED_PART:
        raise expected(
            "seen_classes",
            f"none with dataset {dataset}, whose labeled part is a list of its own",
            f"{args.seen_classes}",
        )
    train, validation, test = (_samples(parts[name]) for name in ("train_lb", "eval", "test"))
    # The host names no classes.
    classes = tuple(str(label) for label in range(int(train.targets.max()) + 1))
    mean, std = WITHOUT_VIEWS
    source = ImageSource(dataset, classes, train, None, validation, test, mean, std, horizontal_flip=False)
    made_like = _Parts(algorithm, parts, num_classes)
    opened = open_set_datasets(args, algorithm, source, made_like, num_labels, num_classes, {})
    return opened.with_record(num_labels, _digest(train, validation, test), None)


class _Parts:
    """Makes data sets of samples like those that the host's loader has made.

    Args:
        algorithm: the name by which they choose the views of an unlabeled sample.
        parts: the host's, for training and for evaluation.
        num_classes: K.
    """

    def __init__(self, algorithm: str, parts: dict[str, Any], num_classes: int) -> None:
        self.algorithm, self.parts, self.num_classes = algorithm, parts, num_classes

    def labeled(self, images: np.ndarray | LookedUpImages, targets: np.ndarray) -> Any:
        """Samples for training, and their labels."""
        return self._like("train_lb", images, targets)

    def unlabeled(self, images: np.ndarray | LookedUpImages, targets: np.ndarray) -> Any:
        """Samples with the views of the algorithm."""
        made = self._like("train_lb", images, targets)
        made.is_ulb = True
        return made

    def evaluated(self, images: np.ndarray | LookedUpImages, targets: np.ndarray) -> Any:
        """Samples as they are, and their labels."""
        return self._like("eval", images, targets)

    def evaluated_like(self, dataset: Any, targets: np.ndarray) -> Any:
        """The samples of ``dataset``, not copied, as they are, with labels of their own."""
        made = copy.copy(self.parts["eval"])
        made.data, made.targets = dataset.data, targets.tolist()
        made.alg, made.num_classes = self.algorithm, self.num_classes
        return made

    def _like(self, part: str, samples: np.ndarray | LookedUpImages, targets: np.ndarray) -> Any:
        made = copy.copy(self.parts[part])
        made.data, made.targets = list(np.asarray(samples)), targets.tolist()
        made.alg, made.num_classes = self.algorithm, self.num_classes
        return made


def _samples(dataset: Any) -> ImageArrays:
    """The samples of one of the host's data sets where images have their place, each an object."""
    samples = np.empty(len(dataset), dtype=object)
    for index, sample in enumerate(dataset.data):
        samples[index] = sample
    return ImageArrays(samples, np.asarray(dataset.targets, dtype=np.int64))


def _digest(*parts: ImageArrays) -> str:
    """SHA-256 of samples and labels, in order."""
    digest = hashlib.sha256()
    for part in parts:
        for sample in np.asarray(part.images):
            written = sample.tobytes() if isinstance(sample, np.ndarray) else "\0".join(sample).encode()
            digest.update(len(written).to_bytes(8, "little") + written)
        digest.update(part.targets.astype("<i8").tobytes())
    return digest.hexdigest()
