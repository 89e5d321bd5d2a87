"""Models of timm and torchvision."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import timm
import torch
import torchvision

from usb_negsamp import ConfigError
from usb_negsamp.nets import find_builder
from usb_negsamp.nets.timm_net import prefixed_matcher, timm_builder
from usb_negsamp.nets.torchvision_net import torchvision_builder


@pytest.mark.parametrize("name", ["timm:resnet81", "torchvision:resnet81"])
def test_an_unknown_model_names_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError, match="did you mean 'resnet18'"):
        find_builder(name)


@pytest.mark.skipif("mobilenetv5_300m_enc" not in timm.list_models(), reason="this timm has no such encoder")
def test_a_timm_encoder_that_does_not_classify_is_refused() -> None:
    with pytest.raises(ConfigError, match="no features for a classifier"):
        timm_builder("mobilenetv5_300m_enc")


def test_builders_travel_to_other_processes() -> None:
    builders: tuple[Any, ...] = (timm_builder("resnet10t"), torchvision_builder("resnet18"))
    for builder in builders:
        assert pickle.loads(pickle.dumps(builder)).args == builder.args


def test_the_features_of_a_timm_model_are_its_own() -> None:
    net = timm_builder("vit_tiny_patch16_224")(num_classes=3, img_size=32).eval()
    image = torch.randn(2, 3, 32, 32)
    assert torch.equal(net(image)["feat"], net.trunk(image))
    assert net.extract(image).shape == (2, 5, 192)


def test_position_embeddings_and_tokens_of_a_timm_model_are_spared_from_weight_decay() -> None:
    spared = timm_builder("vit_tiny_patch16_224")(img_size=32).no_weight_decay()
    assert {"trunk.pos_embed", "trunk.cls_token"} <= set(spared)


def test_a_misspelled_keyword_of_a_timm_model_is_not_swallowed() -> None:
    with pytest.raises(TypeError, match="drop_pth_rate"):
        timm_builder("resnet10t")(img_size=32, drop_pth_rate=0.1)


def test_timm_weights_that_cannot_be_downloaded_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host\nand more")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(ConfigError, match="cannot load timm's weights for resnet18") as caught:
        timm_builder("resnet18")(pretrained=True)
    assert "(no route to host): connect" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_timm_model_without_weights_says_so() -> None:
    name = next(name for name in timm.list_models() if not timm.is_model_pretrained(name))
    with pytest.raises(ConfigError, match=f"timm has no weights for {name}"):
        timm_builder(name)(pretrained=True)


def test_torchvision_weights_that_cannot_be_downloaded_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "get_model", unreachable)
    with pytest.raises(ConfigError, match="cannot load torchvision's weights for resnet18"):
        torchvision_builder("resnet18")(pretrained=True)


def test_the_feature_map_of_torchvision_resnet_is_what_its_pooling_takes_in() -> None:
    net = torchvision_builder("resnet18")(num_classes=3).eval()
    image = torch.randn(2, 3, 64, 64)
    feature_map = net.extract(image)
    assert feature_map.shape == (2, 512, 2, 2)
    assert torch.allclose(feature_map.mean(dim=(2, 3)), net(image)["feat"], atol=1e-6)
    assert not net.trunk.avgpool._forward_pre_hooks


def test_torchvision_vit_takes_an_image_size() -> None:
    with torch.device("meta"):  # shapes alone: the model has 88 million parameters
        net = torchvision_builder("vit_b_32")(num_classes=3, img_size=32).eval()
        assert net(torch.randn(2, 3, 32, 32))["logits"].shape == (2, 3)


def test_torchvision_googlenet_returns_one_tensor_in_training_too() -> None:
    with torch.device("meta"):
        net = torchvision_builder("googlenet")(num_classes=3, init_weights=False)
        assert net(torch.randn(2, 3, 64, 64))["logits"].shape == (2, 3)


def test_a_torchvision_model_without_a_linear_layer_is_refused() -> None:
    with pytest.raises(ConfigError, match="no linear layer"):
        torchvision_builder("squeezenet1_1")()


def test_a_matcher_moves_behind_a_prefix_whatever_its_form() -> None:
    moved = prefixed_matcher({"stem": r"^a|b", "rest": [(r"^[^c](\d)", (99999,))], "none": None}, "p.")
    assert moved == {"stem": r"^p\.(?:a|b)", "rest": [(r"^p\.(?:[^c](\d))", (99999,))], "none": None}
    by_function = prefixed_matcher(lambda name: len(name), "p.")
    assert callable(by_function)
    assert by_function("p.abc") == 3
