"""Batches whose views are made at once: those of one sample after the other, whatever the data set holds."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from semilearn.datasets.augmentation import RandAugment
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from torch.utils.data import Dataset, default_collate
from torchvision import transforms

from usb_negsamp.data.views.image_operations import unchanged
from usb_negsamp.data.views.oliver import TensorAugmentation
from usb_negsamp.host.datasets.batches.whole import Whole, seconds_of_a_batch, whole_batch
from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW, ExtraViews
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.datasets.seeded_loading import SeededDataset
from usb_negsamp.testing import build_tiny

OPEN = {"seen_classes": 6, "num_classes": 6, "num_labels": 30, "mismatch_ratio": 0.5, "num_unlabeled": 200}
OLIVER = {"augmentation": "oliver", "horizontal_flip": True}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "weak and strong": ("fixmatch_ns3l", {}),
    "weak": ("vat", {"horizontal_flip": True}),
    "an extra view": ("vat_ns3l", {"ns3l_passes": 2}),
    "the image as it is evaluated": ("fixmatch_ns3l", {"ns3l_gate": "neighbors"}),
    "several weak views": ("mixmatch", {"preprocessing": "minus_one_to_one", "augmentation": "mixmatch"}),
    "two strong views": ("comatch", {}),
    "a strong view of labeled images": ("defixmatch", {}),
    "views for two networks": ("dnll", {}),
    "noise": ("pimodel", OLIVER),
    "whitened images": ("vat", {"preprocessing": "gcn_zca", **OLIVER}),
    "horizontal shifts": ("dnll", {"augmentation": "horizontal_shift"}),
    "noise over the image itself": ("dnll", {"augmentation": "noise"}),
    "the image itself": ("dnll", {"augmentation": "identity"}),
    "no unlabeled view": ("fullysupervised", {}),
    "open set": ("fixmatch_ns3l", OPEN),
    "rotated images": ("crmatch", {}),
    "a rotated view": ("remixmatch", {}),
    "a rotated view, and extra ones": ("remixmatch_ns3l", {"ns3l_passes": 2}),
    "a rotated view of shifted images": ("remixmatch", {"augmentation": "horizontal_shift"}),
}
ONE_BY_ONE: dict[str, tuple[str, dict[str, Any]]] = {
    "changed colors": ("dnll", {"augmentation": "color_jitter"}),
}
"""Runs whose unlabeled views are not known."""


def seeded(algorithm: Any, name: str) -> SeededDataset:
    dataset = algorithm.loader_dict[name].dataset
    assert isinstance(dataset, SeededDataset)
    return dataset


def one_by_one(dataset: SeededDataset, keyed: list[tuple[int, int]]) -> Any:
    return default_collate([dataset[one] for one in keyed])


def at_once(dataset: SeededDataset, keyed: list[tuple[int, int]]) -> Any:
    batch = dataset.__getitems__(keyed)
    assert isinstance(batch, Whole)
    return dataset.collated(batch)


def check_equal(found: Any, expected: Any) -> None:
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        assert torch.equal(found[name], expected[name]), name
        assert found[name].is_contiguous()


def keyed_of(algorithm: Any, name: str, number: int = 9) -> list[tuple[int, int]]:
    return list(algorithm.loader_dict[name].sampler)[:number]


@pytest.mark.parametrize("run", RUNS)
def test_the_views_are_those_of_one_sample_after_the_other(tmp_path: Any, run: str) -> None:
    name, changes = RUNS[run]
    algorithm = build_tiny(name, tmp_path, **changes)
    for loader in ("train_lb", "train_ulb"):
        dataset, keyed = seeded(algorithm, loader), keyed_of(algorithm, loader)
        found = at_once(dataset, keyed)
        check_equal(found, one_by_one(dataset, keyed))
        # In another order, and with others.
        backwards = at_once(dataset, keyed[4::-2])
        check_equal(backwards, {key: values[[4, 2, 0]] for key, values in found.items()})


def test_images_in_four_positions_are_those_of_one_after_the_other(tmp_path: Any) -> None:
    algorithm = build_tiny("crmatch", tmp_path, horizontal_flip=True)
    dataset, keyed = seeded(algorithm, "train_ulb_rot"), keyed_of(algorithm, "train_ulb_rot")
    found, expected = at_once(dataset, keyed), one_by_one(dataset, keyed)
    assert [one.shape for one in found] == [one.shape for one in expected]
    assert all(map(torch.equal, found, expected))
    assert seconds_of_a_batch(dataset.dataset, 8) < 0.01


def test_an_image_that_is_not_square_is_turned_one_by_one() -> None:
    dataset = cifar_like()
    tensors = torch.rand(8, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    dataset.data, dataset.alg, dataset.transform = tensors, "remixmatch", unchanged
    dataset.strong_transform = TensorAugmentation(horizontal_flip=True, max_shift=2, noise_std=0.0)
    found, expected = made(dataset)
    assert found is None
    assert expected["x_ulb_s_0_rot"].shape == (8, 3, 8, 12)
    dataset.data = tensors[..., :8]
    check_equal(*made(dataset))


@pytest.mark.parametrize("run", ONE_BY_ONE)
def test_views_that_are_not_known_are_made_one_by_one(tmp_path: Any, run: str) -> None:
    name, changes = ONE_BY_ONE[run]
    algorithm = build_tiny(name, tmp_path, **changes)
    dataset, keyed = seeded(algorithm, "train_ulb"), keyed_of(algorithm, "train_ulb")
    samples = dataset.__getitems__(keyed)
    assert isinstance(samples, list)
    check_equal(dataset.collated(samples), one_by_one(dataset, keyed))


def test_making_a_batch_leaves_the_data_set_and_the_generators_alone(tmp_path: Any) -> None:
    algorithm = build_tiny("vat_ns3l", tmp_path, ns3l_passes=2)
    dataset, keyed = seeded(algorithm, "train_ulb"), keyed_of(algorithm, "train_ulb")
    of_host = dataset.dataset.dataset
    before, state, pixels = dict(vars(of_host)), torch.get_rng_state(), np.asarray(of_host.data)
    dataset.__getitems__(keyed)
    assert vars(of_host) == before
    assert np.array_equal(of_host.data, pixels)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_an_algorithm_changes_in_its_data_set_counts(tmp_path: Any) -> None:
    algorithm = build_tiny("fixmatch", tmp_path)
    dataset, keyed = seeded(algorithm, "train_ulb"), keyed_of(algorithm, "train_ulb")
    of_host = dataset.dataset
    of_host.data = of_host.data[::-1].copy()
    of_host.is_ulb = False
    found = at_once(dataset, keyed)
    assert list(found) == ["idx_lb", "x_lb", "y_lb"]
    check_equal(found, one_by_one(dataset, keyed))


IMAGES = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
NORMALIZE = transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.1])


def cifar_like(size: int = 12, **changes: Any) -> Any:
    """The host's own data set with the transforms of its ``get_cifar``."""
    crop = [
        transforms.Resize(size),
        transforms.RandomCrop(size, padding=2, padding_mode="reflect"),
        transforms.RandomHorizontalFlip(),
    ]
    weak = transforms.Compose([*crop, transforms.ToTensor(), NORMALIZE])
    strong = transforms.Compose([*crop, RandAugment(3, 5), transforms.ToTensor(), NORMALIZE])
    arguments = {"data": IMAGES, "targets": np.arange(8), "transform": weak, "strong_transform": strong, **changes}
    return BasicDataset("fixmatch", num_classes=8, is_ulb=True, **arguments)


