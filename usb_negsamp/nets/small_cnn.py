"""A quick network for small images, made for tests, for learning the methods, and for machines without a GPU."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.nets.contract import ContractNet, linear_classifier
from usb_negsamp.nets.convolution import convolution_block
from usb_negsamp.nets.pretrained import load_pretrained

SMALLEST_SIZE = 16


class SmallCNN(ContractNet):
    """Three stages of 3x3 convolution, batch norm and LeakyReLU with 32, 64 and 128 channels, halved in between.

    Meant for 28x28 and 32x32; takes any size from 16x16. Batch norm keeps PyTorch's momentum 0.1, so that short runs
    have useful running statistics.
    """

    evaluated_channels_last = True

    def __init__(self, num_classes: int = 10, img_size: int | None = None) -> None:
        """Build it with random weights.

        Args:
            num_classes: number of classes K.
            img_size: side of the images, in pixels, where known: checked here, before any training.

        Raises:
            ConfigError: images smaller than 16x16.
        """
        super().__init__()
        if img_size is not None:
            _check_size(img_size, img_size)
        self.stage1 = nn.Sequential(OrderedDict(conv=convolution_block(3, 32), pool=nn.MaxPool2d(2)))
        self.stage2 = nn.Sequential(OrderedDict(conv=convolution_block(32, 64), pool=nn.MaxPool2d(2)))
        self.stage3 = nn.Sequential(OrderedDict(conv=convolution_block(64, 128)))
        self.num_features = 128
        self.classifier = linear_classifier(self.num_features, num_classes)

    def extract(self, x: torch.Tensor) -> torch.Tensor:
        """Return the feature map (N, 128, H // 4, W // 4) of images (N, 3, H, W)."""
        _check_size(x.shape[-2], x.shape[-1])
        feature_map: torch.Tensor = self.stage3(self.stage2(self.stage1(x)))
        return feature_map


def small_cnn(
    pretrained: bool = False, pretrained_path: str | None = None, num_classes: int = 10, **kwargs: int | None
) -> SmallCNN:
    """Build a :class:`SmallCNN`; with ``pretrained``, from the host's checkpoint at ``pretrained_path``.

    Raises:
        ConfigError: the checkpoint is missing or of another network; ``img_size`` below 16.
    """
    net = SmallCNN(num_classes=num_classes, **kwargs)
    if pretrained:
        load_pretrained(net, pretrained_path)
    return net


def _check_size(height: int, width: int) -> None:
    if min(height, width) < SMALLEST_SIZE:
        raise ConfigError(f"small_cnn takes images from {SMALLEST_SIZE}x{SMALLEST_SIZE}, but got {height}x{width}")
