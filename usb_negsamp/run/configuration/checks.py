"""Values that no run can have. Each is one :class:`ConfigError` line, before anything is built or written."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Collection
from typing import Any

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.configuration import choices
from usb_negsamp.run.configuration.data_checks import check_data
from usb_negsamp.run.configuration.keys import OWN_ARGUMENTS
from usb_negsamp.run.configuration.processes import Process

# Classes of the sources that the host and we know by name; a source not named here is checked by its loader.
CLASSES_OF_SOURCE: dict[str, int] = {
    "digits": 10,
    "cifar10": 10,
    "cifar100": 100,
    "svhn": 10,
    "stl10": 10,
    "eurosat": 10,
    "tissuemnist": 8,
    "semi_aves": 200,
    "semi_aves_out": 200,
    "imagenet": 1000,
    "imagenet127": 127,
    "aclImdb": 2,
    "ag_news": 4,
    "amazon_review": 5,
    "dbpedia": 14,
    "yahoo_answers": 10,
    "yelp_review": 5,
    "esc50": 50,
    "fsdnoisy": 20,
    "gtzan": 10,
    "urbansound8k": 10,
}
# Sources whose labeled part is a given list, so that num_labels does not cut it. Our own sources check it themselves.
FIXED_LABELED_PART = ("semi_aves", "semi_aves_out", "fsdnoisy")

_Test = Callable[[Any], bool]
_POSITIVE: tuple[_Test, str] = (lambda value: value > 0, "more than 0")
_NOT_NEGATIVE: tuple[_Test, str] = (lambda value: value >= 0, "0 or more")
_SHARE: tuple[_Test, str] = (lambda value: 0 <= value <= 1, "from 0 to 1")
_SHARE_ABOVE_0: tuple[_Test, str] = (lambda value: 0 < value <= 1, "more than 0 and at most 1")
_RATE: tuple[_Test, str] = (lambda value: 0 <= value < 1, "at least 0 and less than 1")
_SEED: tuple[_Test, str] = (lambda value: 0 <= value < 2**32, "from 0 to 4294967295")

RANGES: dict[str, tuple[_Test, str]] = {
    "num_classes": (lambda value: value >= 2, "at least 2"),
    "num_labels": _POSITIVE,
    "batch_size": _POSITIVE,
    "eval_batch_size": _POSITIVE,
    "uratio": _POSITIVE,
    "epoch": _POSITIVE,
    "num_train_iter": _POSITIVE,
    "num_eval_iter": _POSITIVE,
    "num_log_iter": _POSITIVE,
    "num_warmup_iter": _NOT_NEGATIVE,
    "lr": _POSITIVE,
    "momentum": _RATE,
    "weight_decay": _NOT_NEGATIVE,
    "layer_decay": _SHARE_ABOVE_0,
    "ema_m": _RATE,
    "ema_p": _SHARE,
    "ent_loss_ratio": _NOT_NEGATIVE,
    "n_sigma": _POSITIVE,
    "mixup_alpha": _NOT_NEGATIVE,
    "clip_grad": _NOT_NEGATIVE,
    "ulb_loss_ratio": _NOT_NEGATIVE,
    "img_size": _POSITIVE,
    "crop_ratio": _SHARE_ABOVE_0,
    "num_workers": _NOT_NEGATIVE,
    "p_cutoff": _SHARE,
    "T": _POSITIVE,
    "seed": _SEED,
    "split_seed": _SEED,
    "validation_size": _NOT_NEGATIVE,
    "mismatch_ratio": _SHARE,
    "num_unlabeled": _POSITIVE,
    "open_eval_images": _NOT_NEGATIVE,
    "bn_batches": _NOT_NEGATIVE,
    "gpu": _NOT_NEGATIVE,
    "ns3l_weight": _NOT_NEGATIVE,
    "unsup_warm_up": _NOT_NEGATIVE,
    "lr_decay_factor": _SHARE_ABOVE_0,
    "lr_decay_iters": (lambda value: len(value) > 0 and min(value) > 0, "iterations, each more than 0"),
    "num_last_evaluations": _NOT_NEGATIVE,
    "vat_eps": _NOT_NEGATIVE,
    "vat_xi": _POSITIVE,
    "vat_num_iters": _NOT_NEGATIVE,
    "vat_pseudo_label_weight": _NOT_NEGATIVE,
    "vat_pseudo_label_cutoff": _SHARE,
}
# Choices of keys that an algorithm brings itself; those of our general keys stand with the key.
CHOICES: dict[str, tuple[str, ...]] = {
    "vat_direction": ("clean_to_adversarial", "adversarial_to_clean"),
    "vat_entropy_on": ("clean", "perturbed"),
}


def check(args: Namespace, process: Process, given: Collection[str] = ()) -> None:
    """Raise :class:`ConfigError` for the first value that cannot be.

    Args:
        args: the resolved configuration, ``batch_size`` being the global one.
        process: which process of how many this is.
        given: the keys that the user gave; a range is not asked of a default that an algorithm brings itself.
    """
    _check_names(args)
    for key, (holds, expected) in RANGES.items():
        value = getattr(args, key, None)
        if value is not None and not isinstance(value, str) and not holds(value):
            raise ConfigError(f"{key} must be {expected}, got {value}")
    _check_classes(args)
    check_data(args, given)
    _check_iterations(args)
    _check_schedule(args, given)
    _check_threshold(args, given)
    _check_wrappers(args)
    if args.batch_size % process.world_size:
        raise ConfigError(
            f"batch_size must be divisible by the number of processes, got {args.batch_size} and {process.world_size}"
        )
    _check_device(args, process)


def _check_names(args: Namespace) -> None:
    own_choices = {key.name: key.choices for key in OWN_ARGUMENTS if key.choices}
    for name, names in {**own_choices, **CHOICES}.items():
        value = getattr(args, name, names[0])
        if value is not None and value not in names:
            raise ConfigError(f"{name} must be one of {', '.join(names)}, got {value!r}")
    if args.optim not in choices.optimizers():
        raise unknown("optimizer", args.optim, choices.optimizers())
    if args.train_sampler not in choices.samplers():
        raise unknown("train_sampler", args.train_sampler, choices.samplers())
    if args.dataset not in choices.datasets():
        raise unknown("dataset", args.dataset, choices.datasets())
    choices.check_net(args.net, args.net_from_name)


def _check_classes(args: Namespace) -> None:
    expected = CLASSES_OF_SOURCE.get(args.dataset)
    if expected is not None and args.num_classes != expected and getattr(args, "seen_classes", None) is None:
        raise ConfigError(f"num_classes must be {expected} for dataset {args.dataset}, got {args.num_classes}")
    balanced = args.lb_imb_ratio == 1 and args.dataset not in (*FIXED_LABELED_PART, *choices.own_datasets())
    if balanced and args.num_labels is not None and args.num_labels % args.num_classes:
        near = _nearest_multiple(args.num_labels, args.num_classes)
        raise ConfigError(
            f"num_labels must be divisible by num_classes, got {args.num_labels} labels for {args.num_classes} "
            f"classes; nearest: {near}"
        )


def _check_iterations(args: Namespace) -> None:
    if args.num_train_iter % args.epoch:
        near = _nearest_multiple(args.num_train_iter, args.epoch)
        raise ConfigError(
            f"num_train_iter must be divisible by epoch, got {args.num_train_iter} and {args.epoch}; "
            f"nearest num_train_iter: {near}"
        )
    if args.num_warmup_iter > args.num_train_iter:
        raise ConfigError(
            f"num_warmup_iter must be at most num_train_iter, got {args.num_warmup_iter} and {args.num_train_iter}"
        )


def _check_schedule(args: Namespace, given: Collection[str]) -> None:
    if args.lr_schedule != "step" and args.lr_decay_iters is not None and "lr_decay_iters" in given:
        raise ConfigError(f"lr_decay_iters is read only with lr_schedule step, got lr_schedule {args.lr_schedule}")
    if args.lr_schedule == "step" and args.lr_decay_iters is None:
        raise ConfigError("lr_decay_iters must be given for lr_schedule step, e.g. [130000], got none")


def _check_threshold(args: Namespace, given: Collection[str]) -> None:
    threshold = getattr(args, "ns3l_threshold", None)
    if threshold is None or "ns3l_threshold" not in given:
        return
    if not 0 < threshold < 1 / args.num_classes:
        raise ConfigError(
            f"ns3l_threshold must be more than 0 and less than 1/num_classes = {1 / args.num_classes:.6g}, "
            f"got {threshold}"
        )


def _check_wrappers(args: Namespace) -> None:
    """Let each wrapper look at its own keys."""
    from usb_negsamp.host import ALGORITHMS

    for part in ALGORITHMS[args.algorithm].__mro__:
        if "check_arguments" in vars(part):
            part.check_arguments(args)


def _check_device(args: Namespace, process: Process) -> None:
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if args.device == "cuda" and not gpus:
        raise ConfigError("device must be cpu or auto here: cuda was asked for, but PyTorch finds no GPU")
    if args.device == "cpu" or not gpus:
        return
    wanted = args.gpu if args.gpu is not None and process.world_size == 1 else process.local_rank
    if wanted >= gpus:
        raise ConfigError(f"gpu must be less than the number of GPUs, {gpus}, got {wanted}")


def _nearest_multiple(value: int, divisor: int) -> int:
    return max(divisor, round(value / divisor) * divisor)
