"""Names of networks."""

from __future__ import annotations

import pytest
import semilearn.nets
import torch
from semilearn.core.utils import build
from torch import nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs.net_builder import host_names


def test_host_has_no_error_for_an_unknown_torchvision_name() -> None:
    with undone("net_builder"):
        assert build.get_net_builder("resnet19", True) is None
        with pytest.raises(AttributeError):
            build.get_net_builder("wrn_28_3", False)
        assert not callable(build.get_net_builder("utils", False))


def test_host_hands_out_torchvision_builders_that_it_cannot_call() -> None:
    with undone("net_builder"), pytest.raises((TypeError, ValueError)):
        build.get_net_builder("resnet18", True)(num_classes=10, pretrained=False, pretrained_path="")


@pytest.mark.parametrize(("name", "from_name"), [("wrn_28_3", False), ("utils", False), ("resnet19", True)])
def test_unknown_name_is_a_one_line_error(name: str, from_name: bool) -> None:
    with pytest.raises(ConfigError, match=r"unknown .*'") as caught:
        build.get_net_builder(name, from_name)
    assert "\n" not in str(caught.value)


def test_nearest_name_is_offered() -> None:
    with pytest.raises(ConfigError, match=r"unknown net 'wrn_28_3'; did you mean 'wrn_28_[28]'\?"):
        build.get_net_builder("wrn_28_3", False)


def test_host_networks_are_still_built_by_the_host() -> None:
    assert {"wrn_28_2", "resnet50", "vit_small_patch16_224", "bert_base_cased"} <= set(host_names())
    assert build.get_net_builder("wrn_28_2", False) is semilearn.nets.wrn_28_2


def test_network_that_a_user_put_beside_the_host_s_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(**kwargs: object) -> nn.Module:
        return nn.Identity()

    monkeypatch.setattr(semilearn.nets, "mine", mine, raising=False)
    assert build.get_net_builder("mine", False) is mine


def test_our_networks_come_first() -> None:
    net = build.get_net_builder("small_cnn", False)(num_classes=3, pretrained=False, pretrained_path="")
    assert net(torch.zeros(2, 3, 32, 32))["logits"].shape == (2, 3)


def test_torchvision_network_takes_what_the_host_passes() -> None:
    net = build.get_net_builder("resnet18", True)(num_classes=3, pretrained=False, pretrained_path="")
    out = net(torch.zeros(2, 3, 32, 32))
    assert out["logits"].shape == (2, 3)
    assert out["feat"].shape[0] == 2


def test_every_module_of_the_host_has_the_same_function() -> None:
    from semilearn.core import utils

    assert build.get_net_builder is utils.get_net_builder is semilearn.get_net_builder
