"""What ``seen_classes`` means, and images of other data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data import chosen_classes, cifar100_superclass_order, load_outliers

HUNDRED = [f"class{label}" for label in range(100)]


def test_the_first_classes_are_by_index_or_by_superclass() -> None:
    assert chosen_classes(50, HUNDRED, "cifar100") == tuple(range(50))
    assert chosen_classes(50, HUNDRED, "cifar100", "superclass") == cifar100_superclass_order(50)
    with pytest.raises(ConfigError, match="multiple of 5"):
        chosen_classes(52, HUNDRED, "cifar100", "superclass")


def test_an_unknown_class_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown seen class 'horze'; did you mean 'horse'"):
        chosen_classes(["horze", "dog"], ["dog", "horse"], "pets")


def test_a_name_that_is_a_number_stands_before_an_index() -> None:
    assert chosen_classes(["10", "2"], ["0", "10", "2"], "folders") == (1, 2)
    assert chosen_classes([1, 2], ["0", "10", "2"], "folders") == (1, 2)


def test_other_pictures_are_those_for_test_or_for_training_or_all(tmp_path: Path) -> None:
    for name, number in (("all/a/b", 2), ("both/train/x", 3), ("both/test/x", 1), ("one/train/x", 4)):
        (tmp_path / name).mkdir(parents=True)
        for index in range(number):
            Image.new("RGB", (6, 6), (index, 0, 0)).save(tmp_path / name / f"{index}.png")
    sizes = [len(load_outliers(str(tmp_path / name), data_dir=".", img_size=8)) for name in ("all", "both", "one")]
    assert sizes == [2, 1, 4]
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="none holds no images"):
        load_outliers(str(tmp_path / "none"), data_dir=".", img_size=8)
    with pytest.raises(ConfigError, match="path of a folder of pictures, but got 'image_folder'"):
        load_outliers("image_folder", data_dir=".", img_size=8)


def test_another_source_gives_its_test_part() -> None:
    images = load_outliers("digits", data_dir=".", img_size=8)
    assert images.shape == (355, 8, 8, 3)
    assert images.dtype == np.uint8
