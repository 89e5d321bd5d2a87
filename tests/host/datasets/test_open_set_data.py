"""The host's data sets under ``seen_classes``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data import ImageArrays, ImageSource, open_set_split
from usb_negsamp.data.sources import registry as sources
from usb_negsamp.functional import safe_ratio
from usb_negsamp.host.datasets import build as datasets
from usb_negsamp.host.datasets import open_set as open_set_data
from usb_negsamp.testing import build_tiny, parameters_of, tiny_arguments, train_tiny

ANIMALS = [2, 3, 4, 5, 6, 7]
OPEN: dict[str, Any] = {
    "num_classes": 6,
    "num_labels": 24,
    "seen_classes": ANIMALS,
    "mismatch_ratio": 0.5,
    "num_unlabeled": 400,
    "validation_size": 100,
}
DIGITS = sources.load_source("digits", data_dir=".", img_size=16)


def stand_in(name: str, classes: int, per_class: int, side: int = 4, unlabeled: int = 0) -> ImageSource:
    """A source of noise, shaped as the real one."""
    generator = np.random.default_rng(0)

    def arrays(targets: np.ndarray) -> ImageArrays:
        return ImageArrays(generator.integers(0, 256, (len(targets), side, side, 3), dtype=np.uint8), targets)

    labels = np.arange(classes)
    return ImageSource(
        name,
        tuple(f"class{label}" for label in labels),
        arrays(generator.permutation(np.repeat(labels, per_class))),
        arrays(np.full(unlabeled, -1)) if unlabeled else None,
        None,
        arrays(np.repeat(labels, 3)),
        (0.5,) * 3,
        (0.5,) * 3,
        True,
    )


def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: ImageSource, **keys: Any) -> Any:
    """The data sets of a run on ``source`` by way of the host's ``get_dataset``."""
    from semilearn.core.utils import build

    registry = sources.HOST_SOURCES if source.name in sources.HOST_SOURCES else sources.SOURCES
    monkeypatch.setitem(registry, source.name, lambda data_dir, img_size: source)
    side = source.train.images.shape[1]
    args = tiny_arguments(keys.pop("algorithm", "vat"), tmp_path, dataset=source.name, img_size=side, **keys)
    names = (args.algorithm, args.dataset, args.num_labels, args.num_classes, args.data_dir, args.include_lb_to_ulb)
    return build.get_dataset(args, *names)


@pytest.fixture(scope="module")
def cifar10() -> ImageSource:
    return stand_in("cifar10", 10, 5000)


@pytest.mark.parametrize(
    ("mismatch", "seen", "unseen", "safe"), [(0, 3333, 0, 1.0), (0.3, 2333, 1500, 0.736), (0.9, 333, 4500, 0.208)]
)
def test_the_published_counts_come_from_the_keys(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cifar10: ImageSource,
    mismatch: float,
    seen: int,
    unseen: int,
    safe: float,
) -> None:
    keys = {**OPEN, "num_labels": 2400, "num_unlabeled": 20_000, "validation_size": 5000}
    parts = load(monkeypatch, tmp_path, cifar10, **{**keys, "mismatch_ratio": mismatch})
    assert np.bincount(parts["train_lb"].targets).tolist() == [400] * 6
    assert np.bincount(parts["open_set"].pool.targets, minlength=10).tolist() == [seen] * 6 + [unseen] * 4
    assert np.bincount(parts["eval"].targets).tolist() == [500] * 6
    assert np.bincount(parts["test"].targets).tolist() == [3] * 6
    assert np.bincount(parts["open_set"].test.targets).tolist() == [3] * 10
    assert parts.built.split.figures["safe_ratio"] == pytest.approx(safe, abs=5e-4)
    assert f"{seen * 6} of seen and {unseen * 4} of unseen classes" in parts.built.split.lines[0]
    assert (
        "3000 validation images of seen classes, 18 test images of seen and 12 of unseen classes"
        in parts.built.split.lines[0]
    )
    assert parts.built.split.lines[0].startswith(
        "cifar10, open-set split fixed_total: 6 of 10 classes seen; 2400 labeled"
    )


def test_the_pool_is_the_training_set_under_the_transform_of_evaluation(tmp_path: Path) -> None:
    parts = build_tiny("fixmatch", tmp_path, **OPEN).dataset_dict
    data = parts["open_set"]
    assert data.num_seen == 6
    assert len(data.pool) == len(parts["train_ulb"]) == len(data.split.unlabeled)
    assert np.array_equal(data.pool.data[7], parts["train_ulb"].data[7])
    assert np.array_equal(data.pool.targets, data.split.new_targets(DIGITS.train.targets)[data.split.unlabeled])
    assert data.pool.transform is parts["eval"].transform
    assert set(data.pool[0]) == {"idx_lb", "x_lb", "y_lb"}
    assert torch.equal(data.pool[3]["x_lb"], data.pool[3]["x_lb"])
    labeled = DIGITS.train.targets[data.split.labeled]
    assert np.array_equal(parts["train_lb"].targets, labeled - 2)
    assert data.ood == {}


