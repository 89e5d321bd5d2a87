"""The host's classic benchmark of images, its files in ``config/classic_cv``, as a value of the key ``preset``.

Wide ResNet 28-2 (STL-10: 37-2) by SGD at 0.03 on the host's cosine, averaged weights, 1,048,576 iterations with an
evaluation after every 5,120, batches of 64 labeled images beside 448 unlabeled ones or, of older algorithms, beside 64.
The labeled images are unlabeled ones, too, and there is no validation part: the host's figure is the best evaluation of
test images. NS3L's weight around an algorithm is not of that benchmark: it is the 0.3 of its paper around VAT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usb_negsamp.errors import expected
from usb_negsamp.run.configuration.presets.ns3l import whole_epochs

if TYPE_CHECKING:
    from usb_negsamp.run.configuration.presets.request import Request

ITERATIONS = 1024 * 1024
ITERATIONS_PER_EPOCH = 1024
EVALUATION_INTERVAL = 5120
IMAGES: dict[str, dict[str, Any]] = {
    "cifar10": {"num_classes": 10, "num_labels": 40, "img_size": 32},
    "cifar100": {"num_classes": 100, "num_labels": 400, "img_size": 32, "weight_decay": 1e-3},
    "svhn": {"num_classes": 10, "num_labels": 40, "img_size": 32},
    "stl10": {"num_classes": 10, "num_labels": 40, "img_size": 96, "net": "wrn_var_37_2"},
}
OF_PSEUDO_LABELS: dict[str, Any] = {"uratio": 7, "hard_label": True, "T": 0.5}
"""What FixMatch and those after it share."""

OF_ALGORITHM: dict[str, dict[str, Any]] = {
    "supervised": {},
    "fullysupervised": {},
    "ns3l": {},
    "dnll": {},
    "pimodel": {"ulb_loss_ratio": 10.0, "unsup_warm_up": 0.4},
    "meanteacher": {"ulb_loss_ratio": 50.0, "unsup_warm_up": 0.4},
    "pseudolabel": {"p_cutoff": 0.95, "unsup_warm_up": 0.4},
    "vat": {},
    "mixmatch": {"ulb_loss_ratio": 100.0, "unsup_warm_up": 0.4, "mixup_alpha": 0.5, "T": 0.5},
    "uda": {"uratio": 7, "T": 0.4, "p_cutoff": 0.8, "tsa_schedule": "none"},
    "fixmatch": {**OF_PSEUDO_LABELS, "p_cutoff": 0.95},
    "flexmatch": {**OF_PSEUDO_LABELS, "p_cutoff": 0.95, "thresh_warmup": True},
    "adamatch": {**OF_PSEUDO_LABELS, "p_cutoff": 0.95, "ema_p": 0.999},
    "freematch": {**OF_PSEUDO_LABELS, "ema_p": 0.999, "ent_loss_ratio": 0.001, "use_quantile": False},
    "softmatch": {
        **OF_PSEUDO_LABELS,
        "dist_align": True,
        "dist_uniform": True,
        "ema_p": 0.999,
        "n_sigma": 2,
        "per_class": False,
    },
}
"""Where the host's files of an algorithm differ from the others'; of what they leave out, the host's defaults count."""


def classic_cv(request: Request) -> dict[str, Any]:
    """The host's files of ``request.algorithm``, with what is wrapped around it.

    Raises:
        ConfigError: an algorithm that they are not read for here.
    """
    base, dataset = request.algorithm, request.dataset
    if base not in OF_ALGORITHM:
        names = ", ".join(sorted(OF_ALGORITHM))
        raise expected("algorithm", f"one of {names} with preset classic-cv, alone or with wrappers", base)
    length = request.num_train_iter or ITERATIONS
    values = {
        "net": "wrn_28_2",
        "crop_ratio": 0.875,
        "batch_size": 64,
        "uratio": 1,
        "eval_batch_size": 256,
        "use_cat": True,
        "optim": "SGD",
        "lr": 0.03,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "layer_decay": 1.0,
        "lr_schedule": "cosine",
        "num_warmup_iter": 0,
        "ema_m": 0.999,
        "amp": False,
        "ulb_loss_ratio": 1.0,
        "include_lb_to_ulb": True,
        "validation_size": 0,
        "num_train_iter": length,
        "epoch": whole_epochs(length, ITERATIONS_PER_EPOCH),
        "num_eval_iter": EVALUATION_INTERVAL,
        "num_log_iter": 256,
        "ns3l_weight": 1.0 if base == "ns3l" else 0.3,
        "ns3l_ramp": 0.25,
        **OF_ALGORITHM[base],
        **IMAGES.get(dataset, {}),
    }
    if base == "freematch":
        values["clip_thresh"] = dataset == "svhn"
    if base == "mixmatch" and dataset == "cifar100":
        values["ulb_loss_ratio"] = 150.0
    if dataset in IMAGES:
        values["ns3l_threshold"] = 0.4 / (request.num_classes or values["num_classes"])
    return values
