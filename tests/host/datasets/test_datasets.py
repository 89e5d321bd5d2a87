"""Our sources as the host's data sets."""

import hashlib

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from usb_negsamp import ConfigError
from usb_negsamp.data import ImageArrays, ImageSource
from usb_negsamp.host.build import build_algorithm
from usb_negsamp.host.datasets import build as datasets
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict, built_data_of
from usb_negsamp.host.datasets.dataset_parts import image_digest
from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW, ExtraViews
from usb_negsamp.testing import build_tiny, tiny_arguments, train_tiny
from usb_negsamp.testing.tiny import build_from


def test_labeled_validation_and_test_images_are_where_the_host_looks(tmp_path):
    parts = build_tiny("fixmatch", tmp_path).dataset_dict
    assert len(parts["train_lb"]) == 40
    assert len(parts["eval"]) == 60
    assert len(parts["test"]) == 355
    assert len(parts["train_ulb"]) == 1442 - 60, "the host's default takes the labeled images in"
    assert sorted(np.bincount(parts["train_lb"].targets)) == [4] * 10


def test_labeled_images_can_be_kept_out_of_the_unlabeled(tmp_path):
    parts = build_tiny("fixmatch", tmp_path, include_lb_to_ulb=False).dataset_dict
    assert len(parts["train_ulb"]) == 1442 - 60 - 40


def test_without_validation_images_the_test_images_choose_as_in_the_host(tmp_path):
    parts = build_tiny("fixmatch", tmp_path, validation_size=0).dataset_dict
    assert len(parts["eval"]) == 355
    assert parts["test"] is None


def test_the_split_follows_its_own_seed(tmp_path):
    digests = {
        tiny_split(tmp_path, seed=seed, split_seed=split_seed) for seed, split_seed in [(0, 5), (1, 5), (5, None)]
    }
    assert len(digests) == 1
    assert tiny_split(tmp_path, seed=0, split_seed=6) not in digests


def tiny_split(tmp_path, **seeds):
    return build_tiny("fixmatch", tmp_path, **seeds).dataset_dict.built.split_digest