@pytest.mark.parametrize(
    "algorithm", ["supervised", "fullysupervised", "fixmatch", "remixmatch", "simmatch", "vat_ns3l"]
)
def test_no_unlabeled_target_is_left_in_the_training_data(tmp_path: Path, algorithm: str) -> None:
    built = build_tiny(algorithm, tmp_path, **OPEN)
    assert (np.asarray(built.dataset_dict["train_ulb"].targets) == -1).all()
    assert not any(key.startswith("y_ulb") for key in built.dataset_dict["train_ulb"][0])


@pytest.mark.parametrize("algorithm", ["simmatch", "comatch", "fixmatch_ns3l"])
def test_training_is_the_same_bit_for_bit_whatever_the_true_labels_of_the_pool_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    splits: list[Any] = []

    def split_once(*args: Any, **options: Any) -> Any:
        splits.append(splits[0] if splits else open_set_split(*args, **options))
        return splits[-1]

    monkeypatch.setattr(open_set_data, "open_set_split", split_once)
    honest = train_tiny(algorithm, tmp_path / "honest", **OPEN)
    targets = DIGITS.train.targets.copy()
    targets[splits[0].unlabeled] = (targets[splits[0].unlabeled] + 3) % 10
    false = dataclasses.replace(DIGITS, train=ImageArrays(DIGITS.train.images, targets))
    monkeypatch.setattr(datasets, "load_source", lambda *args, **options: false)
    misled = train_tiny(algorithm, tmp_path / "misled", **OPEN)
    pools = [run.dataset_dict["open_set"].pool.targets for run in (honest, misled)]
    assert not np.array_equal(*pools)
    expected, found = parameters_of(honest), parameters_of(misled)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.parametrize(
    "algorithm",
    [
        "supervised",
        "pseudolabel",
        "pimodel",
        "meanteacher",
        "vat",
        "mixmatch",
        "remixmatch",
        "fixmatch",
        "flexmatch",
        "freematch",
        "softmatch",
        "comatch",
        "simmatch",
        "crmatch",
    ],
)
def test_every_plain_algorithm_trains_on_a_pool_with_unseen_classes(tmp_path: Path, algorithm: str) -> None:
    trained = train_tiny(algorithm, tmp_path, **OPEN)
    assert trained.it == 10
    assert trained.model(torch.zeros(2, 3, 16, 16))["logits"].shape == (2, 6)
    assert all(torch.isfinite(parameter).all() for parameter in trained.model.parameters())


def test_full_supervision_takes_the_pools_images_of_seen_classes_as_labeled(tmp_path: Path) -> None:
    parts = build_tiny("fullysupervised", tmp_path, **OPEN).dataset_dict
    assert np.bincount(parts["train_lb"].targets).tolist() == [4 + 33] * 6


def test_the_same_options_give_the_same_digest_and_others_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def digest(**keys: Any) -> str:
        return load(monkeypatch, tmp_path, DIGITS, **{**OPEN, **keys}).built.split_digest

    first = digest()
    assert digest(algorithm="fixmatch_ns3l") == first
    assert digest(seen_classes="7, 6,5,4,3,2") == first
    assert digest(seen_classes=["2", "3", "4", "5", "6", "7"], seed=9, split_seed=0) == first
    others = [digest(split_seed=1), digest(mismatch_ratio=0.25), digest(seen_classes=6), digest(num_unlabeled=300)]
    assert len({first, *others}) == 5


