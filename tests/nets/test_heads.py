"""Heads beside a classifier are part of the network, and change nothing else of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from semilearn.core.utils.build import get_optimizer
from torch import Tensor, nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.host import build as _build  # noqa: F401 (the host must be imported through us)
from usb_negsamp.nets import Heads, cnn3, find_builder, small_cnn, with_heads


class TwoHeads(Heads):
    """Two linear layers, as entries ``first`` and ``second``."""

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(num_features, 2 * num_classes), nn.Linear(num_features, 1)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return {"first": self.one(features), "second": self.two(features)}


def host_wide_resnet(**options: Any) -> nn.Module:
    import semilearn.nets

    return semilearn.nets.wrn_28_2(**options)


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "small_cnn": small_cnn,
    "cnn3": cnn3,
    "timm": find_builder("timm:resnet10t"),  # type: ignore[dict-item]
    "torchvision": find_builder("torchvision:resnet18"),  # type: ignore[dict-item]
    "host": host_wide_resnet,
}


def images(number: int = 3) -> Tensor:
    return torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def built(builder: Callable[..., nn.Module]) -> Any:
    torch.manual_seed(3)
    return builder(num_classes=4, pretrained=False, pretrained_path="")


@pytest.mark.parametrize("name", BUILDERS)
def test_the_network_is_the_one_that_it_would_be_without_heads(name: str) -> None:
    plain, headed = built(BUILDERS[name]), built(with_heads(BUILDERS[name], TwoHeads))
    own = {key: value for key, value in headed.state_dict().items() if not key.startswith("extra_heads.")}
    assert list(own) == list(plain.state_dict())
    assert all(torch.equal(own[key], value) for key, value in plain.state_dict().items())
    assert type(headed) is type(plain)
    without, output = plain.eval()(images()), headed.eval()(images())
    assert torch.equal(output["logits"], without["logits"])
    assert torch.equal(output["feat"], without["feat"])
    features = headed(images(), only_feat=True)
    assert isinstance(features, Tensor)
    assert torch.equal(headed(features, only_fc=True), output["logits"])


@pytest.mark.parametrize("name", BUILDERS)
def test_heads_read_the_features_and_the_gradient_goes_through_them(name: str) -> None:
    headed = built(with_heads(BUILDERS[name], TwoHeads)).eval()
    output = headed(images())
    expected = headed.extra_heads.two(output["feat"])
    assert output["first"].shape == (3, 8)
    assert torch.equal(output["second"], expected)
    output["first"].sum().backward()
    reached = {key for key, parameter in headed.named_parameters() if parameter.grad is not None}
    assert {"extra_heads.one.weight", "extra_heads.one.bias"} <= reached
    assert len(reached) > 3, "the layers below the features, too"
    assert not any("fc" in key or "classifier" in key or "two" in key for key in reached)


def test_a_copy_and_a_loaded_state_have_heads_of_their_own() -> None:
    builder = with_heads(small_cnn, TwoHeads)
    headed, other = built(builder).eval(), built(builder).eval()
    twin = copy.deepcopy(headed)
    with torch.no_grad():
        headed.extra_heads.two.weight.add_(1.0)
    assert not torch.equal(twin(images())["second"], headed(images())["second"])
    other.load_state_dict(headed.state_dict())
    assert torch.equal(other(images())["second"], headed(images())["second"])


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_the_optimizer_of_the_host_has_the_heads(layer_decay: float) -> None:
    headed = built(with_heads(small_cnn, TwoHeads))
    optimizer = get_optimizer(headed, "SGD", 0.1, 0.9, 5e-4, layer_decay)
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert {id(parameter) for parameter in headed.parameters()} == trained


def test_a_network_that_does_not_say_how_long_its_features_are_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^net: expected a network that says .* but Linear does not$"):
        with_heads(lambda num_classes: nn.Linear(2, num_classes), TwoHeads)(num_classes=3)
