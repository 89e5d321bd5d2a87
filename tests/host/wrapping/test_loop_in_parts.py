"""The host's loop in parts: the same steps, and a change wherever a part begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import usb_negsamp
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.wrapping.loop_in_parts import LoopInParts
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

usb_negsamp.register()


class InParts(LoopInParts):
    """Parts of three steps."""

    begun: list[int]

    def begin_part(self) -> int:
        self.begun = [*getattr(self, "begun", []), self.it]
        return (self.it // 3 + 1) * 3


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    fixmatch = type("FixMatchInParts", (InParts, ALGORITHMS["fixmatch"]), {})
    monkeypatch.setitem(ALGORITHMS._dict, "fixmatch_in_parts", fixmatch)


@pytest.mark.parametrize("epoch", [1, 2])
def test_parts_that_change_nothing_leave_the_hosts_run_bit_for_bit(
    epoch: int, registered: None, tmp_path: Path
) -> None:
    whole = train_tiny("fixmatch", tmp_path / "whole", epoch=epoch)
    parts: Any = train_tiny("fixmatch_in_parts", tmp_path / "parts", epoch=epoch)
    # A part ends with the host's epoch, too.
    assert parts.begun == ([0, 3, 6, 9] if epoch == 1 else [0, 3, 5, 6, 9])
    expected = parameters_of(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in parameters_of(parts).items())
    assert parts.it == whole.it == 10


def test_a_wrapper_leaves_the_loop_as_it_is_and_is_given_unlabeled_batches(tmp_path: Path) -> None:
    wrapped = usb_negsamp.wrap(type("Own", (LoopInParts, ALGORITHMS["supervised"]), {}), "ns3l")
    assert wrapped.train is LoopInParts.train
    algorithm = build_tiny("cl_ns3l", tmp_path)
    batch = next(iter(algorithm._batches()))
    assert {"x_lb", "y_lb", "x_ulb_w"} <= batch.keys()
    plain = build_tiny("cl", tmp_path / "plain")
    assert not any("ulb" in key for key in next(iter(plain._batches())))
