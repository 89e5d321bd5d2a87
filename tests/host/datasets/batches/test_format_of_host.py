"""How images of the host's own loaders are preprocessed is read off their transforms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torchvision import transforms

from usb_negsamp.data import ChannelScaling, ImageFormat
from usb_negsamp.host.datasets.batches.format_of_host import format_of_host
from usb_negsamp.host.datasets.batches.same_views import without_detours

MEAN, STD = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
NORMALIZED = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
SCALING = ChannelScaling("mean_std", (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))


@pytest.mark.parametrize("faster", [False, True])
def test_resized_and_normalized_images_are_known(faster: bool) -> None:
    transform: Any = transforms.Compose([transforms.Resize(32), *NORMALIZED])
    data = SimpleNamespace(transform=without_detours(transform) if faster else transform)
    found = format_of_host(data, "svhn", 10)
    assert found == ImageFormat(SCALING, 32, tuple("0123456789"))
    assert format_of_host(data, "eurosat", 3) == ImageFormat(SCALING, 32, ("0", "1", "2"))
    named = format_of_host(data, "cifar10", 10)
    assert named is not None
    assert named.classes[:3] == ("airplane", "automobile", "bird")


@pytest.mark.parametrize(
    "transform",
    [
        None,
        transforms.Compose([transforms.Resize(37), transforms.CenterCrop(32), *NORMALIZED]),
        transforms.Compose([transforms.Resize(32), transforms.ToTensor()]),
        transforms.Compose(NORMALIZED),
        transforms.Compose([transforms.Resize(32), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]),
    ],
)
def test_what_is_evaluated_otherwise_is_not_guessed(transform: Any) -> None:
    assert format_of_host(SimpleNamespace(transform=transform), "svhn", 10) is None
