"""The entries of a checkpoint by which its network is used without the data and the code of its training.

``image_format``  how pixels become the network's input, and the classes of its outputs
                  (:class:`usb_negsamp.data.ImageFormat`)
``rejection``     of a run on an open-set split: by which score images are taken for those of an unseen class, and from
                  where on
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from usb_negsamp.data import ImageFormat, read_entry
from usb_negsamp.errors import expected
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.form import is_number, kind_of
from usb_negsamp.host.datasets.built_data import built_data_of
from usb_negsamp.host.evaluation.open_set import open_set_of, rejects_by_itself

SCORES = ("max_softmax", "own")


class Rejection(NamedTuple):
    """How images of unseen classes are told.

    Attributes:
        score: ``max_softmax``, or ``own``, the algorithm's rule.
        threshold: of the largest probability, below which an image is rejected. None where there were no validation
            images to set it by.
    """

    score: str
    threshold: float | None = None


def entries_of_use(algorithm: HostAlgorithm, threshold: float | None) -> dict[str, Any]:
    """The entries, as far as they are known of the data of ``algorithm``.

    Args:
        algorithm: with its data.
        threshold: of the weights that are saved, as :func:`usb_negsamp.host.evaluation.open_set.kept_threshold` has it.
    """
    found: dict[str, Any] = {}
    images = built_data_of(algorithm).images
    if images is not None:
        found["image_format"] = images.entry()
    if open_set_of(algorithm) is not None:
        own = rejects_by_itself(algorithm)
        found["rejection"] = {"score": "own"} if own else {"score": "max_softmax", "threshold": threshold}
    return found


def saved_format(saved: Mapping[str, Any], where: str) -> ImageFormat | None:
    """What a checkpoint says of its images; None where it says nothing.

    Raises:
        ConfigError: the entry is damaged.
    """
    entry = saved.get("image_format")
    return None if entry is None else read_entry(entry, where)


def saved_rejection(saved: Mapping[str, Any], where: str) -> Rejection | None:
    """What a checkpoint says of images of unseen classes; None where its run has no such classes.

    Raises:
        ConfigError: the entry is damaged.
    """
    entry = saved.get("rejection")
    if entry is None:
        return None
    score, threshold = entry.get("score"), entry.get("threshold")
    if score not in SCORES:
        raise expected(f"{where}: rejection: score", " or ".join(SCORES), kind_of(score))
    if not (threshold is None or is_number(threshold)):
        raise expected(f"{where}: rejection: threshold", "a number, or none", kind_of(threshold))
    return Rejection(score, None if threshold is None else float(threshold))
