"""The protocol of UASD's paper (Chen et al., AAAI 2020), as a value of the key ``preset``.

It is Oliver et al.'s, by a rate of 1e-3, with self-distillation from a fifth of the training on. The released code adds
no noise to the images of CIFAR-100 and TinyImageNet, as ``augmentation: oliver`` does.
"""

from __future__ import annotations

from typing import Any

from usb_negsamp.run.configuration.presets.ns3l import oliver
from usb_negsamp.run.configuration.presets.request import Request


def uasd(request: Request) -> dict[str, Any]:
    """500,000 iterations of Adam, the self-distillation from 100,000 on, its ramp until 200,000."""
    return {**oliver(request), "uasd_weight": 1.0, "uasd_start": 0.2, "uasd_ramp": 0.4}
