"""Networks are built without data as they are with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.evaluation.network_alone import algorithm_of_network
from usb_negsamp.testing import build_tiny
from usb_negsamp.testing.tiny import tiny_arguments

WITH_PARTS_OF_THEIR_OWN = ("comatch", "crmatch", "iomatch", "mtc", "openmatch", "remixmatch", "simmatch")
PLAIN = ("cl", "dualstudent", "fixmatch_ns3l_dnll", "supervised", "vat_fixastep")


def shapes(algorithm: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in algorithm.model.state_dict().items()}


@pytest.mark.parametrize("name", [*WITH_PARTS_OF_THEIR_OWN, *PLAIN])
def test_a_network_alone_has_all_that_its_algorithm_puts_around_it(name: str, tmp_path: Path) -> None:
    alone = algorithm_of_network(tiny_arguments(name, tmp_path))
    assert not hasattr(alone, "optimizer")
    assert alone.dataset_dict is None
    assert shapes(alone) == shapes(build_tiny(name, tmp_path))


def test_no_pretrained_weights_are_asked_for(tmp_path: Path) -> None:
    args = tiny_arguments("supervised", tmp_path, use_pretrain=True, pretrain_path=str(tmp_path / "absent.pth"))
    assert shapes(algorithm_of_network(args))


def test_an_imbalanced_algorithm_is_refused(tmp_path: Path) -> None:
    args = tiny_arguments("supervised", tmp_path, imb_algorithm="abc")
    with pytest.raises(ConfigError, match=r"imb_algorithm: expected none for a network without its data, but .* abc"):
        algorithm_of_network(args)


def test_a_transformer_of_timm_is_one_for_the_images_of_the_run(tmp_path: Path) -> None:
    args = tiny_arguments("supervised", tmp_path, net="timm:vit_tiny_patch16_224", img_size=32)
    assert algorithm_of_network(args).model(torch.zeros(1, 3, 32, 32))["logits"].shape == (1, 10)
