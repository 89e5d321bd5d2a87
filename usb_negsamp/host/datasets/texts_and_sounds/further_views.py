"""The views of a text or a sound that a wrapper needs beside those that the host's data set makes."""

from __future__ import annotations

from typing import Any

from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW, ExtraViews
from usb_negsamp.host.datasets.image_views import NoStrongView
from usb_negsamp.host.datasets.texts_and_sounds.samples import (
    Collate,
    inputs_of,
    is_of_texts_or_sounds,
    name_of_sample,
    plain_sample,
    strong_sample,
    weak_sample,
)

FURTHER = "further"
"""The entry of a sample that holds further views by their keys in a batch."""


class FurtherViews(ExtraViews):
    """As :class:`ExtraViews`, of texts or sounds.

    Texts have one weak view, themselves: two passes over it differ by the network's dropout alone, as in the host's Pi
    model. A sample's views are put together as the host's weak view is, each for itself.
    """

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = dict(self.dataset[index])
        # An unlabeled data set that has become a labeled one has no use for unlabeled views.
        if self.dataset.is_ulb == self.of_unlabeled:
            if self.of_unlabeled:
                # With a label, as supervised baselines have it, the host's collators take a sample for a labeled one.
                sample.pop("label", None)
            there = _views_of_host(sample, name_of_sample(self.dataset))
            sample[FURTHER] = {view: self._sample(view, index) for view in self.views if view not in there}
        return sample

    def _sample(self, view: str, index: int) -> Any:
        if view == PLAIN_VIEW:
            return plain_sample(self.dataset, index)
        return (strong_sample if "_s" in view else weak_sample)(self.dataset, index)

    def collating(self, collate: Collate) -> FurtherCollator:
        """``collate``, the host's, for samples that carry further views."""
        return FurtherCollator(collate, name_of_sample(self.dataset))


class FurtherCollator:
    """Puts samples together with their further views.

    Args:
        collate: the host's.
        name: the key of a sample that holds its weak view.
    """

    def __init__(self, collate: Collate, name: str) -> None:
        self.collate, self.name = collate, name

    def __call__(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """The host's batch, and each further view under its key."""
        batch = dict(self.collate([{key: sample[key] for key in sample if key != FURTHER} for sample in samples]))
        indices = [sample["idx"] for sample in samples]
        for view in samples[0].get(FURTHER, ()):
            batch[view] = inputs_of([sample[FURTHER][view] for sample in samples], indices, self.name, self.collate)
        return batch


def with_views(dataset: Any, views: tuple[str, ...]) -> ExtraViews:
    """``dataset``, of images, texts or sounds, with further views of its samples."""
    return (FurtherViews if is_of_texts_or_sounds(dataset) else ExtraViews)(dataset, views)


def add_views(data: Any, views: tuple[str, ...]) -> None:
    """Let the unlabeled samples in a dictionary of data sets carry ``views``, too."""
    if views and data is not None and data["train_ulb"] is not None:
        if PLAIN_VIEW in views:
            data["train_ulb"].plain_transform = data["eval"].transform
        data["train_ulb"] = with_views(data["train_ulb"], views)


def add_labeled_views(data: Any, views: tuple[str, ...]) -> None:
    """Let the labeled samples in a dictionary of data sets carry ``views``, too."""
    if views and data is not None:
        data["train_lb"] = with_views(data["train_lb"], views)


def has_strong_view(dataset: Any) -> bool:
    """Whether the samples of one of the host's data sets have a strong view."""
    if is_of_texts_or_sounds(dataset):
        return True
    return not isinstance(dataset.strong_transform, (NoStrongView, type(None)))


def _views_of_host(sample: dict[str, Any], name: str) -> tuple[str, ...]:
    """The keys of a batch that the host's collators make of an unlabeled sample."""
    if f"{name}_s_" in sample:
        return ("idx_ulb", "x_ulb_w", "x_ulb_s_0", "x_ulb_s_1")
    return ("idx_ulb", "x_ulb_w", *(("x_ulb_s",) if f"{name}_s" in sample else ()))
