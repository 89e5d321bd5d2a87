"""The digits that scikit-learn carries."""

from __future__ import annotations

import numpy as np
import pytest

from usb_negsamp import ConfigError
from usb_negsamp.data import load_source


@pytest.mark.parametrize("img_size", [8, 28, 32])
def test_digits_have_1442_training_and_355_test_images_of_the_size_asked_for(img_size: int) -> None:
    source = load_source("digits", data_dir="nowhere", img_size=img_size)
    assert source.train.images.shape == (1442, img_size, img_size, 3)
    assert source.test is not None
    assert source.test.images.shape == (355, img_size, img_size, 3)
    assert source.train.images.dtype == np.uint8
    assert source.train.targets.dtype == np.int64
    assert source.unlabeled is None
    assert source.validation is None
    assert source.classes == tuple("0123456789")


def test_the_test_part_of_the_digits_is_stratified_and_always_the_same() -> None:
    first = load_source("digits", data_dir=".", img_size=8)
    np.random.seed(7)
    second = load_source("digits", data_dir=".", img_size=8)
    assert first.test is not None
    assert second.test is not None
    assert np.array_equal(first.test.images, second.test.images)
    assert np.bincount(first.test.targets).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]


def test_digits_are_grey_span_the_range_and_their_statistics_are_those_of_train() -> None:
    source = load_source("digits", data_dir=".", img_size=8)
    images = np.asarray(source.train.images)
    assert (images[..., 0] == images[..., 1]).all()
    assert (images[..., 0] == images[..., 2]).all()
    assert (images.min(), images.max()) == (0, 255)
    assert np.allclose(source.mean, (images / 255.0).mean(axis=(0, 1, 2)))
    assert np.allclose(source.std, (images / 255.0).std(axis=(0, 1, 2)))
    assert len(set(source.mean)) == 1


def test_digits_are_not_mirrored_unless_asked() -> None:
    assert not load_source("digits", data_dir=".", img_size=8).horizontal_flip
    assert load_source("digits", data_dir=".", img_size=8, horizontal_flip=True).horizontal_flip


def test_an_unknown_source_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        load_source("digit", data_dir=".", img_size=8)


def test_a_size_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="img_size"):
        load_source("digits", data_dir=".", img_size=0)
