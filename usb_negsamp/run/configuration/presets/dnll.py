"""The protocols of DNLL's paper and of Dual Student, as values of the key ``preset``.

Xu et al., "Semi-Supervised Learning with Pseudo-Negative Labels for Image Classification", states a learning rate of
0.03, weight decay 5e-4, momentum 0.9, cosine annealing, batches of 256, what weak and strong views are, and 500
validation images a class (MNIST: 50). Its released code trains CNN13 otherwise, with 0.1, 1e-4, 50 + 50 images and 100
epochs. ``dnll-wrn`` follows the paper, and ``dnll-cnn13`` the code, but for the views, which are the paper's.

Open in both, and so our choice:

- batches of 64 + 192 in ``dnll-wrn``; 300 epochs there, an epoch being one pass over the unlabeled images;
- lambda, 2 after the released code's ramp over 15 epochs; EMA of the weights, none;
- m = 3 by error perception, since that is the row of Table 5 that the other tables repeat for 4,000 labels;
- strengths of noise, shift and color jitter (:mod:`usb_negsamp.data.views.dnll`);
- the first network is what is reported, at its best validation; the released code reports the better of both on test.

``dual-student`` is the released code of Ke et al., "Dual Student", for CIFAR-10 with 1,000 labels and CIFAR-100 with
10,000, but for one classifier in place of two, validation images (that code selects on test), and batches of 32 + 96
for CIFAR-100, of 31 + 97 there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usb_negsamp.run.configuration.presets.request import Request

TRAINING_IMAGES = {"cifar10": 50_000, "cifar100": 50_000, "svhn": 73_257, "mnist": 60_000}
SAME_FOR_ALL = {"validation_shares": "equal"}
IMAGES: dict[str, dict[str, Any]] = {
    "cifar10": {"num_classes": 10, "num_labels": 4000, "img_size": 32, "validation_size": 5000, **SAME_FOR_ALL},
    "cifar100": {"num_classes": 100, "num_labels": 10000, "img_size": 32, "validation_size": 5000, **SAME_FOR_ALL},
    "svhn": {"num_classes": 10, "num_labels": 1000, "img_size": 32, "validation_size": 5000, **SAME_FOR_ALL},
    "mnist": {"num_classes": 10, "num_labels": 100, "img_size": 28, "validation_size": 500, **SAME_FOR_ALL},
}
WITHOUT_IMAGES = {"num_labels": 4000, "validation_size": 5000}
"""Stand in for another data set when the length of a run is counted; its own are the user's."""

RAMP_EPOCHS = 15
DUAL_STUDENT_RAMP_EPOCHS = 5


def dnll_wrn(request: Request) -> dict[str, Any]:
    """DNLL with Wide ResNet 28-2 (Tables 2, 3, 5 and 6)."""
    images = IMAGES.get(request.dataset, {})
    return {
        **_frame(request, images, batch_size=64, uratio=3, epochs=300),
        **_dnll(300),
        "net": "wrn_28_2",
        "lr": 0.03,
        "weight_decay": 5e-4,
        "augmentation": "horizontal_shift" if request.dataset == "svhn" else "color_jitter",
        **images,
    }


def dnll_cnn13(request: Request) -> dict[str, Any]:
    """DNLL with the 13-layer network (Tables 1 and 4)."""
    augmentations = {"mnist": "identity", "svhn": "horizontal_shift"}
    images = IMAGES.get(request.dataset, {})
    return {
        **_frame(request, images, batch_size=50, uratio=1, epochs=100),
        **_dnll(100),
        "net": "cnn13",
        "lr": 0.1,
        "weight_decay": 1e-4,
        "augmentation": augmentations.get(request.dataset, "noise"),
        **images,
    }


def dual_student(request: Request) -> dict[str, Any]:
    """Dual Student with the 13-layer network; DNLL's weight and ramp where it is added (DNLL's Figure 6)."""
    many = request.dataset == "cifar100"
    images = dict(IMAGES.get(request.dataset, {}))
    if request.dataset == "cifar10":
        images["num_labels"] = 1000
    return {
        **_frame(request, images, batch_size=32 if many else 50, uratio=3 if many else 1, epochs=300),
        **_dnll(300),
        "dnll_num_negatives": 2,
        "dnll_selection": "equal",
        "net": "cnn13",
        "lr": 0.2 if many else 0.1,
        "weight_decay": 2e-4 if many else 1e-4,
        "augmentation": "host",
        "crop_ratio": 0.875,
        "bn_update": "all",
        "dualstudent_threshold": 0.4 if many else 0.8,
        "dualstudent_consistency_weight": 10.0,
        "dualstudent_stabilization_weight": 100.0,
        "dualstudent_ramp": DUAL_STUDENT_RAMP_EPOCHS / 300,
        **images,
    }


def _frame(request: Request, images: dict[str, Any], *, batch_size: int, uratio: int, epochs: int) -> dict[str, Any]:
    """SGD on a cosine to 0, over so many passes over the unlabeled images, with an evaluation after each.

    ``images`` is what the preset says about the data set; nothing about another one than the papers'.
    """
    counted = images or WITHOUT_IMAGES
    num_labels = counted["num_labels"] if request.num_labels is None else request.num_labels
    num_unlabeled = TRAINING_IMAGES.get(request.dataset, 50_000) - counted["validation_size"] - num_labels
    per_epoch = max(1, num_unlabeled // (batch_size * uratio))
    length = request.num_train_iter or epochs * per_epoch
    return {
        "optim": "SGD",
        "momentum": 0.9,
        "lr_schedule": "cosine_to_zero",
        "num_warmup_iter": 0,
        "ema_m": 0.0,
        "batch_size": batch_size,
        "uratio": uratio,
        "num_train_iter": length,
        "epoch": length // per_epoch if length % per_epoch == 0 else 1,
        "num_eval_iter": per_epoch,
        "num_log_iter": max(1, per_epoch // 4),
        "include_lb_to_ulb": False,
        "preprocessing": "mean_std",
    }


def _dnll(epochs: int) -> dict[str, Any]:
    return {
        "dnll_num_negatives": 3,
        "dnll_selection": "error_perception",
        "dnll_weight": 2.0,
        "dnll_ramp": RAMP_EPOCHS / epochs,
        "dnll_ramp_shape": "truncated",
    }
