"""Every network keeps the host's contract."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from usb_negsamp.nets import NETS, ContractNet, cnn3, fast_cnn, find_builder, small_cnn

BUILT: dict[str, dict[str, int]] = {
    "small_cnn": {},
    "fast_cnn": {},
    "cnn3": {},
    "cnn13": {},
    "timm:resnet10t": {},
    "timm:mobilenetv3_small_050": {},
    "timm:vit_tiny_patch16_224": {"img_size": 32},
    "timm:convnext_atto": {"img_size": 32},
    "torchvision:resnet18": {},
    "torchvision:mobilenet_v3_small": {"img_size": 32},
    "torchvision:mobilenet_v2": {},
}


@pytest.fixture(scope="module", params=BUILT)
def net(request: pytest.FixtureRequest) -> ContractNet:
    torch.manual_seed(0)
    builder = find_builder(request.param)
    assert builder is not None
    return builder(num_classes=4, **BUILT[request.param])


def images(number: int = 2) -> torch.Tensor:
    return torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_forward_gives_logits_and_features(net: ContractNet) -> None:
    out = net.eval()(images())
    assert set(out) == {"logits", "feat"}
    assert out["logits"].shape == (2, 4)
    assert out["feat"].shape == (2, net.num_features)


def test_features_alone_and_classifier_alone_make_up_the_forward(net: ContractNet) -> None:
    out = net.eval()(images())
    feat = net(images(), only_feat=True)
    assert torch.equal(feat, out["feat"])
    assert torch.equal(net(feat, only_fc=True), out["logits"])
    assert torch.equal(net(images(), some_option_of_another_network=1)["logits"], out["logits"])


def test_the_feature_map_has_one_row_for_each_image(net: ContractNet) -> None:
    feature_map = net.eval().extract(images())
    assert feature_map.shape[0] == 2
    assert feature_map.ndim >= 3


def test_a_gradient_reaches_every_parameter(net: ContractNet) -> None:
    net.train().zero_grad()
    net(images(4))["logits"].square().sum().backward()
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert without == []
    net.zero_grad()


def test_a_copy_for_the_moving_average_gives_the_same_output(net: ContractNet) -> None:
    twin = copy.deepcopy(net.eval())
    assert torch.equal(twin(images())["logits"], net(images())["logits"])
    assert [name for name, _ in twin.named_parameters()] == [name for name, _ in net.named_parameters()]


def test_biases_and_norms_are_spared_from_weight_decay_and_weights_are_not(net: ContractNet) -> None:
    names = dict(net.named_parameters())
    spared = net.no_weight_decay()
    assert set(spared) <= set(names)
    assert all(name in spared for name in names if name.endswith("bias"))
    for name, module in net.named_modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)) and module.weight is not None:
            assert f"{name}.weight" in spared
    assert not any(name.startswith("classifier") and name.endswith("weight") for name in spared)


def group_of(name: str, matcher: dict[str, Any]) -> object:
    """Return the group of a parameter as the host's own look-up finds it, or None for the last group."""
    for group, rule in matcher.items():
        for pattern, _ in [(rule, None)] if isinstance(rule, str) else rule:
            found = re.match(pattern, name)
            if found:
                return group, found.groups()
    return None


@pytest.mark.parametrize("coarse", [False, True])
def test_layer_groups_cover_all_but_the_classifier_also_behind_a_prefix(net: ContractNet, coarse: bool) -> None:
    plain = net.group_matcher(coarse)
    prefixed = net.group_matcher(coarse, prefix="backbone.")
    assert isinstance(plain, dict)
    assert isinstance(prefixed, dict)
    groups = set()
    for name, _ in net.named_parameters():
        group = group_of(name, plain)
        assert group_of(f"backbone.{name}", prefixed) == group
        assert group_of(name, prefixed) is None
        assert group is None or not name.startswith("classifier")
        groups.add(group)
    assert len(groups) >= 2


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("cnn13", 3_125_908),
        ("cnn3", 14_916),
        ("small_cnn", 94_762),
        ("fast_cnn", 282_058),
        ("timm:resnet18", 11_181_642),
    ],
)
def test_parameter_counts_for_ten_classes(name: str, count: int) -> None:
    builder = find_builder(name)
    assert builder is not None
    assert sum(parameter.numel() for parameter in builder(num_classes=10).parameters()) == count


def test_a_name_that_is_not_ours_finds_nothing() -> None:
    assert find_builder("wrn_28_2") is None
    assert find_builder("other:resnet18") is None


def test_every_network_of_ours_is_tested_here() -> None:
    assert set(NETS) <= set(BUILT)


@pytest.mark.parametrize("builder", [cnn3, small_cnn, fast_cnn])
def test_our_networks_learn_four_images_by_heart(builder: Callable[..., ContractNet]) -> None:
    torch.manual_seed(0)
    net = builder(num_classes=4)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    labels = torch.arange(4)
    for _ in range(15):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images(4))["logits"], labels).backward()
        optimizer.step()
    assert torch.equal(net(images(4))["logits"].argmax(dim=1), labels)
