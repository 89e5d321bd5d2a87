"""What is particular to the three convolutional networks of ours."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from usb_negsamp import ConfigError
from usb_negsamp.nets import cnn3, cnn13, fast_cnn, small_cnn


def test_cnn13_pads_28_to_32_with_zeros() -> None:
    net = cnn13(num_classes=3).eval()
    image = torch.randn(1, 3, 28, 28)
    padded = torch.zeros(1, 3, 32, 32)
    padded[:, :, 2:-2, 2:-2] = image
    assert torch.equal(net(image)["logits"], net(padded)["logits"])
    assert net.extract(image).shape == (1, 128, 6, 6)


@pytest.mark.parametrize(("builder", "too_small"), [(cnn13, 27), (cnn3, 23), (small_cnn, 15), (fast_cnn, 15)])
def test_images_that_are_too_small_are_refused_before_training_and_in_it(builder: type, too_small: int) -> None:
    with pytest.raises(ConfigError, match=f"got {too_small}x{too_small}"):
        builder(img_size=too_small)
    with pytest.raises(ConfigError, match=f"got {too_small}x40"):
        builder()(torch.zeros(1, 3, too_small, 40))


@pytest.mark.parametrize("builder", [cnn13, cnn3, small_cnn, fast_cnn])
@pytest.mark.parametrize("side", [28, 32, 48])
def test_common_sizes_give_one_row_an_image(builder: type, side: int) -> None:
    assert builder(img_size=side).eval()(torch.zeros(2, 3, side, side))["logits"].shape == (2, 10)


@pytest.mark.parametrize("builder", [small_cnn, fast_cnn])
def test_quick_networks_take_16_pixels(builder: type) -> None:
    assert builder(num_classes=5)(torch.zeros(2, 3, 16, 16))["logits"].shape == (2, 5)


def test_fast_cnn_takes_even_sides_alone_and_no_pixel_is_left_out() -> None:
    with pytest.raises(ConfigError, match="even sides from 16x16, but got 17x32"):
        fast_cnn()(torch.zeros(1, 3, 17, 32))
    image = torch.zeros(1, 3, 16, 16, requires_grad=True)
    net = fast_cnn().eval()
    net.stage1[0](net.squares(image)).sum().backward()
    assert image.grad is not None
    assert (image.grad != 0).all()


def test_cnn3_takes_the_first_six_by_six_of_seven_by_seven_positions() -> None:
    feature_map = torch.randn(2, 32, 7, 7)
    assert torch.allclose(cnn3().pool(feature_map), feature_map[:, :, :6, :6].mean(dim=(2, 3)), atol=1e-6)


def test_cnn3_adds_noise_in_training_only() -> None:
    net = cnn3(dropout=0.0)
    image = torch.randn(4, 3, 28, 28)
    assert not torch.equal(net(image)["feat"], net(image)["feat"])
    net.eval()
    assert torch.equal(net(image)["feat"], net(image)["feat"])


@pytest.mark.parametrize("builder", [cnn13, cnn3])
def test_every_convolution_and_the_classifier_are_weight_normalized(builder: type) -> None:
    layers = [module for module in builder().modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    assert len(layers) in (4, 10)
    assert all(is_parametrized(layer, "weight") for layer in layers)


def test_an_unknown_option_is_not_swallowed() -> None:
    with pytest.raises(TypeError, match="droput"):
        cnn13(droput=0.1)
