"""The protocols of methods that select unlabeled images, as values of the key ``preset``.

``cl`` is the released code of Cascante-Bonilla et al., "Curriculum Labeling" (AAAI 2021): six rounds of 750 passes over
their own images, each with a cosine of its own, snapshots of the weights averaged from pass 200 on. Departures: strong
views are the host's RandAugment in place of the searched policies, and the batch statistics of an average are those of
50 batches of unlabeled images.

``mtc`` is the released code of Yu et al., "Multi-Task Curriculum Framework for Open-Set Semi-Supervised Learning" (ECCV
2020): MixMatch as its authors published it after a warm-up of 100 of 1,124 epochs, constant Adam, average of 0.999.
Departures: weights of convolutions and linear layers alone shrink, not biases and normalizations; a share to mix by is
drawn for each example; the figure is the median of the last 20 evaluations, where the paper has their mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usb_negsamp.run.configuration.presets.dnll import TRAINING_IMAGES
from usb_negsamp.run.configuration.presets.ns3l import whole_epochs

if TYPE_CHECKING:
    from usb_negsamp.run.configuration.presets.request import Request

COMMON = {"img_size": 32, "num_classes": 10, "validation_size": 5000, "validation_shares": "equal"}
IMAGES: dict[str, dict[str, Any]] = {
    "cifar10": {**COMMON, "num_labels": 4000},
    "svhn": {**COMMON, "num_labels": 1000},
}
CL_BATCH_SIZE, CL_PASSES = 512, 750
EVALUATION_INTERVAL = 500
MTC_WARM_UP, MTC_EPOCHS, MTC_ITERATIONS_PER_EPOCH = 100, 1024, 1024


def cl(request: Request) -> dict[str, Any]:
    """Curriculum Labeling with Wide ResNet 28-2."""
    images = IMAGES.get(request.dataset, {})
    num_labels = request.num_labels or images.get("num_labels", 4000)
    num_unlabeled = TRAINING_IMAGES.get(request.dataset, 50_000) - 5000 - num_labels
    # Images of all six rounds: the labeled ones, and none, a fifth, ... all of the unlabeled ones.
    intervals = CL_PASSES * (6 * num_labels + 3 * num_unlabeled) // (CL_BATCH_SIZE * EVALUATION_INTERVAL)
    length = request.num_train_iter or intervals * EVALUATION_INTERVAL
    return {
        "net": "wrn_28_2",
        "optim": "SGD",
        "momentum": 0.9,
        "lr": 0.1,
        "weight_decay": 5e-4,
        "lr_schedule": "cosine_to_zero",
        "num_warmup_iter": 0,
        "ema_m": 0.0,
        "bn_batches": 50,
        "batch_size": CL_BATCH_SIZE,
        "uratio": 1,
        "num_train_iter": length,
        "epoch": whole_epochs(length, EVALUATION_INTERVAL),
        "num_eval_iter": EVALUATION_INTERVAL,
        "num_log_iter": 100,
        "include_lb_to_ulb": False,
        "preprocessing": "mean_std",
        "augmentation": "host",
        "crop_ratio": 0.875,
        "cl_rounds": 5,
        "cl_lengths": "passes",
        "cl_mixup_alpha": 1.0,
        "cl_class_weights": True,
        "cl_view": "strong",
        "cl_swa_start": 200 / CL_PASSES,
        "cl_swa_every": 5 / CL_PASSES,
        **images,
    }


def mtc(request: Request) -> dict[str, Any]:
    """Multi-Task Curriculum with Wide ResNet 28-2."""
    epochs = MTC_WARM_UP + MTC_EPOCHS
    length = request.num_train_iter or epochs * MTC_ITERATIONS_PER_EPOCH
    return {
        "net": "wrn_28_2",
        "optim": "Adam",
        "lr": 2e-3,
        "lr_schedule": "constant",
        "num_warmup_iter": 0,
        "weight_decay": 0.0,
        "ema_m": 0.999,
        "batch_size": 64,
        "uratio": 1,
        "num_train_iter": length,
        "epoch": whole_epochs(length, MTC_ITERATIONS_PER_EPOCH),
        "num_eval_iter": MTC_ITERATIONS_PER_EPOCH,
        "num_log_iter": 512,
        "num_last_evaluations": 20,
        "include_lb_to_ulb": False,
        "preprocessing": "mean_std",
        "augmentation": "host",
        "crop_ratio": 0.875,
        "mixmatch_official": True,
        "mixmatch_kernel_decay": 0.02,
        "T": 0.5,
        "mixup_alpha": 0.75,
        "ulb_loss_ratio": 75.0,
        "unsup_warm_up": 16 / epochs,
        "mtc_warm_up": MTC_WARM_UP / epochs,
        "mtc_epoch": 1 / epochs,
        "mtc_memory": 10,
        **IMAGES.get(request.dataset, {}),
    }
