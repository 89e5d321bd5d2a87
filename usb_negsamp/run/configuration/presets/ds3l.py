"""The protocol of DS3L's paper (Guo et al., ICML 2020), as a value of the key ``preset``.

Labels of six classes, 20,000 unlabeled images of all ten, 60% of them of the other four, 5,000 validation images, the
model that is best on them; by the released code. Readings and departures:

- that code's learning rate of the weights' network changed with its versions ("needs to be tuned"): 6e-5 here;
- batch norms learn from every pass (``bn_update: all``), as there; a look-ahead is not one of them;
- there one flip and one shift are drawn for a batch, here for every image;
- MNIST's network is ``small_cnn``, not that code's of two convolutions with dropout, and its images are normalized,
  where that code feeds raw pixels.
"""

from __future__ import annotations

from typing import Any

from usb_negsamp.run.configuration.presets.ns3l import CIFAR, ITERATIONS_PER_EPOCH, oliver, whole_epochs
from usb_negsamp.run.configuration.presets.request import Request

ITERATIONS = 200_000
SPLIT: dict[str, Any] = {
    "num_classes": 6,
    "num_unlabeled": 20_000,
    "mismatch_protocol": "fixed_total",
    "mismatch_ratio": 0.6,
    "validation_size": 5000,
}
IMAGES: dict[str, dict[str, Any]] = {
    "cifar10": {**CIFAR, **SPLIT, "seen_classes": [2, 3, 4, 5, 6, 7], "num_labels": 2400},
    "mnist": {
        **SPLIT,
        "seen_classes": [0, 1, 2, 3, 4, 5],
        "num_labels": 60,
        "img_size": 28,
        "net": "small_cnn",
        "optim": "SGD",
        "lr": 1e-3,
        "momentum": 0.0,
        "preprocessing": "mean_std",
        "augmentation": "identity",
        "horizontal_flip": False,
    },
}


def ds3l(request: Request) -> dict[str, Any]:
    """200,000 iterations at a constant rate, ramp over all of them."""
    length = request.num_train_iter or ITERATIONS
    images = IMAGES.get(request.dataset, {})
    frame = {key: value for key, value in oliver(request).items() if not key.startswith("lr_decay")}
    return {
        **frame,
        "num_train_iter": length,
        "epoch": whole_epochs(length, ITERATIONS_PER_EPOCH),
        "num_eval_iter": 10_000,
        "lr_schedule": "constant",
        "unsup_warm_up": 1.0,
        "bn_update": "all",
        "include_lb_to_ulb": False,
        "ds3l_weight": 20.0,
        "ds3l_ramp": 1.0,
        "ds3l_look_ahead_lr": 5e-4,
        "ds3l_weights_lr": 6e-5,
        **images,
    }
