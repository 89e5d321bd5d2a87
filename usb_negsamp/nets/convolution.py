"""The convolution that ``small_cnn`` and ``fast_cnn`` are made of."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def convolution_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 3x3 convolution (He et al.'s initial weights, no bias), batch norm and LeakyReLU; sides stay."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, a=0.1, mode="fan_out", nonlinearity="leaky_relu")
    return nn.Sequential(
        OrderedDict(conv=convolution, bn=nn.BatchNorm2d(out_channels), activation=nn.LeakyReLU(0.1, inplace=True))
    )