def test_fully_supervised_training_sees_all_labels_but_the_held_out(tmp_path):
    assert len(build_tiny("fullysupervised", tmp_path).dataset_dict["train_lb"]) == 1442 - 60


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_classes": 9, "num_labels": 45}, "num_classes: expected 10, the classes of dataset 'digits', but got 9"),
        ({"lb_imb_ratio": 10}, "lb_imb_ratio and ulb_imb_ratio: expected 1"),
        ({"num_labels": 45}, "num_labels"),
        ({"validation_size": 2000}, "validation_size"),
        ({"augmentation": "olivier"}, "unknown augmentation 'olivier'; did you mean 'oliver'"),
        ({"preprocessing": "zca"}, "unknown preprocessing"),
        ({"preprocessing": "gcn_zca"}, "augmentation: expected oliver or mixmatch with preprocessing gcn_zca"),
    ],
)
def test_what_the_data_cannot_do_is_one_clear_error(tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        build_tiny("vat", tmp_path, **overrides)


def test_whitened_images_train_with_the_augmentation_of_oliver_et_al(tmp_path):
    algorithm = train_tiny("vat_ns3l", tmp_path, preprocessing="gcn_zca", augmentation="oliver")
    assert algorithm.it == 10
    sample = algorithm.dataset_dict["train_ulb"][0]["x_ulb_w"]
    assert sample.dtype == torch.float32
    assert sample.shape == (3, 16, 16)


def test_whitened_images_have_no_strong_view(tmp_path):
    with pytest.raises(ConfigError, match="for an algorithm with strong views"):
        train_tiny("fixmatch", tmp_path, preprocessing="gcn_zca", augmentation="oliver")


def test_pixels_can_be_scaled_to_minus_one_to_one(tmp_path):
    algorithm = build_tiny("vat", tmp_path, preprocessing="minus_one_to_one", augmentation="mixmatch")
    images = torch.stack([algorithm.dataset_dict["train_ulb"][i]["x_ulb_w"] for i in range(20)])
    assert images.min() == -1
    assert images.max() == 1


def test_extra_views_are_drawn_anew_and_only_where_absent():
    class Pairs(Dataset):
        is_ulb = True
        transform = staticmethod(lambda image: torch.rand(2))
        strong_transform = staticmethod(lambda image: torch.rand(2) + 10)
        plain_transform = staticmethod(lambda image: torch.full((2,), 5.0))

        def __len__(self):
            return 3

        def __sample__(self, index):
            return np.zeros((2, 2, 3), np.uint8), None

        def __getitem__(self, index):
            return {"idx_ulb": index, "x_ulb_w": torch.zeros(2)}

    sample = ExtraViews(Pairs(), ("x_ulb_w", "x_ulb_w_1", "x_ulb_s", PLAIN_VIEW))[1]
    assert torch.equal(sample["x_ulb_w"], torch.zeros(2))
    assert torch.equal(sample[PLAIN_VIEW], torch.full((2,), 5.0))
    assert sample["x_ulb_w_1"].max() < 1
    assert sample["x_ulb_s"].min() >= 10


def test_an_imbalanced_algorithm_can_turn_a_copy_into_labeled_data(tmp_path):
    from copy import deepcopy

    unlabeled = build_tiny("vat_ns3l", tmp_path, ns3l_passes=2).dataset_dict["train_ulb"]
    copy = deepcopy(unlabeled)
    copy.is_ulb = False
    assert set(copy[0]) == {"idx_lb", "x_lb", "y_lb"}
    assert "x_ulb_w_1" in unlabeled[0]


def test_an_algorithm_that_loads_its_data_anew_has_the_views_anew(tmp_path):
    keys = {"imb_algorithm": "crest", "ns3l_passes": 2, "include_lb_to_ulb": False}
    algorithm = build_tiny("vat_ns3l", tmp_path, **keys)
    assert "x_ulb_w_1" in algorithm.dataset_dict["train_ulb"][0]
    first, algorithm.pseudo_label_list = algorithm.dataset_dict, None
    algorithm.re_init()
    assert algorithm.dataset_dict is not first
    assert "x_ulb_w_1" in algorithm.dataset_dict["train_ulb"][0]


def test_the_views_of_one_algorithm_are_not_those_of_the_next(tmp_path):
    args = tiny_arguments("vat_ns3l", tmp_path, ns3l_passes=2)
    assert "x_ulb_w_1" in build_from(args).unlabeled_views
    args.ns3l_passes = 1
    assert "x_ulb_w_1" not in build_from(args).dataset_dict["train_ulb"][0]


def test_data_that_an_algorithm_loads_by_itself_have_their_sizes_and_what_was_asked(tmp_path):
    algorithm, data = build_algorithm(tiny_arguments("vat_ns3l", tmp_path))
    assert isinstance(algorithm.dataset_dict, DatasetDict)
    assert data is algorithm.dataset_dict.built
    assert data.num_labels == 40
    assert data.split is not None
    assert len(data.split.labeled) == 40
    algorithm.dataset_dict = dict(algorithm.dataset_dict)
    sizes = {"labeled": 40, "unlabeled": 1382, "evaluation": 60, "test": 355}
    assert built_data_of(algorithm) == BuiltData(num_labels=40, sizes=sizes)


def small_source(classes=10, per_class=8):
    generator = np.random.default_rng(0)
    targets = np.repeat(np.arange(classes), per_class)
    arrays = ImageArrays(generator.integers(0, 256, (len(targets), 32, 32, 3), dtype=np.uint8), targets)
    return ImageSource(
        "cifar10", tuple(map(str, range(classes))), arrays, None, None, arrays, (0.5,) * 3, (0.5,) * 3, True
    )


def test_the_hosts_own_loader_serves_its_sets_until_a_key_needs_ours(tmp_path, monkeypatch):
    calls = []

    def host_sets(args, *names):
        calls.append(names)
        return {"host": True}

    load = datasets.host_or_source(host_sets)
    monkeypatch.setattr(datasets, "load_source", lambda name, **options: small_source())
    args = tiny_arguments("vat", tmp_path, validation_size=0, num_labels=20, img_size=32)
    assert load(args, "vat", "cifar10", 20, 10, "data", True) == {"host": True}
    args.validation_size = 10
    parts = load(args, "vat", "cifar10", 20, 10, "data", True)
    assert len(calls) == 1
    assert len(parts["eval"]) == 10


def test_an_image_digest_is_that_of_the_bytes_however_they_lie_in_memory():
    images = np.random.default_rng(0).integers(0, 256, (2500, 3, 2, 5), dtype=np.uint8).transpose(0, 2, 3, 1)
    targets = np.arange(2500)
    expected = hashlib.sha256(images.tobytes() + targets.astype("<i8").tobytes()).hexdigest()
    assert not images.flags.c_contiguous
    assert image_digest(ImageArrays(images, targets)) == expected


def test_image_digests_tell_images_and_labels_apart():
    arrays = small_source().train
    other = ImageArrays(arrays.images, arrays.targets[::-1].copy())
    assert image_digest(arrays) == image_digest(arrays, None)
    assert image_digest(arrays) != image_digest(other)
