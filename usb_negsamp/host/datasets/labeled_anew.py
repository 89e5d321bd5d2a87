"""Training on more labeled images than a run began with: those that its own predictions have labeled."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from semilearn.core.utils import build
from torch import Tensor

from usb_negsamp.data.sources.chosen_images import ChosenImages
from usb_negsamp.data.sources.looked_up import LookedUpImages
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.extra_views import ExtraViews


def with_images_of(labeled: Any, unlabeled: Any, rows: np.ndarray, classes: np.ndarray, *, view: str = "weak") -> Any:
    """A data set of all ``labeled`` images and of the ``rows`` of the ``unlabeled`` ones, which count as ``classes``.

    Args:
        labeled: the host's data set, which stays as it is.
        unlabeled: the host's, of the same kind of images.
        rows: (M,) indices.
        classes: (M,) integers.
        view: what of an image is seen, its ``weak`` or its ``strong`` view.

    Raises:
        ConfigError: the images have no strong view.
    """
    inside = labeled.dataset if isinstance(labeled, ExtraViews) else labeled
    more = copy.copy(inside)
    if isinstance(inside.data, LookedUpImages):
        # They are not kept, and stay so.
        more.data = ChosenImages((inside.data, None), (unlabeled.data, rows))
    else:
        more.data = _joined(inside.data, _chosen(unlabeled.data, rows))
    targets = np.asarray(inside.targets)
    more.targets = np.concatenate([targets, classes.astype(targets.dtype)])
    if view == "strong":
        if inside.strong_transform is None:
            raise ConfigError("expected labeled images that have a strong view, but these have none")
        more.transform = inside.strong_transform
    return labeled.of(more) if isinstance(labeled, ExtraViews) else more


def train_on(algorithm: HostAlgorithm, labeled: Any) -> None:
    """Let ``algorithm`` draw its labeled batches from the data set ``labeled`` from now on.

    They come in the order that the seed gives; :func:`~usb_negsamp.host.datasets.seeded_loading.skip_to` brings them to
    an iteration.
    """
    args, former = algorithm.args, algorithm.loader_dict["train_lb"]
    streams = args.num_loader_streams
    loader = build.get_data_loader(
        args,
        labeled,
        args.batch_size,
        data_sampler=args.train_sampler,
        num_iters=algorithm.num_train_iter,
        num_epochs=algorithm.epochs,
        num_workers=args.num_workers,
        distributed=algorithm.distributed,
    )
    # As many loaders as before: a resumed run, which makes fewer of them, draws the same.
    loader.sampler.stream, args.num_loader_streams = former.sampler.stream, streams
    loader.sampler.set_epoch(former.sampler.epoch)
    algorithm.loader_dict["train_lb"] = loader


def _chosen(images: Any, rows: np.ndarray) -> Any:
    if isinstance(images, list):
        return [images[row] for row in rows]
    # An array, or images of several that are read where they are asked for.
    return images[torch.from_numpy(rows)] if isinstance(images, Tensor) else np.asarray(images[rows])


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, list):
        return [*first, *second]
    return torch.cat([first, second]) if isinstance(first, Tensor) else np.concatenate([np.asarray(first), second])
