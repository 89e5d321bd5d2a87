"""The protocols of Oliver et al. (2018) and of NS3L's paper, as values of the key ``preset``.

Readings where the papers leave a choice: NS3L takes its probabilities from a second pass, as the released code;
``vat_xi`` stays the host repair's, since the papers' 1e-6 of a unit vector is lost in float32; Mean Teacher is
evaluated by its average of 0.95, where Oliver et al. evaluate the student.

Of the Fashion-MNIST study the paper states the labels, the epochs, the negatives and that the network is small. The
rest is our choice: Adam at a constant 6e-4, which is NS3L's, and 50 + 50 images for all rows, ``small_cnn``, no
augmentation, a lambda_1 of 1 with the other experiments' share for the ramp, one pass. Its 2,000 + 58,000 images are
the whole training part, so that what it calls validation is the test part.
"""

from __future__ import annotations

from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.presets.request import Request

LEARNING_RATES: dict[str, float] = {
    "supervised": 3e-3,
    "fullysupervised": 3e-3,
    "vat": 3e-3,
    "meanteacher": 4e-4,
    "pimodel": 3e-4,
    "pseudolabel": 3e-4,
    "ns3l": 6e-4,
    "temporalensembling": 4e-4,
    "uasd": 1e-3,
    "ds3l": 3e-4,
}
"""Oliver et al.'s; NS3L's own, which is also that of every algorithm with NS3L around it; and those by which the codes
of UASD and DS3L, which follow Oliver et al., train their own methods and Temporal Ensembling."""

LARGEST_WEIGHTS: dict[str, float] = {"pimodel": 20.0, "meanteacher": 8.0, "vat": 0.3, "pseudolabel": 1.0}
"""Of the unlabeled loss, after its ramp."""

CIFAR: dict[str, Any] = {
    "img_size": 32,
    "validation_size": 5000,
    "horizontal_flip": True,
    "preprocessing": "gcn_zca",
    "vat_eps": 6.0,
}
IMAGES: dict[str, dict[str, Any]] = {
    "cifar10": {**CIFAR, "num_classes": 10, "num_labels": 4000},
    "cifar100": {**CIFAR, "num_classes": 100, "num_labels": 10000},
    "svhn": {
        "img_size": 32,
        "validation_size": 7325,
        "horizontal_flip": False,
        "preprocessing": "minus_one_to_one",
        "vat_eps": 1.0,
        "num_classes": 10,
        "num_labels": 1000,
    },
}
MIXMATCH_IMAGES: dict[str, dict[str, Any]] = {
    "cifar10": {"num_classes": 10, "num_labels": 4000, "horizontal_flip": True, "ulb_loss_ratio": 75.0},
    "svhn": {"num_classes": 10, "num_labels": 1000, "horizontal_flip": False, "ulb_loss_ratio": 250.0},
    "stl10": {
        "num_classes": 10,
        "num_labels": 1000,
        "horizontal_flip": True,
        "ulb_loss_ratio": 50.0,
        "img_size": 96,
        "net": "wrn_var_37_2",
    },
}
ITERATIONS_PER_EPOCH = 1000
MIXMATCH_ITERATIONS_PER_EPOCH = 1024
FASHION_MNIST_ITERATIONS_PER_EPOCH = 58_000 // 50
MIXMATCH_RAMP = 16 * MIXMATCH_ITERATIONS_PER_EPOCH


def oliver(request: Request) -> dict[str, Any]:
    """Oliver et al. (2018): ramp 200,000 and drop at 400,000 of 500,000 iterations."""
    values = _adam_protocol(request, "oliver", iterations=500_000, ramp=200_000, drop=400_000)
    values.update(include_lb_to_ulb=True, vat_entropy_on="perturbed")
    if request.dataset == "svhn":
        values["validation_size"] = 7326
    return values


def ns3l(request: Request) -> dict[str, Any]:
    """NS3L, section 4: ramp 50,000 and drop at 130,000 of 200,000 iterations."""
    values = _adam_protocol(request, "ns3l", iterations=200_000, ramp=50_000, drop=130_000)
    values.update(include_lb_to_ulb=False, vat_entropy_on="clean")
    return values