def made(dataset: Any) -> tuple[Any, Any]:
    """A batch, and the same one by one; the batch is None where it was not made at once."""
    of_seeds = SeededDataset(dataset, default_collate)
    keyed = [(5 * number + 3, number) for number in range(8)]
    found = of_seeds.__getitems__(keyed)
    return (found.batch if isinstance(found, Whole) else None), one_by_one(of_seeds, keyed)


def test_the_hosts_own_transforms_are_known() -> None:
    found, expected = made(cifar_like())
    check_equal(found, expected)


def test_targets_as_vectors() -> None:
    dataset = cifar_like(onehot=True)
    dataset.is_ulb = False
    found, expected = made(dataset)
    check_equal(found, expected)
    assert found["y_lb"].shape == (8, 8)


class Reversed(BasicDataset):
    """Somebody's own, whose samples are others."""

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(len(self) - 1 - index)


def other_class() -> Any:
    dataset = cifar_like()
    dataset.__class__ = Reversed
    return dataset


class OwnFlip(transforms.RandomHorizontalFlip):
    """Somebody's own, which may do anything."""


def with_part(part: Any) -> Any:
    return transforms.Compose([part, transforms.ToTensor(), NORMALIZE])


UNKNOWN: dict[str, Any] = {
    "another class": other_class,
    "another operation": lambda: cifar_like(transform=with_part(OwnFlip())),
    "another chance": lambda: cifar_like(transform=with_part(transforms.RandomHorizontalFlip(0.3))),
    "another size": lambda: cifar_like(transform=with_part(transforms.Resize(10))),
    "an enlarged image": lambda: cifar_like(14),
    "a crop without a border": lambda: cifar_like(transform=with_part(transforms.RandomCrop(8))),
    "a function": lambda: cifar_like(transform=lambda image: transforms.ToTensor()(image)),
    "values out of reach": lambda: cifar_like(transform=transforms.ToTensor()),
    "pictures": lambda: cifar_like(data=[Image.fromarray(image) for image in IMAGES]),
    "float images": lambda: cifar_like(data=torch.rand(8, 3, 12, 12), transform=torch.neg, strong_transform=torch.neg),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_not_known_is_made_one_by_one(kind: str) -> None:
    found, expected = made(UNKNOWN[kind]())
    assert found is None
    assert len(expected["x_ulb_w"]) == 8


def test_a_data_set_of_anything_is_asked_as_ever() -> None:
    class Squares(Dataset[int]):
        def __getitem__(self, index: int) -> int:
            return index * index

    dataset = SeededDataset(Squares(), default_collate)
    assert dataset.collated(dataset.__getitems__([(1, 3), (2, 4)])).tolist() == [9, 16]


def test_another_way_to_collate_gets_single_samples() -> None:
    dataset = SeededDataset(cifar_like(), len)
    assert dataset.collated(dataset.__getitems__([(1, 0), (2, 1), (3, 2)])) == 3


def test_a_random_view_needs_keys() -> None:
    assert whole_batch(cifar_like(), [0, 1]) is None
    plain = transforms.Compose([transforms.ToTensor(), NORMALIZE])
    still = cifar_like(transform=plain, strong_transform=plain)
    found = whole_batch(still, [5, 1])
    assert found is not None
    check_equal(found.batch, default_collate([still[5], still[1]]))


def test_a_plain_view_is_the_evaluated_image_and_draws_nothing() -> None:
    without, _ = made(ExtraViews(cifar_like(), ("x_ulb_w_1",)))
    dataset = cifar_like()
    dataset.plain_transform = cifar_like(transform=transforms.Compose([transforms.ToTensor(), NORMALIZE])).transform
    found, expected = made(ExtraViews(dataset, (PLAIN_VIEW, "x_ulb_w_1")))
    check_equal(found, expected)
    assert torch.equal(found["x_ulb_w_1"], without["x_ulb_w_1"])
    first = int(found["idx_ulb"][0])
    assert torch.equal(found[PLAIN_VIEW][0], dataset.plain_transform(IMAGES[first]))


def test_an_extra_view_of_what_has_become_labeled_is_none() -> None:
    dataset = ExtraViews(cifar_like(), ("x_ulb_w_1",))
    assert "x_ulb_w_1" in made(dataset)[0]
    dataset = copy.copy(dataset)
    dataset.is_ulb = False
    found, expected = made(dataset)
    check_equal(found, expected)
    assert list(found) == ["idx_lb", "x_lb", "y_lb"]


def test_strong_views_and_large_images_take_longer() -> None:
    dataset = cifar_like()
    strong = seconds_of_a_batch(dataset, 64)
    dataset.is_ulb = False
    weak = seconds_of_a_batch(dataset, 64)
    assert 0 < weak < strong / 10
    assert seconds_of_a_batch(dataset, 128) == 2 * weak
    dataset = cifar_like(120, data=np.zeros((2, 120, 120, 3), dtype=np.uint8))
    dataset.is_ulb = False
    assert seconds_of_a_batch(dataset, 64) == pytest.approx(100 * weak)
    assert seconds_of_a_batch(other_class(), 64) == seconds_of_a_batch(cifar_like(data=IMAGES[:0]), 64) == math.inf


def test_plain_images_are_those_of_the_transform() -> None:
    plain = transforms.Compose([transforms.ToTensor(), NORMALIZE])
    dataset = cifar_like(transform=plain)
    expected = torch.stack([plain(Image.fromarray(IMAGES[index])) for index in (3, 0, 3)])
    assert torch.equal(plain_images(dataset, plain, iter([3, 0, 3])), expected)
    odd = transforms.Compose([transforms.Resize(10), *plain.transforms])
    assert plain_images(dataset, odd, [1]).shape == (1, 3, 10, 10)
