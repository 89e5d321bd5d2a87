"""Starting from the host's checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from usb_negsamp import ConfigError
from usb_negsamp.nets import cnn3, small_cnn
from usb_negsamp.nets.timm_net import timm_builder


def saved(path: Path, state: dict[str, torch.Tensor], prefix: str = "") -> str:
    model = {f"{prefix}{name}": value for name, value in state.items()}
    torch.save({"model": model, "it": 3, "best_eval_acc": np.float64(0.5)}, path)
    return str(path)


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
def test_all_but_the_classifier_comes_from_the_checkpoint(tmp_path: Path, prefix: str) -> None:
    source = small_cnn(num_classes=7)
    path = saved(tmp_path / "latest_model.pth", source.state_dict(), prefix)
    net = small_cnn(pretrained=True, pretrained_path=path, num_classes=3)
    for name, value in net.state_dict().items():
        if not name.startswith("classifier."):
            assert torch.equal(value, source.state_dict()[name])
    assert net.classifier.weight.shape == (3, 128)


def test_a_timm_state_dict_fits_the_network_around_that_model(tmp_path: Path) -> None:
    source = timm_builder("resnet10t")(num_classes=7)
    torch.save(source.trunk.state_dict(), tmp_path / "timm.pth")
    net = timm_builder("resnet10t")(num_classes=3, pretrained=True, pretrained_path=str(tmp_path / "timm.pth"))
    assert torch.equal(net.trunk.conv1[0].weight, source.trunk.conv1[0].weight)


def test_a_head_that_only_an_algorithm_needs_is_ignored(tmp_path: Path) -> None:
    state = {**small_cnn().state_dict(), "rot_classifier.weight": torch.zeros(4, 128)}
    small_cnn(pretrained=True, pretrained_path=saved(tmp_path / "a.pth", state))


def message(path: str | None) -> str:
    with pytest.raises(ConfigError) as caught:
        small_cnn(pretrained=True, pretrained_path=path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_mistake_is_one_line(tmp_path: Path) -> None:
    assert "no published weights" in message(None)
    assert "no published weights" in message("")
    assert "there is no such file" in message(str(tmp_path / "nowhere.pth"))
    (tmp_path / "text.pth").write_text("no checkpoint")
    assert "cannot be read" in message(str(tmp_path / "text.pth"))
    torch.save({"model": 3}, tmp_path / "number.pth")
    assert "no checkpoint" in message(str(tmp_path / "number.pth"))
    other = saved(tmp_path / "other.pth", cnn3().state_dict())
    assert "tensors missing" in message(other)
    state = {**small_cnn().state_dict(), "stage1.conv.conv.weight": torch.zeros(8, 3, 3, 3)}
    assert "stage1.conv.conv.weight has shape (8, 3, 3, 3)" in message(saved(tmp_path / "shape.pth", state))
