"""A step does not wait for the GPU: PyTorch, which is told to raise where the host would, does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_negsamp.host import Hook
from usb_negsamp.testing import build_tiny

UNLOGGED = {"epoch": 1, "num_train_iter": 5, "num_log_iter": 10**6, "num_eval_iter": 10**6}
BASES = ("fixmatch", "freematch", "vat", "pimodel", "meanteacher")
OTHERS = ("flexmatch", "softmatch", "comatch", "simmatch", "ns3l", "dnll", "dualstudent", "uasd", "ds3l")


class Watched(Hook):
    """Lets PyTorch raise at each wait of the third and the fourth step."""

    def before_train_step(self, algorithm: Any) -> None:
        torch.cuda.set_sync_debug_mode("error" if algorithm.it in (2, 3) else "default")


@pytest.fixture(autouse=True)
def waits_are_allowed_again() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(f"{base}{kind}", marks=pytest.mark.gpu) for base in BASES for kind in ("_ns3l", "_dnll")),
        *OTHERS,
    ],
)
def test_an_unlogged_step_in_float32_does_not_wait(name: str, tmp_path: Path) -> None:
    algorithm = build_tiny(name, tmp_path, device="cuda", **UNLOGGED)
    algorithm.register_hook(Watched(), None, "HIGHEST")
    algorithm.train()
    assert algorithm.it == 5


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["fixmatch_ns3l", "vat_ns3l"])
def test_views_that_are_made_on_the_device_are_not_waited_for(name: str, tmp_path: Path) -> None:
    algorithm = build_tiny(name, tmp_path, device="cuda", accelerate_views="device", **UNLOGGED)
    algorithm.register_hook(Watched(), None, "HIGHEST")
    algorithm.train()
    assert algorithm.it == 5


@pytest.mark.gpu
def test_a_wait_would_be_noticed() -> None:
    number = torch.ones((), device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    with pytest.raises(RuntimeError, match="synchroniz"):
        number.item()
