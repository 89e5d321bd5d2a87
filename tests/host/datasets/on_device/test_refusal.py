"""What keeps views from being made on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from semilearn.datasets.augmentation import RandAugment, randaugment
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from torch.utils.data import TensorDataset
from torchvision import transforms

from usb_negsamp.data.views.image_operations import unchanged
from usb_negsamp.host.datasets.on_device.refusal import reason

IMAGES = np.zeros((8, 12, 12, 3), dtype=np.uint8)
NORMALIZE = transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.1])


class Own(transforms.RandomHorizontalFlip):
    """Somebody's own."""


class OwnDataset(BasicDataset):
    """Somebody's own."""


def solarized_twice(picture: Image.Image, value: float) -> Image.Image:
    return randaugment.Solarize(randaugment.Solarize(picture, value), value)


def augment_of_own() -> RandAugment:
    augment = RandAugment(3, 5)
    augment.augment_list.append((solarized_twice, 0, 1))
    return augment


def dataset(strong: list[Any], kind: type = BasicDataset, data: Any = IMAGES, **changes: Any) -> Any:
    weak = transforms.Compose([transforms.ToTensor(), NORMALIZE])
    composed = transforms.Compose([*strong, transforms.ToTensor(), NORMALIZE])
    arguments = {"transform": weak, "strong_transform": composed, **changes}
    return kind("fixmatch", data, np.arange(8), 8, is_ulb=True, **arguments)


def turned_oblong() -> Any:
    found = dataset([], data=torch.rand(8, 3, 12, 8), transform=unchanged, strong_transform=unchanged)
    found.alg = "remixmatch"
    return found


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dataset([RandAugment(3, 5)]), None),
        (lambda: dataset([Own()]), "views made by Own"),
        (lambda: dataset([transforms.ColorJitter(0.4)]), "views made by ColorJitter"),
        (lambda: dataset([augment_of_own()]), "views made by SameRandAugment"),
        (lambda: dataset([], strong_transform=transforms.ToTensor()), "views made by ToTensor"),
        (lambda: dataset([], strong_transform=np.asarray), "views made by asarray"),
        (lambda: dataset([], strong_transform=transforms.RandomHorizontalFlip()), "views made by pixels"),
        (lambda: dataset([], OwnDataset), "test_refusal.OwnDataset"),
        (lambda: dataset([], data=[Image.fromarray(image) for image in IMAGES]), "images kept as list"),
        (lambda: TensorDataset(torch.ones(3)), "samples of torch.utils.data.dataset.TensorDataset"),
        (turned_oblong, "turned views of images that are not square"),
        (lambda: dataset([Own()], data=IMAGES[:0]), None),
    ],
)
def test_the_reason_names_what_is_in_the_way(make: Any, words: str | None) -> None:
    found = reason(make())
    assert (found is None) if words is None else (found is not None and words in found)
