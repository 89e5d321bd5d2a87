"""Our data sources as the host's data sets, and the views a wrapper needs beside those of its base algorithm."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from semilearn.core.utils import build as host_build
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from torch.utils.data import Dataset

from usb_negsamp.data import HOST_SOURCES, SOURCES, ImageArrays, ImageSource, labeled_split, load_source
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.image_views import image_views
from usb_negsamp.host.repairs.unknown_dataset import AFTER_DATASET, EXTRA_DATASETS, Loader


def image_digest(*parts: ImageArrays | None) -> str:
    """SHA-256 of the images and labels of ``parts``, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if part is not None:
            digest.update(np.ascontiguousarray(part.images).tobytes())
            digest.update(part.targets.astype("<i8").tobytes())
    return digest.hexdigest()


def _check(args: Any, source: ImageSource, num_classes: int) -> None:
    if num_classes != len(source.classes):
        raise ConfigError(
            f"num_classes: expected {len(source.classes)}, the classes of dataset {source.name!r}, "
            f"but got {num_classes}"
        )
    if args.lb_imb_ratio != 1 or args.ulb_imb_ratio != 1:
        raise ConfigError(
            f"lb_imb_ratio and ulb_imb_ratio: expected 1 for dataset {source.name!r}, which is split evenly over its "
            f"classes, but got {args.lb_imb_ratio} and {args.ulb_imb_ratio}"
        )


def build_source(
    args: Any,
    algorithm: str,
    dataset: str,
    num_labels: int,
    num_classes: int,
    data_dir: str = "./data",
    include_lb_to_ulb: bool = True,
) -> dict[str, Any]:
    """Build the host's dictionary of data sets from one of our sources.

    Validation images (``validation_size``, or the source's own) are the host's ``eval``, by which the best model is
    chosen, and the test images its ``test``; without a validation part the test images are ``eval``, as everywhere in
    the host.
    """
    source = load_source(
        dataset, data_dir=data_dir, img_size=args.img_size, horizontal_flip=getattr(args, "horizontal_flip", None)
    )
    _check(args, source, num_classes)
    split_seed = getattr(args, "split_seed", None)
    split = labeled_split(
        source.train.targets,
        num_labels=num_labels,
        num_classes=num_classes,
        validation_size=(getattr(args, "validation_size", 0) or 0) if source.validation is None else 0,
        split_seed=args.seed if split_seed is None else split_seed,
    )
    args.data_digest = image_digest(source.train, source.unlabeled, source.validation, source.test)
    args.split_digest = split.digest

    train = source.train
    views = image_views(args, source)
    labeled = split.labeled
    unlabeled_images, unlabeled_targets = train.images[split.unlabeled], train.targets[split.unlabeled]
    if include_lb_to_ulb:
        unlabeled_images = np.concatenate([train.images[split.labeled], unlabeled_images])
        unlabeled_targets = np.concatenate([train.targets[split.labeled], unlabeled_targets])
    if source.unlabeled is not None:
        unlabeled_images = np.concatenate([unlabeled_images, source.unlabeled.images])
        unlabeled_targets = np.concatenate([unlabeled_targets, source.unlabeled.targets])
    if algorithm == "fullysupervised":
        labeled = np.concatenate([split.labeled, split.unlabeled])

    def part(images: np.ndarray, targets: np.ndarray, transform: Any, is_ulb: bool = False) -> BasicDataset:
        strong = None if transform is views.plain else views.strong
        more = {"medium_transform": strong} if _has_medium_view() else {}
        return BasicDataset(
            alg=algorithm,
            data=views.stored(images),
            targets=targets,
            num_classes=num_classes,
            transform=transform,
            is_ulb=is_ulb,
            strong_transform=strong,
            onehot=False,
            **more,
        )

    validation = source.validation
    if validation is None and len(split.validation):
        validation = ImageArrays(train.images[split.validation], train.targets[split.validation])
    held_out = [p for p in (validation, source.test) if p is not None]
    if not held_out:
        raise ConfigError(f"dataset {dataset!r}: expected test images or validation_size above 0, but there is neither")
    evaluated = [part(p.images, p.targets, views.plain) for p in held_out]
    return {
        "train_lb": part(train.images[labeled], train.targets[labeled], views.weak),
        "train_ulb": part(unlabeled_images, unlabeled_targets, views.weak, is_ulb=True),
        "eval": evaluated[0],
        "test": evaluated[1] if len(evaluated) > 1 else None,
    }


def plain_images(dataset: Any, transform: Any, indices: Iterable[int]) -> torch.Tensor:
    """Images (N, C, H, W) of one of the host's data sets under ``transform``, the one for evaluation usually."""
    samples = (dataset.__sample__(index)[0] for index in indices)
    return torch.stack([transform(Image.fromarray(s) if isinstance(s, np.ndarray) else s) for s in samples])


def _has_medium_view() -> bool:
    """Whether the host's data set makes medium views (git main's does)."""
    return "medium_transform" in inspect.signature(BasicDataset.__init__).parameters


def host_or_source(host_loader: Loader) -> Loader:
    """Return a loader that is the host's own unless a key asks for what only our sources offer."""

    def load(args: Any, *names: Any, **options: Any) -> dict[str, Any]:
        ours = (getattr(args, key, None) for key in ("validation_size", "preprocessing", "augmentation"))
        return (build_source if any(ours) else host_loader)(args, *names, **options)

    return load


class ExtraViews(Dataset):
    """An unlabeled data set whose samples carry further views of the same image.

    Args:
        dataset: the host's; ``transform`` makes weak views, ``strong_transform`` strong ones.
        views: keys to add where the sample lacks them; a key holding ``_s`` is a strong view, any other a weak one.
    """

    def __init__(self, dataset: Any, views: tuple[str, ...]) -> None:
        self.dataset = dataset
        self.views = views

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or (name.startswith("__") and name != "__sample__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # The host's imbalanced algorithms change the data, the targets and is_ulb of a data set they have copied.
        if name in ("dataset", "views"):
            super().__setattr__(name, value)
        else:
            setattr(self.dataset, name, value)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = dict(self.dataset[index])
        missing = [view for view in self.views if view not in sample] if self.dataset.is_ulb else []
        if missing:
            image = self.dataset.__sample__(index)[0]
            image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
            for view in missing:
                make = self.dataset.strong_transform if "_s" in view else self.dataset.transform
                sample[view] = make(image)
        return sample


def add_requested_views(args: Any, algorithm: str, dataset_dict: dict[str, Any]) -> dict[str, Any]:
    """Add the unlabeled views named in ``args.unlabeled_views`` (by a wrapper) to the training set."""
    views = tuple(getattr(args, "unlabeled_views", ()))
    if views and dataset_dict["train_ulb"] is not None:
        dataset_dict["train_ulb"] = ExtraViews(dataset_dict["train_ulb"], views)
    return dataset_dict


def offer_sources() -> None:
    """Make our sources data sets of the host, and let wrappers have the views they need. Repeating it is harmless."""
    EXTRA_DATASETS.update(dict.fromkeys(SOURCES, build_source))
    for name in HOST_SOURCES:
        EXTRA_DATASETS.setdefault(name, host_or_source(inspect.unwrap(host_build.get_dataset)))
    if add_requested_views not in AFTER_DATASET:
        AFTER_DATASET.append(add_requested_views)
