"""The protocol of Temporal Ensembling's paper (Laine, Aila, ICLR 2017), as a value of the key ``preset``.

Readings and departures:

- the paper draws minibatches of 100 from one pool, of 4,000 labels in 50,000 about 8 images in each; here a step has 10
  labeled images and 100 of the pool, which holds the labeled ones too;
- batch norms of ``cnn13`` divide by the deviation, where the paper's subtract the mean alone;
- Adam's beta1 stays 0.9, where the paper lets it fall to 0.5 with the rate;
- CIFAR's images are contrast-normalized before they are whitened; SVHN's are normalized by the data set's statistics,
  where the paper takes each image's own.
"""

from __future__ import annotations

from typing import Any

from usb_negsamp.run.configuration.presets.ns3l import whole_epochs
from usb_negsamp.run.configuration.presets.request import Request

EPOCHS = 300
RAMP_EPOCHS = 80
BATCH = 100
LABELED_BATCH = 10
CIFAR: dict[str, Any] = {"img_size": 32, "horizontal_flip": True, "preprocessing": "gcn_zca", "lr": 3e-3}
IMAGES: dict[str, dict[str, Any]] = {
    "cifar10": {**CIFAR, "num_classes": 10, "num_labels": 4000, "temporalensembling_weight": 30.0},
    "cifar100": {**CIFAR, "num_classes": 100, "num_labels": 10000, "temporalensembling_weight": 100.0},
    "svhn": {
        "img_size": 32,
        "horizontal_flip": False,
        "preprocessing": "mean_std",
        "lr": 1e-3,
        "num_classes": 10,
        "num_labels": 1000,
        "temporalensembling_weight": 30.0,
    },
}
POOL = {"svhn": 73_257}
POOL_OF_OTHERS = 50_000


def temporal_ensembling(request: Request) -> dict[str, Any]:
    """300 passes over the pool with the 13-layer network, and the accuracy of the last model."""
    per_epoch = POOL.get(request.dataset, POOL_OF_OTHERS) // BATCH
    length = request.num_train_iter or EPOCHS * per_epoch
    return {
        "net": "cnn13",
        "optim": "Adam",
        "lr": 3e-3,
        "lr_schedule": "rise_and_fall",
        "num_warmup_iter": 0,
        "weight_decay": 0.0,
        "ema_m": 0.0,
        "batch_size": LABELED_BATCH,
        "uratio": BATCH // LABELED_BATCH,
        "use_cat": True,
        "num_train_iter": length,
        "epoch": whole_epochs(length, per_epoch),
        "num_eval_iter": per_epoch,
        "num_log_iter": max(1, per_epoch // 4),
        "num_last_evaluations": 1,
        "validation_size": 0,
        "include_lb_to_ulb": True,
        "bn_update": "joint",
        "augmentation": "oliver",
        "temporalensembling_decay": 0.6,
        "temporalensembling_ramp": RAMP_EPOCHS / EPOCHS,
        **IMAGES.get(request.dataset, {}),
    }
