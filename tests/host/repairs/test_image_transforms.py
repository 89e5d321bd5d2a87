"""The host's views of small images, from the operations that make no detours: bit for bit the host's."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from semilearn.datasets.augmentation import RandAugment
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from torchvision import transforms

from usb_negsamp.host.datasets.batches.rand_augment import SameRandAugment
from usb_negsamp.host.datasets.batches.same_views import SameCrop, SameTensor, without_detours
from usb_negsamp.host.patching import undone
from usb_negsamp.testing import seed_everything

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def views(size: int = 32, padding: int = 4) -> tuple[transforms.Compose, transforms.Compose]:
    """The weak and the strong transform of the host's ``get_cifar``."""
    crop = [
        transforms.Resize(size),
        transforms.RandomCrop(size, padding=padding, padding_mode="reflect"),
        transforms.RandomHorizontalFlip(),
    ]
    tensor = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    return transforms.Compose([*crop, *tensor]), transforms.Compose([*crop, RandAugment(3, 5), *tensor])


def dataset() -> Any:
    weak, strong = views()
    return BasicDataset("fixmatch", IMAGES, np.arange(6), 6, weak, True, strong_transform=strong)


def samples(data: Any) -> list[torch.Tensor]:
    seed_everything(3)
    found = [data[index] for index in range(6)]
    images = [sample[view] for sample in found for view in ("x_ulb_w", "x_ulb_s")]
    return [*images, torch.rand(1), torch.tensor(random.random()), torch.tensor(np.random.rand())]


@pytest.fixture
def padding_by_torchvision(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The images that torchvision padded."""
    padded: list[Any] = []
    pad = transforms.functional.pad

    def counted(image: Any, *args: Any, **kwargs: Any) -> Any:
        padded.append(image)
        return pad(image, *args, **kwargs)

    monkeypatch.setattr(transforms.functional, "pad", counted)
    return padded


def test_the_host_makes_the_detours(padding_by_torchvision: list[Any]) -> None:
    with undone("image_transforms"):
        samples(dataset())
    assert len(padding_by_torchvision) == 12


def test_the_same_views_without_them(padding_by_torchvision: list[Any]) -> None:
    with undone("image_transforms"):
        expected = samples(dataset())
    padding_by_torchvision.clear()
    found = samples(dataset())
    assert padding_by_torchvision == []
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


def test_the_transform_that_was_given_is_not_changed() -> None:
    weak, strong = views()
    before = list(weak.transforms)
    data = BasicDataset("fixmatch", IMAGES, np.arange(6), 6, weak, True, strong_transform=strong)
    assert weak.transforms == before
    assert data.transform is not weak
    assert [type(part) for part in data.strong_transform.transforms][1:] == [
        SameCrop,
        transforms.RandomHorizontalFlip,
        SameRandAugment,
        SameTensor,
    ]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize(("side", "size", "padding"), [(32, 32, 4), (28, 28, 0), (6, 20, 7), (20, 16, 2)])
def test_images_of_any_kind_are_cropped_as_torchvision_crops_them(
    mode: str, side: int, size: int, padding: int
) -> None:
    image = Image.fromarray(IMAGES[0]).convert(mode).resize((side, side + 3))
    crop = transforms.RandomCrop(size, padding=padding, padding_mode="reflect")
    cropped = []
    for operation in (crop, SameCrop(crop)):
        torch.manual_seed(1)
        cropped.append(np.asarray(operation(image)))
    expected, found = cropped
    assert np.array_equal(expected, found)


def test_an_image_that_is_too_small_gets_torchvisions_error() -> None:
    crop = transforms.RandomCrop(32, padding=2, padding_mode="reflect")
    with pytest.raises(ValueError, match="Required crop size"):
        SameCrop(crop)(Image.fromarray(IMAGES[0][:20]))


@pytest.mark.parametrize("image", [IMAGES[0], Image.fromarray(IMAGES[0])], ids=["array", "picture"])
def test_arrays_become_tensors_too(image: Any) -> None:
    to_tensor, normalize = transforms.ToTensor(), transforms.Normalize(MEAN, STD)
    assert torch.equal(SameTensor(to_tensor, normalize)(image), normalize(to_tensor(image)))


class OwnCrop(transforms.RandomCrop):
    """Somebody's own, which may do anything."""


@pytest.mark.parametrize(
    "part",
    [
        transforms.RandomCrop(32),
        transforms.RandomCrop(32, padding=4),
        transforms.RandomCrop((32, 28), padding=4, padding_mode="reflect"),
        transforms.RandomCrop(32, padding=(4, 2), padding_mode="reflect"),
        transforms.RandomCrop(32, padding=4, pad_if_needed=True, padding_mode="reflect"),
        OwnCrop(32, padding=4, padding_mode="reflect"),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ],
)
def test_other_operations_stay(part: Any) -> None:
    assert without_detours(transforms.Compose([part])).transforms == [part]


def test_other_normalizations_stay() -> None:
    for normalize in (transforms.Normalize([0.5], [0.5]), transforms.Normalize(MEAN, [0.2, 0.0, 0.2])):
        parts = [transforms.ToTensor(), normalize]
        assert without_detours(transforms.Compose(parts)).transforms == parts


def test_a_transform_that_is_no_compose_stays() -> None:
    assert without_detours(len) is len
    assert without_detours(None) is None


def test_workers_can_be_sent_the_transform() -> None:
    weak = without_detours(views()[0])
    sent = pickle.loads(pickle.dumps(weak))
    assert repr(sent) == repr(weak)
    torch.manual_seed(0)
    ours = weak(Image.fromarray(IMAGES[0]))
    torch.manual_seed(0)
    assert torch.equal(sent(Image.fromarray(IMAGES[0])), ours)
