"""A user's own pictures as a run's data: how many are labeled and held out, and both ways of reading them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data.sources.images_in_files import ImagesInFiles
from usb_negsamp.data.sources.looked_up import LookedUpImages
from usb_negsamp.testing import build_tiny, seed_everything

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write random pictures, so many in each folder, and return where."""

    def make(**numbers: int) -> Path:
        random = np.random.default_rng(0)
        for part, number in numbers.items():
            folder = tmp_path / "pictures" / part.replace("_", "/")
            folder.mkdir(parents=True)
            for index in range(number):
                image = Image.fromarray(random.integers(0, 256, (18, 20, 3), dtype=np.uint8))
                image.save(folder / f"{index}.png")
        return tmp_path / "pictures"

    return make


def build(folder: Path, tmp_path: Path, algorithm: str = "fixmatch", **changes: Any) -> Any:
    keys = {"dataset": "image_folder", "data_dir": str(folder), "num_classes": 2, "img_size": 16, "batch_size": 4}
    return build_tiny(algorithm, tmp_path, **{**keys, **changes})


def sizes(algorithm: Any) -> tuple[int, int, int]:
    """Labeled, unlabeled without them, and held-out images."""
    split = algorithm.dataset_dict.built.split
    return len(split.labeled), len(split.unlabeled), len(split.validation)


@pytest.mark.parametrize(
    ("numbers", "keys", "expected"),
    [
        # Of 24 images with a label a fifth is held out; the rest has labels.
        ({"train_a": 14, "train_b": 10}, {"num_labels": "all", "validation_size": "auto"}, (19, 0, 5)),
        ({"train_a": 4, "train_b": 2}, {"num_labels": "all", "validation_size": "auto"}, (4, 0, 2)),
        ({"train_a": 14, "train_b": 10, "val_a": 2}, {"num_labels": "all", "validation_size": "auto"}, (24, 0, 0)),
        ({"train_a": 14, "train_b": 10, "test_a": 2}, {"num_labels": "all", "validation_size": 0}, (24, 0, 0)),
        ({"train_a": 14, "train_b": 10}, {"num_labels": 8, "validation_size": "auto"}, (8, 14, 2)),
        ({"train_a": 14, "train_b": 10}, {"num_labels": 13, "validation_size": "auto"}, (13, 8, 3)),
        ({"train_a": 14, "train_b": 10}, {"num_labels": 2, "validation_size": "auto"}, (2, 20, 2)),
        ({"train_a": 14, "train_b": 10}, {"num_labels": "all", "validation_size": 6}, (18, 0, 6)),
    ],
)
def test_labels_and_held_out_images_are_counted(
    make_folder: MakeFolder, tmp_path: Path, numbers: dict[str, int], keys: dict[str, Any], expected: tuple[int, ...]
) -> None:
    algorithm = build(make_folder(**numbers), tmp_path, **keys)
    assert sizes(algorithm) == expected
    counted = algorithm.dataset_dict.built.counted({"other": 1, **keys})
    held_out = keys["validation_size"] if keys["validation_size"] != "auto" else expected[2]
    assert counted == {"other": 1, "num_labels": expected[0], "validation_size": held_out}
    assert algorithm.args.num_labels == expected[0]


@pytest.mark.parametrize(
    ("numbers", "keys", "line"),
    [
        (
            {"train_cat": 1, "train_dog": 1},
            {"num_labels": "all", "validation_size": "auto"},
            "validation_size auto: expected more than 2 images with a label, to hold out one for each class, but got",
        ),
        (
            {"train_cat": 9, "train_dog": 3},
            {"num_labels": 9, "validation_size": 0, "include_lb_to_ulb": True},
            "class dog has 3 images, but 4 labeled and 0 validation images are asked of it",
        ),
        ({"train_cat": 9, "train_dog": 3}, {"num_labels": "all", "validation_size": 12}, "leaves nothing of 12 images"),
        (
            {"train_cat": 9, "train_dog": 3},
            {"num_labels": 12, "validation_size": "auto"},
            "num_labels=12 and validation_size auto ask for 15 of 12 images with a label",
        ),
        ({"train_cat": 9, "train_dog": 3}, {"num_classes": 3}, "num_classes: expected 2, the classes of dataset"),
    ],
)
def test_what_cannot_be_shared_is_one_line_that_names_the_class(
    make_folder: MakeFolder, tmp_path: Path, numbers: dict[str, int], keys: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(make_folder(**numbers), tmp_path, **{"num_labels": 4, "validation_size": 2, **keys})
    assert line in str(caught.value)


def test_an_open_set_split_holds_out_in_proportion_and_names_classes(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(train_ant=12, train_bee=12, train_cow=12, test_ant=2, test_bee=2)
    keys: dict[str, Any] = {
        "seen_classes": ["ant", "bee"],
        "mismatch_ratio": 0.5,
        "num_unlabeled": 8,
        "include_lb_to_ulb": False,
    }
    algorithm = build(folder, tmp_path, num_labels=8, validation_size="auto", **keys)
    assert sizes(algorithm) == (8, 8, 3)
    with pytest.raises(ConfigError, match="seen class ant has 12 images"):
        build(folder, tmp_path, num_labels=8, validation_size=3, **{**keys, "num_unlabeled": 40})
    with pytest.raises(ConfigError, match="expected a multiple of the number of seen classes, but got all"):
        build(folder, tmp_path, num_labels="all", validation_size=3, **keys)


@pytest.mark.parametrize("algorithm", ["fixmatch", "dnll"])
def test_batches_and_digests_are_the_same_however_pictures_are_read(
    make_folder: MakeFolder, tmp_path: Path, algorithm: str
) -> None:
    folder = make_folder(train_a=9, train_b=8, unlabeled=11, test_a=3, test_b=3)
    found = []
    for lazy in (False, True):
        seed_everything(0)
        built = build(folder, tmp_path / str(lazy), algorithm, num_labels=6, validation_size=4, lazy_images=lazy)
        parts = built.dataset_dict
        stored = [parts[name].data for name in ("train_lb", "train_ulb", "eval", "test")]
        assert [isinstance(images, LookedUpImages) for images in stored] == [lazy, True, lazy, lazy]
        batches = [next(iter(built.loader_dict[name])) for name in ("train_lb", "train_ulb", "eval", "test")]
        found.append((parts.built.data_digest, parts.built.split_digest, batches))
    assert found[0][:2] == found[1][:2]
    for one, other in zip(found[0][2], found[1][2], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_no_picture_of_a_lazy_pool_is_kept(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    looked_up = ImagesInFiles._looked_up

    def counted(self: ImagesInFiles, places: np.ndarray) -> np.ndarray:
        asked.append(len(places))
        return looked_up(self, places)

    folder = make_folder(train_a=9, train_b=8, unlabeled=11, test_a=3)
    algorithm = build(folder, tmp_path, num_labels=6, validation_size=4, lazy_images=True)
    monkeypatch.setattr(ImagesInFiles, "_looked_up", counted)
    batch = next(iter(algorithm.loader_dict["train_ulb"]))
    assert 0 < sum(asked) <= len(batch["idx_ulb"]) * (1 + algorithm.loader_dict["train_ulb"].num_workers)


def test_whitening_refuses_what_is_not_kept(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(train_a=9, train_b=8, test_a=3)
    keys = {"num_labels": 6, "validation_size": 4, "preprocessing": "gcn_zca", "augmentation": "oliver"}
    with pytest.raises(ConfigError, match="lazy_images: expected false with preprocessing gcn_zca"):
        build(folder, tmp_path, "vat", lazy_images=True, **keys)
