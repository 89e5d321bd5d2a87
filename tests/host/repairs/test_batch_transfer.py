"""Copies of a batch."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
from torch import Tensor

from usb_negsamp.host import device
from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs import batch_transfer
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny


def _copies(algorithm: Any, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each copy of a batch would have been waited for."""
    waited = []

    def cuda(self: Tensor, device: int | None = None, non_blocking: bool = False) -> Tensor:
        waited.append(not non_blocking)
        return self

    monkeypatch.setattr(torch.Tensor, "cuda", cuda)
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.process_batch(**labeled, **unlabeled)
    return waited


def test_no_copy_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build_tiny("fixmatch_ns3l", tmp_path, ns3l_view="strong")
    assert _copies(algorithm, monkeypatch) == [False] * 4
    with undone("batch_transfer", "batch_norm_control"):
        assert _copies(algorithm, monkeypatch) == [True] * 4


def test_what_an_algorithm_has_put_together_is_pinned_for_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm = build_tiny("crmatch", tmp_path)
    asked: list[tuple[str, Tensor]] = []

    def pin_memory(self: Tensor) -> Tensor:
        asked.append(("pinned", self))
        return self + 1

    def cuda(self: Tensor, *_: Any, **__: Any) -> Tensor:
        asked.append(("copied", self))
        return self

    monkeypatch.setattr(device, "_selected", torch.device("cuda"))
    for name, method in (("is_pinned", lambda self: False), ("pin_memory", pin_memory), ("cuda", cuda)):
        monkeypatch.setattr(torch.Tensor, name, method)
    directions = torch.zeros(2)
    algorithm.process_batch(rot_v=directions)
    assert [what for what, _ in asked] == ["pinned", "copied"]
    assert asked[0][1] is directions
    assert torch.equal(asked[1][1], torch.ones(2))


def test_what_the_step_takes_is_handed_on(tmp_path: Path) -> None:
    algorithm = build_tiny("fixmatch", tmp_path)
    tokens = {"input_ids": torch.ones(2, 3), "attention_mask": torch.ones(2, 3)}
    batch = {"x_lb": tokens, "y_lb": torch.zeros(2), "x_ulb_w": None, "idx_lb": torch.arange(2)}
    assert algorithm.process_batch(**batch) == {"x_lb": tokens, "y_lb": batch["y_lb"]}
    assert algorithm.process_batch(["idx_lb"], **batch) == {"idx_lb": batch["idx_lb"]}


def test_the_run_is_the_hosts_to_the_bit(tmp_path: Path) -> None:
    ours = parameters_of(train_tiny("flexmatch", tmp_path / "ours"))
    with undone("batch_transfer", "batch_norm_control"):
        host = parameters_of(train_tiny("flexmatch", tmp_path / "host"))
    assert all(torch.equal(ours[name], tensor) for name, tensor in host.items())


BATCH = {"x_lb": torch.zeros(1), "y_lb": torch.zeros(1), "x_ulb_w": torch.ones(1), "other": torch.ones(1), "none": None}


def test_the_names_of_what_a_step_takes_are_looked_up_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    signature = inspect.signature

    def counted(function: Any) -> Any:
        found.append(function)
        return signature(function)

    algorithm = build_tiny("vat_ns3l", tmp_path)
    batch_transfer.parameter_names.cache_clear()
    monkeypatch.setattr(inspect, "signature", counted)
    for _ in range(3):
        assert algorithm.process_batch(**BATCH).keys() == {"x_lb", "y_lb", "x_ulb_w"}
    assert len(found) == 1


def test_another_step_has_its_own_names(tmp_path: Any) -> None:
    algorithm = build_tiny("vat", tmp_path)
    algorithm.process_batch(**BATCH)

    def train_step(self: Any, other: Any) -> None:
        """What a user has put in its place."""

    algorithm.train_step = MethodType(train_step, algorithm)
    assert list(algorithm.process_batch(**BATCH)) == ["other"]
    algorithm.train_step = lambda y_lb: None
    assert list(algorithm.process_batch(**BATCH)) == ["y_lb"]
    assert list(algorithm.process_batch(["x_lb"], **BATCH)) == ["x_lb"]
