"""The protocols of OpenMatch and IOMatch, as values of the key ``preset``.

Both train Wide ResNet 28-2 by SGD at 0.03 on the host's cosine, with averaged weights, on all training images of CIFAR
as unlabeled ones. ``openmatch``: 50 labels a class, 512 epochs of 1,024 iterations, FixMatch from the tenth on, six
classes of CIFAR-10 or 55 of CIFAR-100. ``iomatch``: the released code's files, in which 4 or 25 labels a class, 256
epochs, six classes of CIFAR-10 or 50 of CIFAR-100 in the order of their superclasses; its OpenMatch takes 512 epochs
on CIFAR-100, begins with FixMatch after five, and learns from more kept images.

Both name their model by validation images here, 50 a class, as OpenMatch does; IOMatch's code takes the best on test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usb_negsamp.run.configuration.presets.ns3l import whole_epochs

if TYPE_CHECKING:
    from usb_negsamp.run.configuration.presets.request import Request

EPOCH = 1024
"""Iterations."""
ANIMALS = [2, 3, 4, 5, 6, 7]
_FIRST_SEEN = {"openmatch": 55, "iomatch": 50}
_LABELS_OF_CLASS = {"openmatch": 50, "iomatch": 4}


def openmatch(request: Request) -> dict[str, Any]:
    """Saito et al. (2021), by the released code."""
    return {**_frame(request, epochs=512), **_images(request, "openmatch"), **_openmatch(request, 512, start=10)}


def iomatch(request: Request) -> dict[str, Any]:
    """Li et al. (2023), by the files of the released code, in which OpenMatch has values of its own."""
    many = request.dataset == "cifar100"
    is_openmatch = request.algorithm == "openmatch"
    epochs = 512 if is_openmatch and many else 256
    values = {**_frame(request, epochs=epochs), **_images(request, "iomatch"), **_openmatch(request, epochs, start=5)}
    if not is_openmatch:
        values.update(uratio=7, weight_decay=1e-3 if many else 5e-4)
    return {
        **values,
        "openmatch_uratio": 7,
        "iomatch_p_cutoff": 0.95,
        "iomatch_q_cutoff": 0.5,
        "iomatch_ova_weight": 1.0,
        "iomatch_open_weight": 1.0,
        "iomatch_start": 1 / epochs,
        "iomatch_dist_align": many,
    }


def _frame(request: Request, *, epochs: int) -> dict[str, Any]:
    length = request.num_train_iter or epochs * EPOCH
    return {
        "net": "wrn_28_2",
        "img_size": 32,
        "crop_ratio": 0.875,
        "batch_size": 64,
        "uratio": 2,
        "use_cat": True,
        "optim": "SGD",
        "lr": 0.03,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "lr_schedule": "cosine",
        "num_warmup_iter": 0,
        "ema_m": 0.999,
        "ulb_loss_ratio": 1.0,
        "num_train_iter": length,
        "num_eval_iter": EPOCH,
        "num_log_iter": EPOCH // 4,
        "epoch": whole_epochs(length, EPOCH),
    }


def _images(request: Request, name: str) -> dict[str, Any]:
    """Classes and numbers of images; nothing about another data set than the papers'."""
    if request.dataset not in ("cifar10", "cifar100"):
        return {}
    held_out = {"validation_size": 500, "validation_shares": "equal", "mismatch_protocol": "whole_pool"}
    if request.dataset == "cifar10":
        classes: dict[str, Any] = {"num_classes": len(ANIMALS), "seen_classes": ANIMALS}
    else:
        held_out["validation_size"] = 5000
        number = request.num_classes or _FIRST_SEEN[name]
        classes = {"num_classes": number, "seen_classes": number, "class_order": "superclass"}
    return {**held_out, **classes, "num_labels": classes["num_classes"] * _LABELS_OF_CLASS[name]}


def _openmatch(request: Request, epochs: int, *, start: int) -> dict[str, Any]:
    return {
        "openmatch_entropy_weight": 0.1,
        "openmatch_consistency_weight": 1.0 if request.dataset == "cifar100" else 0.5,
        "openmatch_start": start / epochs,
        "openmatch_interval": 1 / epochs,
        "openmatch_p_cutoff": 0.0,
    }
