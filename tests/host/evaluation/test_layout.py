"""How the images of an evaluation lie in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from usb_negsamp.host.evaluation.networks import laid_out, outputs_of
from usb_negsamp.nets import cnn3, fast_cnn, small_cnn
from usb_negsamp.testing import build_tiny

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("builder", [small_cnn, fast_cnn])
def test_images_are_laid_out_for_networks_that_are_faster_so_and_logits_are_the_same_to_rounding(builder: Any) -> None:
    net = builder().eval()
    inputs = laid_out(IMAGES, net)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(inputs, IMAGES)
    torch.testing.assert_close(net(inputs)["logits"], net(IMAGES)["logits"], rtol=1e-5, atol=1e-6)
    assert laid_out(IMAGES, nn.DataParallel(net)).is_contiguous(memory_format=torch.channels_last)


def test_what_does_not_ask_for_it_or_is_no_batch_of_images_stays_as_it_is() -> None:
    assert laid_out(IMAGES, cnn3()) is IMAGES
    assert laid_out(IMAGES, nn.Conv2d(3, 8, 3)) is IMAGES
    for other in ({"input_ids": torch.zeros(2, 3)}, torch.zeros(2, 3)):
        assert laid_out(other, small_cnn()) is other


def test_an_evaluation_lays_its_batches_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build_tiny("supervised", tmp_path)
    seen: list[bool] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last) and not inputs[0].is_contiguous())

    algorithm.model.register_forward_pre_hook(note)
    assert len(list(outputs_of(algorithm, algorithm.loader_dict["eval"]))) == len(seen) > 0
    assert all(seen)
