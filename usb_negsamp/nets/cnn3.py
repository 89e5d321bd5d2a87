"""CNN3, the small network of Dual Student's USPS to MNIST experiment."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from usb_negsamp.errors import ConfigError
from usb_negsamp.nets.contract import ContractNet
from usb_negsamp.nets.pretrained import load_pretrained

SMALLEST_SIZE = 24


class CNN3(ContractNet):
    """Noise, 3x3 16, pool, 3x3 32, pool, dropout, 3x3 32, average of 6x6 positions, linear.

    Every convolution and the classifier are weight-normalized, every convolution is followed by batch norm and
    LeakyReLU 0.1; one classifier, where Dual Student (``src/architectures.py``) has two. Made for 28x28, where the
    average takes, as there, the first 6x6 of 7x7 positions; larger images give several such windows, averaged.

    Departure: the noise is added in training mode only. The released code takes the mode as an argument that defaults
    to training and that its validation never passes, so it also evaluates with noise.
    """

    def __init__(
        self, num_classes: int = 10, img_size: int | None = None, noise: float = 0.15, dropout: float = 0.5
    ) -> None:
        """Build it with PyTorch's own random initial weights.

        Args:
            num_classes: number of classes K.
            img_size: side of the images, in pixels, where known: checked here, before any training.
            noise: standard deviation of the Gaussian noise on the normalized input, in training mode.
            dropout: probability that a value is dropped after the second pooling.

        Raises:
            ConfigError: images smaller than 24x24.
        """
        super().__init__()
        if img_size is not None:
            _check_size(img_size, img_size)
        self.noise = noise
        self.stage1 = nn.Sequential(OrderedDict(conv=_convolution(3, 16), pool=nn.MaxPool2d(2)))
        self.stage2 = nn.Sequential(
            OrderedDict(conv=_convolution(16, 32), pool=nn.MaxPool2d(2), dropout=nn.Dropout(dropout))
        )
        self.stage3 = nn.Sequential(OrderedDict(conv=_convolution(32, 32)))
        self.num_features = 32
        self.classifier = weight_norm(nn.Linear(self.num_features, num_classes))

    def extract(self, x: torch.Tensor) -> torch.Tensor:
        """Return the feature map (N, 32, H // 4, W // 4) of images (N, 3, H, W)."""
        _check_size(x.shape[-2], x.shape[-1])
        if self.training and self.noise > 0:
            x = x + self.noise * torch.randn_like(x)
        feature_map: torch.Tensor = self.stage3(self.stage2(self.stage1(x)))
        return feature_map

    def pool(self, feature_map: torch.Tensor) -> torch.Tensor:
        """Return the features (N, 32): windows of 6x6 positions with stride 2, averaged."""
        return F.avg_pool2d(feature_map, kernel_size=6, stride=2).mean(dim=(2, 3))


def cnn3(pretrained: bool = False, pretrained_path: str | None = None, num_classes: int = 10, **kwargs: Any) -> CNN3:
    """Build a :class:`CNN3`; with ``pretrained``, from the host's checkpoint at ``pretrained_path``.

    Raises:
        ConfigError: the checkpoint is missing or of another network; ``img_size`` below 24.
    """
    net = CNN3(num_classes=num_classes, **kwargs)
    if pretrained:
        load_pretrained(net, pretrained_path)
    return net


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=weight_norm(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)),
            bn=nn.BatchNorm2d(out_channels),
            activation=nn.LeakyReLU(0.1, inplace=True),
        )
    )


def _check_size(height: int, width: int) -> None:
    if min(height, width) < SMALLEST_SIZE:
        raise ConfigError(f"cnn3 takes images from {SMALLEST_SIZE}x{SMALLEST_SIZE}, but got {height}x{width}")
