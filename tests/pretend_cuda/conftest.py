"""Runs in a folder of their own, on a GPU whose rounding is that of float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pretended_gpu
import pytest
import torch

from usb_negsamp.host import device


@pytest.fixture(autouse=True)
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and no trace of torchrun."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def device_put_back() -> Iterator[None]:
    """The other tests of this process compute on the CPU."""
    yield
    device.select("cpu")


@pytest.fixture(autouse=True)
def float32_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions do not round what goes into them to TF32, as GPUs do by default."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture
def rounding() -> float:
    """How far two runs may be apart that add in another order: real kernels do, pretended ones do not."""
    return 1e-5 if pretended_gpu.is_pretended() else 1e-3


@pytest.fixture
def draws_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the device would draw (VAT's direction, noise of networks) is drawn on the host."""

    def randn_like(like: torch.Tensor, dtype: torch.dtype | None = None, **settings: Any) -> torch.Tensor:
        return torch.randn(like.shape, dtype=dtype or like.dtype).to(like.device)

    monkeypatch.setattr(torch, "randn_like", randn_like)