def _adam_protocol(request: Request, preset: str, *, iterations: int, ramp: int, drop: int) -> dict[str, Any]:
    length = request.num_train_iter or iterations
    base = request.algorithm
    plain = not request.wrappers
    values: dict[str, Any] = {
        "net": "wrn_28_2",
        "optim": "Adam",
        "lr": _learning_rate(request, preset),
        "weight_decay": 0.0,
        "ema_m": 0.95 if base == "meanteacher" else 0.0,
        "lr_schedule": "step",
        "lr_decay_iters": [max(1, round(length * drop / iterations))],
        "lr_decay_factor": 0.2,
        "num_warmup_iter": 0,
        "batch_size": 100 if base in ("supervised", "fullysupervised") and plain else 50,
        "uratio": 1,
        "use_cat": True,
        "num_train_iter": length,
        "epoch": whole_epochs(length, ITERATIONS_PER_EPOCH),
        "num_eval_iter": 1000,
        "num_log_iter": 500,
        "bn_update": "joint",
        "unsup_ramp": "sigmoid",
        "unsup_warm_up": ramp / iterations,
        "augmentation": "oliver",
        "vat_direction": "adversarial_to_clean",
        "ent_loss_ratio": 0.0,
        "ns3l_weight": 0.3 if base == "vat" else 1.0,
        "ns3l_ramp": ramp / iterations,
        "ns3l_passes": 2,
        **IMAGES.get(request.dataset, {}),
    }
    if base in LARGEST_WEIGHTS:
        values["ulb_loss_ratio"] = LARGEST_WEIGHTS[base]
    if base == "vat" and "ns3l" in request.wrappers and request.dataset == "cifar100":
        values["ulb_loss_ratio"] = 0.6
    if base == "pseudolabel":
        values["p_cutoff"] = 0.95
    if base == "temporalensembling":
        values.update(temporalensembling_weight=8.0, temporalensembling_ramp=ramp / iterations)
    if request.dataset in IMAGES:
        values["ns3l_threshold"] = 0.4 / (request.num_classes or values["num_classes"])
    return values


def _learning_rate(request: Request, preset: str) -> float:
    if request.lr is not None:
        return request.lr
    if "ns3l" in request.wrappers:
        return 3e-3 if (request.algorithm, request.dataset) == ("vat", "cifar100") else LEARNING_RATES["ns3l"]
    if request.algorithm not in LEARNING_RATES:
        known = ", ".join(sorted(LEARNING_RATES))
        raise ConfigError(f"preset {preset} has no learning rate for {request.algorithm}, only for {known}; give lr")
    return LEARNING_RATES[request.algorithm]


def ns3l_mixmatch(request: Request) -> dict[str, Any]:
    """NS3L's MixMatch experiments; lambda_1 by data set and, for CIFAR-10, by the number of labels."""
    length = request.num_train_iter or 300 * MIXMATCH_ITERATIONS_PER_EPOCH
    # Unlike Oliver's, this ramp is a number of images whatever the run's length.
    ramp = min(1.0, MIXMATCH_RAMP / length)
    images = MIXMATCH_IMAGES.get(request.dataset, {})
    num_labels = request.num_labels or images.get("num_labels", 0)
    many_labels = request.dataset == "cifar10" and num_labels > 250
    return {
        "net": "wrn_28_2",
        "img_size": 32,
        "optim": "Adam",
        "lr": 2e-3,
        "lr_schedule": "constant",
        "num_warmup_iter": 0,
        "weight_decay": 0.0,
        "ema_m": 0.999,
        "batch_size": 64,
        "uratio": 1,
        "num_train_iter": length,
        "epoch": whole_epochs(length, MIXMATCH_ITERATIONS_PER_EPOCH),
        "num_eval_iter": MIXMATCH_ITERATIONS_PER_EPOCH,
        "num_log_iter": 512,
        "num_last_evaluations": 20,
        "validation_size": 0,
        "include_lb_to_ulb": False,
        "mixmatch_official": True,
        "mixmatch_kernel_decay": 0.02,
        "T": 0.5,
        "mixup_alpha": 0.75,
        "unsup_ramp": "linear",
        "unsup_warm_up": ramp,
        "ns3l_threshold": 0.05,
        "ns3l_weight": 10.0 if many_labels else 5.0 if request.dataset == "cifar10" else 2.0,
        "ns3l_ramp": ramp,
        "preprocessing": "minus_one_to_one",
        "augmentation": "mixmatch",
        **images,
    }


def ns3l_fmnist(request: Request) -> dict[str, Any]:
    """NS3L, appendix B, Table 6: what negatives are worth on Fashion-MNIST with 2,000 labels."""
    length = request.num_train_iter or 50 * FASHION_MNIST_ITERATIONS_PER_EPOCH
    return {
        "net": "small_cnn",
        "img_size": 28,
        "num_classes": 10,
        "num_labels": 2000,
        "validation_size": 0,
        "include_lb_to_ulb": False,
        "crop_ratio": 1.0,
        "horizontal_flip": False,
        "optim": "Adam",
        "lr": LEARNING_RATES["ns3l"],
        "lr_schedule": "constant",
        "num_warmup_iter": 0,
        "weight_decay": 0.0,
        "ema_m": 0.0,
        "batch_size": 50,
        "uratio": 1,
        "use_cat": True,
        "num_train_iter": length,
        "epoch": whole_epochs(length, FASHION_MNIST_ITERATIONS_PER_EPOCH),
        "num_eval_iter": FASHION_MNIST_ITERATIONS_PER_EPOCH,
        "num_log_iter": 580,
        "num_last_evaluations": 1,
        "bn_update": "joint",
        "ns3l_weight": 1.0,
        "ns3l_ramp": 0.25,
        "ns3l_passes": 1,
    }


def whole_epochs(length: int, iterations_per_epoch: int) -> int:
    """The host's ``epoch`` for a training of ``length`` iterations, which must be a multiple of it."""
    return length // iterations_per_epoch if length % iterations_per_epoch == 0 else 1
