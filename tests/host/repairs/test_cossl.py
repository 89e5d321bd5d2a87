"""CoSSL trains on labels that are as many in each class, and on few."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from semilearn.core import AlgorithmBase

from usb_negsamp import ConfigError
from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs.cossl import check_numbers
from usb_negsamp.testing import build_tiny, train_tiny

KEYS: dict[str, Any] = {
    "imb_algorithm": "cossl",
    "cossl_tfe_warm_bs": 8,
    "num_eval_iter": 3,
    "num_log_iter": 3,
    "num_train_iter": 6,
}


@pytest.fixture
def uneven_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four labeled images of each of the first five classes, two of each of the others."""
    original = AlgorithmBase.set_dataset

    def set_dataset(self: Any) -> Any:
        data = original(self)
        labeled = data["train_lb"]
        targets = np.asarray(labeled.targets)
        before = [int((targets[:place] == target).sum()) for place, target in enumerate(targets)]
        kept = np.flatnonzero((targets < 5) | (np.asarray(before) < 2))
        labeled.data, labeled.targets = labeled.data[kept], targets[kept]
        return data

    monkeypatch.setattr(AlgorithmBase, "set_dataset", set_dataset)


def _trains(name: str, path: Path) -> None:
    algorithm = train_tiny(name, path, **KEYS)
    assert algorithm.it == 6
    assert algorithm.results_dict["eval/best_acc"] > 0
    assert {"train/tea_loss", "train/run_time", "lr"} <= algorithm.log_dict.keys()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in algorithm.model.state_dict().values())


@pytest.mark.parametrize("name", ["fixmatch", "fixmatch_ns3l"])
def test_it_trains_where_no_class_is_rarer(name: str, tmp_path: Path) -> None:
    _trains(name, tmp_path)


@pytest.mark.usefixtures("uneven_labels")
def test_it_trains_where_some_are(tmp_path: Path) -> None:
    _trains("fixmatch", tmp_path)


def test_the_host_joins_no_features(tmp_path: Path) -> None:
    with undone("cossl"), pytest.raises((RuntimeError, ValueError), match="non-empty list"):
        train_tiny("fixmatch", tmp_path, **KEYS)


@pytest.mark.usefixtures("uneven_labels")
def test_the_host_reads_a_timer_that_is_not_there(tmp_path: Path) -> None:
    with undone("cossl"), pytest.raises(AttributeError, match="end_run"):
        train_tiny("fixmatch", tmp_path, **KEYS)


@pytest.mark.usefixtures("uneven_labels")
def test_a_class_is_mixed_with_its_own_probability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build_tiny("fixmatch", tmp_path, **KEYS)
    asked: list[int] = []

    class Probabilities:
        """Keeps which classes are asked for."""

        def __getitem__(self, label: Any) -> float:
            asked.append(int(label))
            return 0.0

    def warmed_up(hook: Any, algorithm: Any) -> None:
        algorithm.mixup_prob = Probabilities()

    monkeypatch.setattr(type(algorithm.hooks_dict["ParamUpdateHook"]), "before_train_epoch", warmed_up)
    algorithm.train()
    assert len(set(asked)) > 3


COUNTS = np.array([4, 2])
RIGHT = {"batch_size": 6, "cossl_tfe_u_ratio": 2, "cossl_tfe_warm_bs": 8}


def test_numbers_that_fill_every_loader_are_taken() -> None:
    check_numbers(SimpleNamespace(**RIGHT), COUNTS, 12)


@pytest.mark.parametrize(
    ("keys", "counts", "num_unlabeled", "message"),
    [
        ({}, np.array([4, 0]), 12, "imb_algorithm cossl: expected labeled images of every class, but class 1 has none"),
        ({"batch_size": 7}, COUNTS, 99, "batch_size: expected at most 6 with cossl, the labeled images, but got 7"),
        ({}, COUNTS, 11, "cossl_tfe_u_ratio * batch_size: expected at most 11 with cossl, the unlabeled images, but"),
        ({"cossl_tfe_warm_bs": 9}, COUNTS, 12, "cossl_tfe_warm_bs: expected at most 8 with cossl, as many features"),
    ],
)
def test_too_few_samples_are_refused(keys: dict[str, int], counts: Any, num_unlabeled: int, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_numbers(SimpleNamespace(**{**RIGHT, **keys}), counts, num_unlabeled)
    assert str(error.value).startswith(message)


def test_they_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cossl_tfe_warm_bs: expected at most 40"):
        build_tiny("fixmatch", tmp_path, imb_algorithm="cossl")