def test_a_number_of_classes_means_the_first_ones_also_superclass_by_superclass(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {"num_classes": 20, "num_labels": 80, "seen_classes": 20, "mismatch_protocol": "whole_pool"}
    source = stand_in("cifar100", 100, 10)
    by_label = load(monkeypatch, tmp_path, source, validation_size=0, **keys)["open_set"]
    by_superclass = load(monkeypatch, tmp_path, source, validation_size=0, class_order="superclass", **keys)
    assert [old for old, new in by_label.split.class_map.items() if new < 20] == list(range(20))
    seen = {old for old, new in by_superclass["open_set"].split.class_map.items() if new < 20}
    assert seen > {4, 30, 55, 72, 95}, "the aquatic mammals"
    assert len(by_superclass["train_ulb"]) == 1000
    assert by_superclass["open_set"].split.mismatch == 0.8


def test_names_of_classes_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = {**OPEN, "seen_classes": "class8,class1", "num_classes": 2, "num_labels": 4, "num_unlabeled": 40}
    parts = load(monkeypatch, tmp_path, stand_in("svhn", 10, 60), **keys)
    assert parts["open_set"].split.class_map[8] == 1


def test_images_without_a_label_join_the_whole_pool_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = stand_in("stl10", 10, 50, unlabeled=70)
    whole = {**OPEN, "mismatch_protocol": "whole_pool", "mismatch_ratio": None, "num_unlabeled": None}
    parts = load(monkeypatch, tmp_path, source, **{**whole, "validation_size": 0})
    assert len(parts["train_ulb"]) == 570
    assert (parts["open_set"].pool.targets[500:] == -1).all()
    assert parts.built.split.figures["mismatch"] == 0.4
    assert "500 unlabeled (300 of seen and 200 of unseen classes) and 70 without a label" in parts.built.split.lines[0]
    parts = load(monkeypatch, tmp_path, source, **{**OPEN, "num_unlabeled": 200})
    assert len(parts["train_ulb"]) == 16 * 6 + 26 * 4
    assert "70 images of stl10 without a label are left out" in parts.built.split.lines[-1]


def pictures(folder: Path, number: int, value: int) -> None:
    folder.mkdir(parents=True)
    for index in range(number):
        Image.new("RGB", (9, 8), (value, index, 0)).save(folder / f"{index}.png")


@pytest.fixture
def own_pictures(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    for label, name in enumerate(("ant", "bee", "cat")):
        pictures(root / "train" / name, 12, 50 * label)
        pictures(root / "val" / name, 2, 50 * label)
        pictures(root / "test" / name, 3, 50 * label)
    pictures(tmp_path / "other" / "deep", 5, 200)
    return root


def test_own_pictures_are_split_and_set_against_other_data(tmp_path: Path, own_pictures: Path) -> None:
    keys = {"dataset": "image_folder", "data_dir": str(own_pictures), "img_size": 16, "num_classes": 2}
    split = {"seen_classes": "ant,cat", "num_labels": 4, "num_unlabeled": 12, "mismatch_ratio": 0.5}
    ood = {"ood_data": ["digits", str(tmp_path / "other")]}
    parts = train_tiny("fixmatch", tmp_path / "runs", **{**keys, **split, **ood, "batch_size": 4}).dataset_dict
    assert parts["eval"].targets.tolist() == [0, 0, 1, 1], "the pictures in val choose the model"
    assert parts["test"].targets.tolist() == [0] * 3 + [1] * 3
    data = parts["open_set"]
    assert sorted(data.test.targets.tolist()) == [0] * 3 + [1] * 3 + [2] * 3
    assert {name: len(dataset) for name, dataset in data.ood.items()} == {"digits": 355, "other": 5}
    assert data.ood["other"][0]["x_lb"].shape == (3, 16, 16)
    assert set(data.ood["other"].targets) == {-1}
    assert data.ood["digits"].transform is parts["eval"].transform


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_unlabeled": 2000}, r"unseen class 0 has 143 images, .* 251 unlabeled \+ 10 validation"),
        (
            {"seen_classes": ["2", "12"], "num_classes": 2},
            "unknown seen class 12; the classes are 0..9, the nearest is 9",
        ),
        ({"seen_classes": [3], "num_classes": 2}, "seen_classes: expected at least 2 classes, as in 0,1,2"),
        ({"seen_classes": 11, "num_classes": 11}, "seen_classes: expected at most 10"),
        ({"num_classes": 10}, "num_classes: expected 6, the number of seen_classes, but got 10"),
        ({"num_labels": 25}, "num_labels: expected a multiple of the number of seen classes, .* nearest: 24"),
        ({"mismatch_ratio": 1.5}, "mismatch: expected a number in"),
        ({"mismatch_protocol": "fixed"}, "unknown mismatch protocol 'fixed'; did you mean 'fixed_seen'"),
        ({"class_order": "superclass"}, "class_order: superclass needs dataset cifar100"),
        ({"lb_imb_ratio": 10}, "lb_imb_ratio and ulb_imb_ratio: expected 1"),
        ({"ood_data": ["digits"]}, "ood_data: .* it is the data set of the run"),
        ({"ood_data": ["svnh"]}, "unknown ood_data 'svnh'; did you mean 'svhn'"),
        ({"ood_data": ["no/such/folder"]}, "ood_data: expected a data set or the path of a folder"),
    ],
)
def test_what_cannot_be_split_is_one_line_also_without_the_launchers_checks(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        build_tiny("vat", tmp_path, **{**OPEN, **changes})
    assert "\n" not in str(raised.value)


def test_negatives_by_the_true_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="oracle needs the true class of every unlabeled image"):
        train_tiny("fixmatch_ns3l", tmp_path, ns3l_rule="oracle", **OPEN)


def test_the_closed_split_has_a_record_too(tmp_path: Path) -> None:
    built = build_tiny("vat", tmp_path)
    record = built.dataset_dict.built.split
    sizes = {name: record.figures[name] for name in ("kind", "labeled", "unlabeled", "validation", "test")}
    assert sizes == {"kind": "closed", "labeled": 40, "unlabeled": 1342, "validation": 60, "test": 355}
    assert "open_set" not in built.dataset_dict


def test_the_figures_are_those_of_the_split(tmp_path: Path) -> None:
    figures = build_tiny("supervised", tmp_path, **OPEN).dataset_dict.built.split.figures
    assert figures["safe_ratio"] == safe_ratio(figures["mismatch"], figures["labeled_ratio"])
    assert figures["mismatch"] == figures["unlabeled_unseen"] / figures["unlabeled"]
