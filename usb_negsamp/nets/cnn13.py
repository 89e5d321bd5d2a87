"""CNN13, the 13-layer network of Temporal Ensembling, Mean Teacher, Dual Student and DNLL."""

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

SMALLEST_SIZE = 28
PADDED_SIZE = 32


class CNN13(ContractNet):
    """[3x3, 128] x 3, pool, dropout; [3x3, 256] x 3, pool, dropout; 3x3 512, 1x1 256, 1x1 128; mean; linear.

    Every convolution and the classifier are weight-normalized, every convolution is followed by batch norm and
    LeakyReLU 0.1. With one classifier, and 10 classes, 3,125,908 parameters. As in the code of Dual Student
    (``src/architectures.py``), which has two classifiers and no input noise in this network either.

    Made for 32x32. Sides from 28 up to 32 are zero-padded to 32 around the (normalized) image, as for MNIST with this
    network; larger images are averaged over more than 6x6 positions.
    """

    def __init__(self, num_classes: int = 10, img_size: int | None = None, dropout: float = 0.5) -> None:
        """Build it with PyTorch's own random initial weights.

        Args:
            num_classes: number of classes K.
            img_size: side of the images, in pixels, where known: checked here, before any training.
            dropout: probability that a value is dropped after each of the two poolings.

        Raises:
            ConfigError: images smaller than 28x28.
        """
        super().__init__()
        if img_size is not None:
            _check_size(img_size, img_size)
        self.stage1 = nn.Sequential(
            OrderedDict(
                a=_convolution(3, 128, 3, padding=1),
                b=_convolution(128, 128, 3, padding=1),
                c=_convolution(128, 128, 3, padding=1),
                pool=nn.MaxPool2d(2),
                dropout=nn.Dropout(dropout),
            )
        )
        self.stage2 = nn.Sequential(
            OrderedDict(
                a=_convolution(128, 256, 3, padding=1),
                b=_convolution(256, 256, 3, padding=1),
                c=_convolution(256, 256, 3, padding=1),
                pool=nn.MaxPool2d(2),
                dropout=nn.Dropout(dropout),
            )
        )
        self.stage3 = nn.Sequential(
            OrderedDict(
                a=_convolution(256, 512, 3, padding=0),
                b=_convolution(512, 256, 1, padding=0),
                c=_convolution(256, 128, 1, padding=0),
            )
        )
        self.num_features = 128
        self.classifier = weight_norm(nn.Linear(self.num_features, num_classes))

    def extract(self, x: torch.Tensor) -> torch.Tensor:
        """Return the feature map (N, 128, 6, 6) of 32x32 images (N, 3, 32, 32)."""
        height, width = x.shape[-2:]
        _check_size(height, width)
        if min(height, width) < PADDED_SIZE:
            x = F.pad(x, (*_margins(width), *_margins(height)))
        feature_map: torch.Tensor = self.stage3(self.stage2(self.stage1(x)))
        return feature_map


def cnn13(pretrained: bool = False, pretrained_path: str | None = None, num_classes: int = 10, **kwargs: Any) -> CNN13:
    """Build a :class:`CNN13`; with ``pretrained``, from the host's checkpoint at ``pretrained_path``.

    Raises:
        ConfigError: the checkpoint is missing or of another network; ``img_size`` below 28.
    """
    net = CNN13(num_classes=num_classes, **kwargs)
    if pretrained:
        load_pretrained(net, pretrained_path)
    return net


def _convolution(in_channels: int, out_channels: int, kernel_size: int, *, padding: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=weight_norm(nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding)),
            bn=nn.BatchNorm2d(out_channels),
            activation=nn.LeakyReLU(0.1, inplace=True),
        )
    )


def _check_size(height: int, width: int) -> None:
    if min(height, width) < SMALLEST_SIZE:
        raise ConfigError(
            f"cnn13 takes images from {SMALLEST_SIZE}x{SMALLEST_SIZE} (zero-padded to {PADDED_SIZE}x{PADDED_SIZE}), "
            f"but got {height}x{width}; set img_size to {PADDED_SIZE}"
        )


def _margins(side: int) -> tuple[int, int]:
    missing = max(0, PADDED_SIZE - side)
    return missing // 2, missing - missing // 2
