"""CRMatch on networks and image sizes that its name list does not hold.

What is wrong: ``algorithms/crmatch/crmatch.py`` ``CRMatch_Net`` computes the size of the feature map from the name of
the network and the data set (8 x 8 unless STL-10 or ImageNet). How it shows: NotImplementedError for a network whose
name holds none of wrn, resnet, vit; a shape error in the first step for a Wide ResNet on images that are not 32 x 32.
How it is mended: where the network's ``extract`` gives a map (N, C, h, w), the size is read from it. When it may go:
when the host measures it.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import torch
from semilearn.algorithms.crmatch import crmatch
from torch import nn

from usb_negsamp.host.patching import replace


def feature_map_shape(base: nn.Module, img_size: int) -> torch.Size:
    """Shape of ``base.extract`` for one image; the network is left as it was."""
    was_training = base.training
    base.eval()
    with torch.no_grad():
        shape: torch.Size = base.extract(torch.zeros(1, 3, img_size, img_size)).shape  # type: ignore[operator]
    base.train(was_training)
    return shape


def apply() -> None:
    """Wrap ``CRMatch_Net.__init__``."""
    original = crmatch.CRMatch_Net.__init__

    @functools.wraps(original)
    def __init__(self: Any, base: nn.Module, args: Any, use_rot: bool = True) -> None:
        takes_images = args.net not in ("bert_base_uncased", "bert_base_cased", "wave2vecv2_base", "hubert_base")
        shape = feature_map_shape(base, args.img_size) if takes_images else torch.Size()
        if len(shape) != 4:
            original(self, base, args, use_rot)
            return
        # The host knows the names of convolutional networks only; this one stands for all of them.
        original(self, base, SimpleNamespace(net="wrn", dataset="cifar10"), use_rot)
        if shape.numel() != self.ds_classifier.in_features:
            self.ds_classifier = nn.Linear(shape.numel(), self.num_features)

    replace(crmatch.CRMatch_Net, "__init__", __init__)
